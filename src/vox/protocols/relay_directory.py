"""What directory and relays sign for each other, and the header that asks for it. Pure.

Every signed text begins with words of its own, so that none can stand for another.
"""

from typing import Any

import msgspec

CHALLENGE_HEADER = "vox-challenge"
"""On a health probe: sign this and answer it as `challenge_signature`."""


MOVE_SHARE = 2 / 3
MOVE_MS = 10.0


class Snapshot(msgspec.Struct, frozen=True):
    """The signed list of all listed relays; `serial` is when it was made in ms, and only ever grows at one directory.

    Times are seconds since 1970.
    """

    serial: int
    made_at: float
    fresh_until: float
    valid_until: float
    relays: list[dict[str, Any]]


def challenge_message(url: str, challenge: str) -> bytes:
    """What a relay signs to prove that the address it registered is its own."""
    return f"vox relay health\n{url}\n{challenge}".encode()


def snapshot_message(text: str) -> bytes:
    """What the directory signs of a snapshot, `text` being its JSON exactly as it travels."""
    return f"vox directory snapshot\n{text}".encode()


def key_change_message(relay_id: str, signing_key: str) -> bytes:
    """What the new key signs when a relay changes its key; the request itself is signed by the old one."""
    return f"vox relay key\n{relay_id}\n{signing_key}".encode()


def is_worth_moving(home_ms: float, other_ms: float) -> bool:
    """Whether a client should leave its relay for another, by round trips in ms; never during a call.

    Both the share and the milliseconds must be won, so that small differences do not send clients back and forth.
    """
    return other_ms <= home_ms * MOVE_SHARE and home_ms - other_ms > MOVE_MS
