"""The decision table P1 to P8, row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models import LinkState, MembershipState, Pairing
from services import contact_decisions
from services.contact_decisions import LINES, TOTALS, Account, Decision, Facts, decide

ACTIVE, LEFT = MembershipState.ACTIVE, MembershipState.LEFT
REVIEW = MembershipState.UNDER_REVIEW
NOBODY = Facts("lilei", "李雷", Pairing.NONE, is_included=True, username="ABC123lilei", is_taken=False)
LIN = Account(7, "lin", "林晓", ACTIVE)


def paired(account: Account | None) -> Facts:
    return replace(NOBODY, pairing=Pairing.BY_HAND, is_paired=True, paired=account)


def test_somebody_bound_keeps_everything():
    facts = replace(NOBODY, pairing=Pairing.BOUND, link=LIN, link_state=LinkState.ACTIVE)
    assert decide(facts) == Decision(contact_decisions.BOUND, LIN)


def test_a_link_that_had_failed_lives_again():
    facts = replace(NOBODY, pairing=Pairing.BOUND, link=LIN, link_state=LinkState.BROKEN)
    assert decide(facts).link is LinkState.ACTIVE


def test_somebody_who_had_left_asks_to_come_back():
    facts = replace(NOBODY, link=replace(LIN, place=LEFT), link_state=LinkState.ACTIVE)
    decision = decide(facts)
    assert (decision.outcome, decision.place, decision.link) == (contact_decisions.REVIEW, REVIEW, LinkState.PENDING)


def test_a_link_that_was_made_meanwhile_counts_more_than_the_choice():
    facts = replace(paired(replace(LIN, user_id=8)), link=LIN, link_state=LinkState.ACTIVE)
    assert decide(facts).account == LIN


def test_a_paired_member_is_linked_and_named_only_if_nameless():
    assert decide(paired(LIN)) == Decision(contact_decisions.UPDATED, LIN, LinkState.ACTIVE)
    assert decide(paired(replace(LIN, real_name=""))).fills_name


@pytest.mark.parametrize("place", [None, LEFT])
def test_an_account_from_outside_goes_through_review(place):
    decision = decide(paired(replace(LIN, place=place)))
    assert (decision.outcome, decision.place, decision.link) == (contact_decisions.REVIEW, REVIEW, LinkState.PENDING)


def test_an_account_that_was_made_for_this_person_is_found_again():
    generated = replace(NOBODY, generated=LIN, is_taken=True)
    assert decide(generated).outcome == contact_decisions.UPDATED
    left = decide(replace(generated, generated=replace(LIN, place=LEFT)))
    assert (left.place, left.link) == (REVIEW, LinkState.PENDING)


def test_a_strangers_account_of_that_name_is_left_alone():
    assert decide(replace(NOBODY, is_taken=True)) == Decision(contact_decisions.TAKEN)


def test_nobody_becomes_a_new_account():
    decision = decide(NOBODY)
    assert (decision.creates, decision.place, decision.link) == (True, ACTIVE, LinkState.ACTIVE)


def test_a_paired_account_that_vanished_fails():
    assert decide(paired(None)) == Decision(contact_decisions.GONE)


def test_a_refused_member_stays_refused():
    decision = decide(paired(replace(LIN, place=MembershipState.REFUSED)))
    assert (decision.outcome, decision.link, decision.place) == (contact_decisions.REFUSED, None, None)


def test_whoever_is_left_out_is_left_alone():
    assert decide(replace(NOBODY, is_included=False)) == Decision(contact_decisions.EXCLUDED)


def test_an_account_that_belongs_to_another_person_there_is_not_taken_away():
    assert decide(paired(replace(LIN, linked_to="other"))).outcome == contact_decisions.ELSEWHERE


def test_every_outcome_has_its_line():
    named = {value for name, value in vars(contact_decisions).items() if name.isupper() and isinstance(value, str)}
    assert named == set(LINES)
    assert set(TOTALS) <= set(LINES)
