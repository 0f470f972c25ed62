"""What directory and relays sign for each other, and the header that asks for it. Pure.

Every signed text begins with words of its own, so that none can stand for another.
"""

from typing import Any

import msgspec

CHALLENGE_HEADER = "vox-challenge"
"""On a health probe: sign this and answer it as `challenge_signature`."""


class Snapshot(msgspec.Struct, frozen=True):
    """The signed list of all listed relays; `serial` only ever grows, times are seconds since 1970."""

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
