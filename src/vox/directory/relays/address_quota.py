"""How many relays live at each public address, so that one machine cannot fill the directory.

Counted are host names and, where registration looked one up, the address behind it (IPv6 by /64, which is what one customer
gets). What was looked up is not kept over a restart; the first probe of each relay finds it again. Private addresses are not
counted: only an operator lets them in.
"""

from vox.directory.relays.registry import Registry
from vox.directory.relays.relay import SCHEMES, Relay
from vox.errors import UsageError
from vox.security.addresses import is_global, network_key, parse_address
from vox.security.urls import parse_url


class Addresses:
    """Counts relays by where they live.

    Args:
        registry: whose relays are counted, bootstrap relays aside.
        limit: relays at one address; 0 for any number.
    """

    def __init__(self, registry: Registry, limit: int) -> None:
        self._registry = registry
        self._limit = limit
        self._places: dict[str, frozenset[str]] = {}
        self._urls: dict[str, set[str]] = {}
        self._url_of: dict[str, str] = {}
        registry.subscribe(self._follow)

    def claim(self, url: str, address: str) -> None:
        """Counts a relay that is about to be registered; `address` is empty where none was looked up. Follow with `settle`.

        Raises:
            UsageError: address_full.
        """
        places = _places(url, address)
        if self._limit and any(len(self._urls.get(place, set()) - {url}) >= self._limit for place in places):
            raise UsageError(f"{self._limit} relays are registered at this address already", code="address_full")
        self._note(url, places)

    def settle(self, url: str) -> None:
        """Counts it no more if the registration came to nothing."""
        if self._registry.at_url(url) is None:
            self._forget(url)

    def found(self, url: str, address: str) -> None:
        """Counts a registered relay at the address where a probe just found it, and no longer at an earlier one."""
        if url in self._places and (places := _places(url, address)) != self._places[url]:
            self._note(url, places)

    def _follow(self, relay_id: str, relay: Relay | None) -> None:
        before = self._url_of.pop(relay_id, "")
        if before and (relay is None or relay.is_bootstrap or relay.url != before):
            self._forget(before)
        if relay is None or relay.is_bootstrap:
            return
        self._url_of[relay_id] = relay.url
        if relay.url not in self._places:
            self._note(relay.url, _places(relay.url, ""))

    def _note(self, url: str, places: frozenset[str]) -> None:
        self._forget(url)
        self._places[url] = places
        for place in places:
            self._urls.setdefault(place, set()).add(url)

    def _forget(self, url: str) -> None:
        for place in self._places.pop(url, frozenset()):
            there = self._urls[place]
            there.discard(url)
            if not there:
                del self._urls[place]


def _places(url: str, address: str) -> frozenset[str]:
    host = parse_url(url, allowed_schemes=SCHEMES).host
    return frozenset(place for place in (_place(host), _place(address)) if place)


def _place(host: str) -> str:
    address = parse_address(host)
    if address is None:
        return host
    if not is_global(address):
        return ""
    return network_key(str(address))
