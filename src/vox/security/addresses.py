"""Decides whether an IP address may be connected to when a user or another server names it: pure, no name is looked up here.

The one thing to know before changing it: the flags of the standard library's `ipaddress` are not enough. Carrier-grade
NAT, multicast, 6to4 and NAT64 addresses that wrap 127.0.0.1 pass them, differently in every Python version; hence the
explicit lists below (IANA's special-purpose registries of 2025). IPv6 is an allow list: what IANA has not given out is
refused.
"""

from collections.abc import Collection, Mapping
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SUBSCRIBER_PREFIX = 64
"""Bits of an IPv6 address that name one subscriber's network (RFC 6177 section 2: at least a /64 each)."""

SURROUNDINGS: Mapping[int, tuple[int, int]] = {4: (16, 24), 6: (32, 48)}
"""Bits of the provider's and of the site's network, by IP version: what registries assign and what the internet routes."""

# Where clouds hand out credentials to any request from inside. Most lie in refused networks anyway; they are listed
# because no network that an operator allows opens them.
METADATA_ADDRESSES: frozenset[Address] = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, OpenStack, DigitalOcean and more
        "169.254.170.2",  # AWS ECS task credentials
        "169.254.170.23",  # AWS EKS pod identity
        "169.254.42.42",  # Scaleway
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's wire server: a public address, reachable from inside only
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS EKS pod identity
        "fd20:ce::254",  # Google
        "fd00:42::42",  # Scaleway
    )
)


LOOPBACK = ("127.0.0.1", "::1")
"""The addresses of `localhost`, in the order in which they are tried."""


def loopback_addresses(host: str) -> tuple[str, ...]:
    """The addresses of `localhost` and of names below it, empty for other hosts.

    RFC 6761 section 6.3 has these names never looked up: a machine without a line for them in its hosts file, or with a
    name server that fails, still reaches itself.
    """
    name = host.lower().rstrip(".")
    return LOOPBACK if name == "localhost" or name.endswith(".localhost") else ()


def parse_address(text: str) -> Address | None:
    """Reads an address in its usual notation; None for everything else, also for an IPv6 address with a zone.

    An IPv4-mapped address comes back as the IPv4 address that the system would connect to.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return None
    return unmapped(address)


def network_key(address: str) -> str:
    """The part of an address that one subscriber owns: all of IPv4 (mapped into IPv6 too), the /64 of IPv6.

    Limits count by it. Text that is no address is returned as it is, so that it can still be a key.
    """
    if ":" not in address:
        return address
    parsed = parse_address(address.partition("%")[0])
    if parsed is None:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return f"{IPv6Address(_network_bits(parsed, SUBSCRIBER_PREFIX) << 128 - SUBSCRIBER_PREFIX)}/{SUBSCRIBER_PREFIX}"


def surrounding_networks(text: str) -> tuple[str, int] | None:
    """The provider's network (/16; IPv6: /32) and the site's network (/24; IPv6: /48) around an address.

    Clients that measure a relay count by them: neighbours see the same paths. Both are keys, in no notation of addresses. A zone
    is left out; text that is no address has none.
    """
    address = parse_address(text.partition("%")[0])
    if address is None:
        return None
    area, network = SURROUNDINGS[address.version]
    return f"{address.version}:{_network_bits(address, area):x}", _network_bits(address, network)


def unmapped(address: Address) -> Address:
    """The IPv4 address inside `::ffff:0:0/96`; any other address as it is."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_global(address: Address) -> bool:
    """Whether an address is one host on the public internet, by itself and by what it embeds."""
    return refusal(address) is None


def refusal(
    address: Address, *, allowed_private: Collection[Network] = (), own_addresses: Collection[Address] = ()
) -> str | None:
    """Why an address must not be connected to, in a few words; None where it may be.

    Args:
        address: any address; IPv4-mapped ones count as the IPv4 address.
        allowed_private: networks that are allowed although they are not public. They open neither metadata services
            nor multicast, broadcast and unspecified addresses.
        own_addresses: addresses of this server, refused whatever the networks say.
    """
    target = unmapped(address)
    within = {target, *embedded_ipv4(target)} if isinstance(target, IPv6Address) else {target}
    if within & METADATA_ADDRESSES:
        return "a cloud's metadata service"
    if within & {unmapped(own) for own in own_addresses}:
        return "an address of this server"
    if target.is_multicast or target.is_unspecified or target == _BROADCAST:
        return "not one host's address"
    if any(target in network for network in allowed_private):  # False between the versions
        return None
    if isinstance(target, IPv4Address):
        return _listed(target, _REFUSED_IPV4)
    return _refusal_of_ipv6(target)


def embedded_ipv4(address: IPv6Address) -> frozenset[IPv4Address]:
    """Every IPv4 address that a gateway or tunnel might read out of an IPv6 address.

    Covers mapped (`::ffff:0:0/96`), translated (`::ffff:0:0:0/96`), compatible (`::/96`), NAT64 (RFC 6052 and 8215), 6to4
    (RFC 3056), Teredo (RFC 4380, its server and the client behind it) and ISATAP (RFC 5214).
    """
    bits = int(address)
    low = bits & _LOW_32
    if bits >> 32 in {0, 0xFFFF, 0xFFFF_0000} or address in _NAT64:
        return frozenset({IPv4Address(low)})
    if address in _LOCAL_NAT64:
        # RFC 6052 2.2: the prefix may be 48, 56, 64 or 96 bits long, and bits 64 to 71 are skipped.
        whole = ((bits >> 64 & 0xFFFF_FFFF) << 32) | (bits >> 24 & 0xFFFF_FFFF)
        around = [(bits >> 64 & 0xFFFF) << 16 | bits >> 40 & 0xFFFF, (bits >> 64 & 0xFF) << 24 | bits >> 32 & 0xFF_FFFF]
        return frozenset(map(IPv4Address, {low, whole & _LOW_32, *around}))
    found: set[IPv4Address] = set()
    if address in _SIX_TO_FOUR:
        found.add(IPv4Address(bits >> 80 & _LOW_32))
    if address in _TEREDO:
        found |= {IPv4Address(bits >> 64 & _LOW_32), IPv4Address(~bits & _LOW_32)}
    if bits >> 32 & 0xFFFF_FFFF in {0x0000_5EFE, 0x0200_5EFE}:
        found.add(IPv4Address(low))
    return frozenset(found)


def _network_bits(address: IPv4Address | IPv6Address, prefix: int) -> int:
    """The first bits of an address."""
    return int(address) >> (address.max_prefixlen - prefix)


def _refusal_of_ipv6(address: IPv6Address) -> str | None:
    if address in _NAT64:
        # What DNS64 answers in networks without IPv4, for every host that has IPv4 only.
        inner = _listed(IPv4Address(int(address) & _LOW_32), _REFUSED_IPV4)
        return f"NAT64 to {inner}" if inner else None
    why = _listed(address, _REFUSED_IPV6)
    if why is None and address not in _GLOBAL_UNICAST:
        why = "not a public address"
    if why is None and any(_listed(inner, _REFUSED_IPV4) for inner in embedded_ipv4(address)):
        why = "a tunnel to an address that is not public"
    return why


def _listed(address: Address, networks: dict[Network, str]) -> str | None:
    return next((why for network, why in networks.items() if address in network), None)


_LOW_32 = 0xFFFF_FFFF
_BROADCAST = IPv4Address("255.255.255.255")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")

_REFUSED_IPV4: dict[Network, str] = {
    ip_network(text): why
    for text, why in {
        "0.0.0.0/8": "this network",
        "10.0.0.0/8": "a private address",
        "100.64.0.0/10": "carrier-grade NAT",
        "127.0.0.0/8": "a loopback address",
        "169.254.0.0/16": "a link-local address",
        "172.16.0.0/12": "a private address",
        "192.0.0.0/24": "reserved for protocols",
        "192.0.2.0/24": "documentation",
        "192.31.196.0/24": "AS112, which answers for private names",
        "192.52.193.0/24": "multicast tunnelling",
        "192.88.99.0/24": "6to4 relays, withdrawn",
        "192.168.0.0/16": "a private address",
        "192.175.48.0/24": "AS112, which answers for private names",
        "198.18.0.0/15": "benchmarking",
        "198.51.100.0/24": "documentation",
        "203.0.113.0/24": "documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
    }.items()
}
_REFUSED_IPV6: dict[Network, str] = {
    ip_network(text): why
    for text, why in {
        "::1/128": "a loopback address",
        "fc00::/7": "a private address",
        "fe80::/10": "a link-local address",
        "fec0::/10": "a site-local address",
        "64:ff9b:1::/48": "local NAT64",
        "2001::/23": "reserved for protocols, Teredo among them",
        "2001:db8::/32": "documentation",
        "2002::/16": "6to4, withdrawn",
        "2620:4f:8000::/48": "AS112, which answers for private names",
        "3ffe::/16": "6bone, withdrawn",
        "3fff::/20": "documentation",
    }.items()
}
