"""The guard of addresses that people enter (a private deployment's Endpoint): where the server may be sent to.

Private addresses are legitimate there, so the operator names each host and port; the machine itself, its
neighbours' metadata services and odd spellings stay closed whatever the list says.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from platforms.errors import AddressRefused
from platforms.http import Resolve, look_up
from texts import N_

HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
MAX_ADDRESS_CHARACTERS = 300
METADATA = frozenset({ipaddress.ip_address("100.100.100.200"), ipaddress.ip_address("fd00:ec2::254")})

NOT_AN_ADDRESS = N_("地址格式不正确，应为 https://主机:端口")
NOT_HTTPS = N_("必须使用 https")
NOT_LISTED = N_("主机与端口不在运维人员允许的列表中")
FORBIDDEN = N_("指向本机、链路本地或元数据地址")
OURSELVES = N_("指向本系统自身")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Place:
    """Scheme, host and port of an address; the host in lower case and without brackets."""

    scheme: str
    host: str
    port: int


class AddressGuard:
    """Decides about addresses, and looks hosts up for the transport that will connect to them.

    allowlist      `host`, `host:port` or `http://host:port`; the last form is honoured in a demo only, where it also
                   admits loopback, so that a simulated private deployment can be reached
    own_addresses  addresses of this product (PUBLIC_URL, egress IPs), refused
    """

    def __init__(
        self,
        allowlist: Iterable[str],
        *,
        own_addresses: Iterable[str] = (),
        is_demo: bool = False,
        resolve: Resolve = look_up,
    ) -> None:
        entries = list(allowlist)
        self._places = {place for entry in entries if (place := _listed(entry))}
        self._demo_places = {_place(entry) for entry in entries if is_demo and entry.startswith("http://")}
        self._own_hosts, self._own_ips = _own(own_addresses)
        self._resolve = resolve

    def check(self, url: str) -> Place:
        """Return where `url` leads. Raises AddressRefused; nothing is looked up and nobody is called."""
        place = _place(url)
        if place in self._demo_places:
            return place
        if place.scheme != "https":
            raise AddressRefused(NOT_HTTPS)
        if (place.host, place.port) in self._own_hosts:
            raise AddressRefused(OURSELVES)
        if place not in self._places:
            raise AddressRefused(NOT_LISTED)
        return place

    def resolve(self, host: str, port: int) -> list[str]:
        """Look `host` up once and return its addresses, every one of which may be connected to.

        The connection is made to exactly these, so a name that changes its mind gains nothing.
        Raises AddressRefused when any of them is closed, OSError when the look-up fails.
        """
        in_demo = Place("http", host.lower(), port) in self._demo_places
        if not in_demo and Place("https", host.lower(), port) not in self._places:
            raise AddressRefused(NOT_LISTED)
        found = self._resolve(host, port)
        for address in () if in_demo else found:
            self.check_ip(address)
        return found

    def check_ip(self, text: str) -> None:
        """Raises AddressRefused for what no list opens."""
        try:
            ip = ipaddress.ip_address(text)
        except ValueError:
            raise AddressRefused(NOT_AN_ADDRESS) from None
        if is_closed(ip):
            raise AddressRefused(FORBIDDEN)
        if ip in self._own_ips:
            raise AddressRefused(OURSELVES)


class PublicGuard:
    """Where pictures that alerts name may be fetched from: anywhere public, and where the operator's list leads."""

    def __init__(self, listed: AddressGuard, *, resolve: Resolve = look_up) -> None:
        self._listed = listed
        self._resolve = resolve

    def resolve(self, host: str, port: int) -> list[str]:
        """As AddressGuard.resolve()."""
        try:
            return self._listed.resolve(host, port)
        except AddressRefused:
            found = self._resolve(host, port)
        for address in found:
            self._listed.check_ip(address)
            if not ipaddress.ip_address(address).is_global:
                raise AddressRefused(FORBIDDEN)
        return found


def is_closed(ip: Address) -> bool:
    """Whether no list opens this address: this machine, its link, multicast, metadata, or v4 hidden in v6."""
    if isinstance(ip, ipaddress.IPv6Address) and (ip.ipv4_mapped or ip.sixtofour or ip.teredo or _translates(ip)):
        return True
    return (
        ip.is_loopback
        or ip.is_link_local
        or ip.is_unspecified
        or ip.is_multicast
        or (ip.is_reserved and ip.version == 4)
        or ip in METADATA
        or (ip.version == 4 and ip in ipaddress.ip_network("0.0.0.0/8"))
    )


def _translates(ip: ipaddress.IPv6Address) -> bool:
    """NAT64 and the old compatible form carry a v4 address in their last 32 bits."""
    return ip in ipaddress.ip_network("64:ff9b::/96") or ip in ipaddress.ip_network("::/96")


def _place(url: str) -> Place:
    """Scheme, host and port of an address that has nothing else. Raises AddressRefused."""
    if len(url) > MAX_ADDRESS_CHARACTERS or not url.isascii() or not url.isprintable() or {" ", "\\", "%"} & set(url):
        raise AddressRefused(NOT_AN_ADDRESS)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused(NOT_AN_ADDRESS) from None
    host = (parts.hostname or "").lower()
    if parts.scheme not in {"http", "https"} or parts.username is not None or not _is_host(host):
        raise AddressRefused(NOT_AN_ADDRESS)
    if parts.path not in {"", "/"} or "?" in url or "#" in url or port == 0:
        raise AddressRefused(NOT_AN_ADDRESS)
    return Place(parts.scheme, host, port or (443 if parts.scheme == "https" else 80))


def _is_host(host: str) -> bool:
    """A name, or an IP address in its one usual spelling (so neither 2130706433, 0177.0.0.1 nor 0x7f.1)."""
    try:
        return str(ipaddress.ip_address(host)) == host
    except ValueError:
        return HOST.fullmatch(host) is not None


def _listed(entry: str) -> Place | None:
    """An entry of the operator's list as the https place that it opens; a name alone means port 443."""
    if entry.startswith("http://"):
        return None
    return _place(entry if entry.startswith("https://") else f"https://{entry}")


def _own(addresses: Iterable[str]) -> tuple[set[tuple[str, int]], set[Address]]:
    hosts: set[tuple[str, int]] = set()
    ips: set[Address] = set()
    for address in addresses:
        if "://" in address:
            parts = urlsplit(address)
            hosts.add(((parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)))
        else:
            ips.add(ipaddress.ip_address(address))
    return hosts, ips
