"""Keys of card buttons."""

from __future__ import annotations

import pytest

from services import card_keys

SECRET, REFERENCE = "a secret", "0123abcd" * 4


def test_a_key_comes_back_as_the_action_that_we_drew():
    assert card_keys.read(SECRET, card_keys.make(SECRET, "snooze:120", REFERENCE), REFERENCE) == "snooze:120"


@pytest.mark.parametrize("key", ["", ".", "acknowledge", "acknowledge.", "close.AAAAAAAAAAAAAAAAAAAAAA", "é.ü"])
def test_a_key_that_we_did_not_draw_is_refused(key):
    assert card_keys.read(SECRET, key, REFERENCE) is None


def test_a_key_holds_for_its_own_message_action_and_secret_alone():
    key = card_keys.make(SECRET, "acknowledge", REFERENCE)
    mac = key.partition(".")[2]
    assert card_keys.read(SECRET, key, "another message") is None
    assert card_keys.read("another secret", key, REFERENCE) is None
    assert card_keys.read(SECRET, f"close.{mac}", REFERENCE) is None


def test_a_key_fits_every_platform():
    assert len(card_keys.make(SECRET, "snooze:1440", REFERENCE)) <= 128


def test_a_card_of_the_first_versions_can_still_be_pressed():
    key = "close.zjbSRBKEarnmB8hnL7buww"
    assert card_keys.read(SECRET, key, REFERENCE) == "close"
    assert card_keys.read(SECRET, key, "another message") is None
