"""Who may use the routes that bridge, dialler and operator call: holders of the shared secret; without one, this machine. Pure.

A proxy on this machine connects from here too, for callers anywhere. So without a secret the request must also name this machine
as its host, which what comes through a proxy does not.
"""

from collections.abc import Sequence
from typing import Final

from vox.security.addresses import parse_address, unmapped
from vox.security.digests import is_equal

HEADER: Final = "x-voxcore-secret"
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def may_call(secrets: Sequence[str], given: str, *, client: str, host: str) -> bool:
    """Whether a request may pass.

    Args:
        secrets: those that are taken; empty for none.
        given: what the request brings as X-VoxCore-Secret.
        client: the address that it comes from, a trusted proxy's word for it included.
        host: its Host header.
    """
    if secrets:
        matches = [is_equal(one, given) for one in secrets]
        return any(matches)
    address = parse_address(client)
    return address is not None and unmapped(address).is_loopback and _name(host) in _LOCAL


def _name(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name.lower() if colon and "]" not in port else host.lower()
