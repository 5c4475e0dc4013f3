"""How often the platform is asked for a token when 1 000 cards leave at once, two workers, nothing cached."""

from __future__ import annotations

from bench.company import Company, company
from bench.delivery import push_burst
from bench.processes import Stage
from bench.results import Row

PART = "tokens"
CARDS, WORKERS = 1000, 2


def run(stage: Stage, *, quick: bool) -> list[Row]:
    count = 400 if quick else CARDS
    with stage.product(company, workers=WORKERS) as product:
        _, arrived = push_burst(stage.fake, product, Company.of(product.home).main, count)
        asked = stage.fake.counts().get("gettoken", 0)
    return [
        Row(PART, f"tokens asked for, {count} cards, {WORKERS} workers", asked, "", bar=2),
        Row(PART, "cards that came", len(arrived), "", bar=count, sense="at_least"),
    ]
