"""Where the server may be sent to by an address that somebody entered."""

from __future__ import annotations

import ipaddress

import pytest

from platforms.errors import AddressRefused
from platforms.outbound import AddressGuard, PublicGuard, is_closed

ALLOWED = ["wwlocal.example.com:8443", "https://10.1.2.3", "plain.example.com", "[2001:db8::5]:8443"]

ODD = [
    "http://wwlocal.example.com:8443",
    "https://wwlocal.example.com",
    "https://wwlocal.example.com:8444",
    "https://other.example.com:8443",
    "https://wwlocal.example.com.evil.example:8443",
    "https://wwlocal.example.com:8443@169.254.169.254",
    "https://169.254.169.254#@wwlocal.example.com:8443",
    "https://user:pass@wwlocal.example.com:8443",
    "https://wwlocal.example.com:8443/cgi-bin/../x",
    "https://wwlocal.example.com:8443?x=1",
    "https://wwlocal.example.com:8443#x",
    "https://wwlocal.example.com:8443\\@evil.example",
    "https://wwlocal.example.com:8443\r\nHost: x",
    "https://wwlocal.example.com:0",
    "https://wwlocal.example.com:99999",
    "https://wwlocal.example.com:84x3",
    "https://127.0.0.1",
    "https://localhost",
    "https://2130706433",
    "https://0177.0.0.1",
    "https://0x7f.0.0.1",
    "https://127.1",
    "https://[::1]",
    "https://[::ffff:127.0.0.1]",
    "https://[fe80::1%25eth0]",
    "https://[0:0:0:0:0:0:0:1]",
    "https://0.0.0.0",
    "https://169.254.169.254",
    "https://100.100.100.200",
    "https://１２７.0.0.1",
    "https://wwlocal。example。com:8443",
    "https://%31%32%37.0.0.1",
    "gopher://wwlocal.example.com:8443",
    "file:///etc/passwd",
    "//wwlocal.example.com:8443",
    "wwlocal.example.com:8443",
    "https://",
    "",
    " https://wwlocal.example.com:8443",
    "https://" + "a" * 400,
]

CLOSED = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "100.100.100.200",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "::1",
    "::",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "fe80::1",
    "ff02::1",
    "fd00:ec2::254",
]


def guard(found: dict[str, list[str]] | None = None) -> AddressGuard:
    answers = found or {}
    return AddressGuard(ALLOWED, resolve=lambda host, port: answers.get(host, ["10.9.8.7"]))


@pytest.mark.parametrize(
    "url",
    [
        "https://wwlocal.example.com:8443",
        "https://WWLocal.Example.com:8443/",
        "https://10.1.2.3",
        "https://10.1.2.3:443",
    ],
)
def test_a_listed_address_is_allowed(url):
    assert guard().check(url).scheme == "https"


@pytest.mark.parametrize("url", ODD)
def test_an_odd_or_unlisted_address_is_refused(url):
    with pytest.raises(AddressRefused):
        guard().check(url)


@pytest.mark.parametrize("address", CLOSED)
def test_no_list_opens_these(address):
    assert is_closed(ipaddress.ip_address(address))
    with pytest.raises(AddressRefused):
        guard({"wwlocal.example.com": [address]}).resolve("wwlocal.example.com", 8443)


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "172.16.0.9", "203.0.113.7", "2400:cb00::1", "fd12::1"])
def test_private_addresses_are_legitimate_here(address):
    assert guard({"wwlocal.example.com": [address]}).resolve("wwlocal.example.com", 8443) == [address]


def test_one_bad_address_among_good_ones_closes_the_name():
    with pytest.raises(AddressRefused):
        guard({"wwlocal.example.com": ["10.0.0.1", "127.0.0.1"]}).resolve("wwlocal.example.com", 8443)


def test_a_name_that_is_not_listed_is_not_even_looked_up():
    closed = AddressGuard(ALLOWED, resolve=lambda *_: pytest.fail("looked up"))
    with pytest.raises(AddressRefused):
        closed.resolve("evil.example.com", 8443)


def test_our_own_addresses_are_refused():
    own = AddressGuard(
        ["oncall.example.com", "other.example.com"],
        own_addresses=["https://oncall.example.com", "203.0.113.7"],
        resolve=lambda *_: ["203.0.113.7"],
    )
    with pytest.raises(AddressRefused):
        own.check("https://oncall.example.com")
    with pytest.raises(AddressRefused):
        own.resolve("other.example.com", 443)


def test_a_simulated_deployment_is_reached_in_a_demo_only():
    entry = "http://localhost:9000"
    demo = AddressGuard([entry], is_demo=True, resolve=lambda *_: ["127.0.0.1"])
    assert demo.check(entry).port == 9000
    assert demo.resolve("localhost", 9000) == ["127.0.0.1"]
    with pytest.raises(AddressRefused):
        demo.check("http://localhost:9001")
    with pytest.raises(AddressRefused):
        AddressGuard([entry], resolve=lambda *_: ["127.0.0.1"]).check(entry)


def test_the_reason_is_a_class_not_what_was_found():
    with pytest.raises(AddressRefused) as refusal:
        guard({"wwlocal.example.com": ["127.0.0.1"]}).resolve("wwlocal.example.com", 8443)
    assert "127.0.0.1" not in refusal.value.message % refusal.value.params


@pytest.mark.parametrize(
    ("addresses", "is_open"),
    [
        (["93.184.216.34"], True),
        (["2606:2800:220:1::1"], True),
        (["93.184.216.34", "10.0.0.1"], False),
        (["192.168.1.1"], False),
        (["127.0.0.1"], False),
        (["169.254.169.254"], False),
        (["100.64.0.1"], False),
        (["::ffff:10.0.0.1"], False),
        (["fd00::1"], False),
        (["203.0.113.9"], False),
    ],
)
def test_pictures_are_fetched_from_public_addresses_alone(addresses: list[str], is_open: bool):
    guard = PublicGuard(AddressGuard(ALLOWED), resolve=lambda host, port: addresses)
    if is_open:
        assert guard.resolve("grafana.example.com", 443) == addresses
    else:
        with pytest.raises(AddressRefused):
            guard.resolve("grafana.example.com", 443)


def test_pictures_are_also_fetched_from_where_the_operator_says():
    listed = AddressGuard(["grafana.internal:3000"], resolve=lambda host, port: ["10.1.2.3"])
    guard = PublicGuard(listed, resolve=lambda host, port: ["10.1.2.3"])
    assert guard.resolve("grafana.internal", 3000) == ["10.1.2.3"]
    with pytest.raises(AddressRefused):
        guard.resolve("grafana.internal", 22)
