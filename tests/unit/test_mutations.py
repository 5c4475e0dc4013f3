"""The catalogue of mistakes is about the code as it is: `make mutants` itself takes too long for every day."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutations.catalogue import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mistake", MUTATIONS, ids=lambda one: one.name)
def test_a_mistake_can_be_made_where_the_catalogue_says(mistake: Mutation):
    assert (ROOT / mistake.path).read_text().count(mistake.old) == 1
    assert mistake.old != mistake.new
    for test in mistake.tests:
        path, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text()
