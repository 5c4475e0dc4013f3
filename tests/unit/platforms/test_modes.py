"""What holds for the wizard of every platform."""

from __future__ import annotations

import re

import pytest

from platforms import PLATFORMS

COMMON = {"trusted_domain", "ownership_file_url", "egress_ips"}
"""Values that every connection has, beside its platform's own addresses."""
PROVIDERS = {"app_name", "install_url"}
"""Those of a mode that a provider's application is used in, beside."""
MODES = {f"{slug}-{mode.slug}": (kind, mode) for slug, kind in PLATFORMS.items() for mode in kind.modes}


@pytest.mark.parametrize(("platform", "mode"), MODES.values(), ids=MODES)
def test_a_mode_is_consistent(platform, mode):
    keys = [step.key for step in mode.steps]
    names = {check.name for check in mode.checks}
    fields = [f.name for f in mode.fields]
    assert len(set(keys)) == len(keys)
    assert len(set(fields)) == len(fields)
    assert {check.mend_step for check in mode.checks} <= set(keys)
    assert {name for step in mode.steps for name in step.checks} == names
    known = COMMON | platform.addresses.keys() | (PROVIDERS if mode.needs_provider else set())
    assert {value.name for step in mode.steps for value in step.values} <= known
    for f in mode.fields:
        re.compile(f.pattern)
    depends = {one.depends_on for one in (*mode.fields, *mode.checks)} - {""}
    assert depends <= set(fields)
    for step in mode.steps:
        assert step.title
        assert step.instructions
        assert step.drawing is None or step.drawing.active_menu in step.drawing.menu


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_a_platform_has_what_the_product_relies_on(platform):
    assert "home_url" in platform.addresses
    assert {path.partition("/")[2] for path in platform.addresses.values() if path.startswith("callback")} == set(
        platform.capabilities.callbacks
    )
    assert "console" in platform.hosts
    assert bool(platform.capabilities.no_groups_hint) == platform.capabilities.has_groups
