"""The addresses of this machine that clients may come to, and whether they can without help."""

import socket
from functools import cache
from ipaddress import ip_address
from typing import Final

from vox.media.webrtc.contract import PeerOptions

LOOPBACK: Final = "127.0.0.1"
ANY: Final = "0.0.0.0"  # noqa: S104  where the operator named no address


def is_reachable(options: PeerOptions) -> bool:
    """Whether clients come to the addresses of this machine as they are, without the help of STUN or TURN servers."""
    if options.is_relay_only:
        return False
    if options.is_loopback or options.public_address or not options.ice_servers:
        return True
    own = options.addresses or (outgoing_address(),)
    return any(ip_address(one).is_global for one in own if one)


def reachable_at(options: PeerOptions) -> tuple[str, list[str]]:
    """Where to listen, and the addresses to offer; none for all of this machine's."""
    addresses = list(options.addresses)
    if not addresses and not options.is_loopback and not options.public_address:
        return ANY, []
    if not addresses:
        addresses = [own] if (own := outgoing_address()) else []
    if options.is_loopback and LOOPBACK not in addresses:
        addresses.append(LOOPBACK)
    host = addresses[0] if len(addresses) == 1 else ANY
    if options.public_address:
        addresses.append(options.public_address)
    return host, addresses


@cache
def outgoing_address() -> str:
    """The address that this machine's packets to the internet carry; empty without a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent; it tells the address that would be used
        except OSError:
            return ""
        return str(probe.getsockname()[0])
