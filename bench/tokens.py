"""How often a platform is asked for a token when 1 000 cards leave at once, two workers, nothing cached."""

from __future__ import annotations

import math
from dataclasses import replace

from bench.company import Company, company
from bench.delivery import push_burst
from bench.platforms import PLATFORMS
from bench.results import Row
from bench.stage import Stage

PART = "tokens"
CARDS, WORKERS = 1000, 2


def run(stage: Stage, *, quick: bool) -> list[Row]:
    return [row for platform in PLATFORMS for row in _measure(stage, platform, 400 if quick else CARDS)]


def _measure(stage: Stage, platform: str, count: int) -> list[Row]:
    """The bar is for each application: none can use another one's token."""
    with stage.product(company, workers=WORKERS) as product:
        organisation = Company.of(product.home).by_platform[platform]
        _, arrivals = push_burst(stage.fake, product, organisation, count)
        asked = stage.fake.tokens()
    note = f"{sum(asked.values())} for {len(organisation.applications)} applications"
    rows = [
        Row(
            PART,
            f"tokens asked for by an application, {count} cards, {WORKERS} workers",
            max(asked.values(), default=math.nan),
            "",
            bar=2,
            note=note,
        ),
        Row(PART, "cards that came", len(arrivals), "", bar=count, sense="at_least"),
    ]
    return [replace(row, platform=platform) for row in rows]
