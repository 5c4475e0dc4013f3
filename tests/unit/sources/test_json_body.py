"""Bytes from strangers."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sources import Refused, read_json


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "body is not JSON: Expecting value at line 1, column 1"),
        (b'{"a": 1,\n "b": }', "at line 2, column 7"),
        (b"{'a': 1}", "at line 1, column 2"),
        (b'{"a": NaN}', "NaN is not a JSON value"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON value"),
        (b'{"a": 1e999}', "too large: 1e999"),
        (b'{"a": ' + b"9" * 5000 + b"}", "more than 4000 digits"),
        (b"[" * 33 + b"]" * 33, "deeper than 32 levels"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "deeper than 32 levels"),
        (b'{"a": "\xff"}', "not UTF-8 text (byte 8)"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8 text"),
    ],
)
def test_a_body_that_is_not_json_is_refused_with_the_place(body, message):
    with pytest.raises(Refused, match="body") as refusal:
        read_json(body)
    assert message in str(refusal.value)


def test_a_byte_order_mark_is_no_mistake():
    assert read_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_what_postgresql_cannot_store_is_replaced():
    assert read_json(rb'{"a\u0000": ["x\u0000y", "\ud800", "\ud83d\ude00", "\udc00z"]}') == {
        "a": ["xy", "\ufffd", "😀", "\ufffdz"]
    }


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64, -(2**63), -(2**63) - 1, 10**30, 10**3999])
def test_whole_numbers_stay_whole(number):
    found = read_json(b'{"a": [%d]}' % number)["a"][0]
    assert (type(found), found) == (int, number)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=12,
    ).map(lambda value: json.dumps(value, ensure_ascii=False))
)
@example('{"a": 1, "b": -0, "a": -0.0, "c": 1E5, "d": 1e300, "e": 1e-400}')
@example(' [9223372036854775808.5, "\x7f\u2028"]\r\n\t')
def test_what_is_read_is_what_python_reads(text):
    assert repr(read_json(text.encode("utf-8", "replace"))) == repr(_as_stored(json.loads(text)))


def _as_stored(value):
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_as_stored(item) for item in value]
    if isinstance(value, dict):
        return {_as_stored(name): _as_stored(item) for name, item in value.items()}
    return value


def test_thirty_two_levels_are_fine():
    assert read_json(b"[" * 32 + b"]" * 32)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    try:
        read_json(body)
    except Refused as error:
        assert str(error)
