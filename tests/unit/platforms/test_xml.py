"""XML of platforms: plain documents are read, declarations are refused however they are encoded."""

from __future__ import annotations

from xml.etree.ElementTree import ParseError

import pytest

from platforms.xml import element, parsed, text_element

DECLARED = "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><xml>&e;</xml>"


def test_what_we_write_can_be_read_again():
    tree = parsed(element("xml", text_element("A", "a ]]> b"), element("B", "5")).encode())
    assert [(child.tag, child.text) for child in tree] == [("A", "a ]]> b"), ("B", "5")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32", "utf-7", "cp037"])
def test_declarations_are_refused_in_every_encoding(encoding: str):
    named = f"<?xml version='1.0' encoding='{encoding}'?>{DECLARED}"
    for text in (DECLARED, named):
        with pytest.raises((ValueError, ParseError)):
            parsed(text.encode(encoding))


def test_an_encoding_that_is_claimed_is_not_believed():
    assert parsed("<?xml version='1.0' encoding='iso-8859-1'?><xml>值班</xml>".encode()).text == "值班"


@pytest.mark.parametrize(
    "source", [b"", b"no xml", b"<a><b></a>", b"<xml>&unknown;</xml>", b"<xml>\x00</xml>", b"\xff\xfe<"]
)
def test_what_is_no_xml_is_refused(source: bytes):
    with pytest.raises((ValueError, ParseError)):
        parsed(source)
