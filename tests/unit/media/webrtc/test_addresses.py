"""Which driver takes a call, by the addresses that clients can come to."""

from collections.abc import Callable
from typing import Any

import pytest

from vox.errors import UsageError
from vox.media.webrtc import addresses, contract
from vox.media.webrtc.addresses import is_reachable, reachable_at
from vox.media.webrtc.contract import IceServer, PeerOptions, driver

STUN = (IceServer(("stun:192.0.2.1:3478",)),)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Says what this machine's own address is."""
    return lambda address: monkeypatch.setattr(addresses, "outgoing_address", lambda: address)


@pytest.mark.parametrize(
    ("options", "address", "expected"),
    [
        (PeerOptions(), "192.168.0.7", True),
        (PeerOptions(STUN), "192.168.0.7", False),
        (PeerOptions(STUN), "", False),
        (PeerOptions(STUN), "8.8.8.8", True),
        (PeerOptions(STUN, addresses=("10.0.0.1",)), "8.8.8.8", False),
        (PeerOptions(STUN, public_address="8.8.8.8"), "192.168.0.7", True),
        (PeerOptions(STUN, is_loopback=True), "192.168.0.7", True),
        (PeerOptions(is_relay_only=True, is_loopback=True), "8.8.8.8", False),
    ],
)
def test_a_server_is_reachable_without_stun_where_its_address_is_its_own(
    own: Callable[[str], None], options: PeerOptions, address: str, *, expected: bool
):
    own(address)
    assert is_reachable(options) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (PeerOptions(), ("0.0.0.0", [])),
        (PeerOptions(addresses=("10.0.0.1",)), ("10.0.0.1", ["10.0.0.1"])),
        (PeerOptions(addresses=("10.0.0.1",), public_address="8.8.8.8"), ("10.0.0.1", ["10.0.0.1", "8.8.8.8"])),
        (PeerOptions(addresses=("10.0.0.1", "10.1.0.1")), ("0.0.0.0", ["10.0.0.1", "10.1.0.1"])),
        (PeerOptions(is_loopback=True), ("0.0.0.0", ["192.168.0.7", "127.0.0.1"])),
        (PeerOptions(addresses=("127.0.0.1",), is_loopback=True), ("127.0.0.1", ["127.0.0.1"])),
        (PeerOptions(public_address="8.8.8.8"), ("192.168.0.7", ["192.168.0.7", "8.8.8.8"])),
    ],
)
def test_what_is_listened_on_and_offered(
    own: Callable[[str], None], options: PeerOptions, expected: tuple[str, list[str]]
):
    own("192.168.0.7")
    assert reachable_at(options) == expected


class Played:
    """Stands for a driver."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *_: object) -> str:
        return self.name


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Says which drivers there are."""

    def load(names: str) -> None:
        def one(implementation: tuple[str, str, str]) -> Any:
            name = "native" if implementation == contract._NATIVE else "aiortc"
            if name not in names:
                raise UsageError("missing", code="webrtc_not_installed", hint="install it")
            return Played(name)

        monkeypatch.setattr(contract, "_load", one)

    return load


@pytest.mark.parametrize(
    ("there", "options", "expected"),
    [
        ("native aiortc", PeerOptions(), "native"),
        ("native aiortc", PeerOptions(STUN), "aiortc"),
        ("native", PeerOptions(STUN), "native"),
        ("aiortc", PeerOptions(), "aiortc"),
    ],
)
def test_the_driver_is_chosen_for_each_call(
    own: Callable[[str], None], installed: Callable[[str], None], there: str, options: PeerOptions, expected: str
):
    own("192.168.0.7")
    installed(there)
    make: Any = driver()
    assert make(options, None, None) == expected


def test_a_driver_that_is_asked_for_by_name_is_not_replaced(installed: Callable[[str], None]):
    installed("aiortc")
    make: Any = driver("aiortc")
    assert make() == "aiortc"
    with pytest.raises(UsageError):
        driver("native")
    installed("")
    with pytest.raises(UsageError):
        driver()
