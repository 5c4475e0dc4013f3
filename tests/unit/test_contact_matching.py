"""Rules M1 to M3: names pair people only where they are unmistakable."""

from __future__ import annotations

import pytest

from models import Pairing
from services.contact_matching import Match, is_withheld, match, name_key


def test_one_of_each_name_is_a_pair():
    assert match([(1, "张三")], [("zhangsan", "张三")]) == {"zhangsan": Match(Pairing.BY_NAME, 1)}


@pytest.mark.parametrize(("here", "there"), [(" 张三 ", "张三"), ("Ｌｉｎ", "lin"), ("LIN  Xiao", "lin xiao")])
def test_spaces_width_and_case_do_not_matter(here, there):
    assert name_key(here) == name_key(there)


def test_a_name_that_occurs_twice_on_either_side_is_left_to_a_person():
    twice_here = match([(1, "李雷"), (2, "李雷")], [("lilei", "李雷")])
    twice_there = match([(1, "李雷")], [("lilei", "李雷"), ("lilei2", "李雷")])
    assert twice_here == {"lilei": Match(Pairing.NAMESAKE)}
    assert set(twice_there.values()) == {Match(Pairing.NAMESAKE)}


def test_a_name_of_one_side_alone_is_no_pair():
    assert match([(1, "王芳")], [("zhou", "周宁")]) == {"zhou": Match(Pairing.NONE)}


def test_names_that_the_platform_withholds_match_nothing():
    assert is_withheld("", "lin")
    assert is_withheld("LIN", "lin")
    assert match([(1, "lin")], [("lin", "lin"), ("wu", "")]) == {"lin": Match(Pairing.NONE), "wu": Match(Pairing.NONE)}
