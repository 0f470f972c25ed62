"""The signed list: a client that has it can find relays while the directory is away, and any server may pass it on.

The JSON text that is signed travels as a string inside the answer, so that the two sides need not write JSON alike.
"""

from collections.abc import Iterable

import msgspec

from vox.directory.relays.relay import Relay, listed_form
from vox.protocols.relay_directory import Snapshot, snapshot_message
from vox.runtime.clock import Clock
from vox.security.http_signatures import key_pair, sign_bytes

REFRESH_S = 5.0
FRESH_S = 300.0
VALID_S = 86_400.0


class ListSigner:
    """Makes the signed list when it is asked for, at most once in REFRESH_S.

    Args:
        private_key: the directory's Ed25519 key, base64.
        clock: when it is made; serial numbers are milliseconds of wall time.
    """

    def __init__(self, private_key: str, clock: Clock) -> None:
        self._pair = key_pair(private_key)
        self._clock = clock
        self._made = 0.0
        self._serial = 0
        self._index = 0
        self._answer = b""

    @property
    def public_key(self) -> str:
        """What clients check the signature with, base64."""
        return self._pair.public

    @property
    def serial(self) -> int:
        """The number of the list that was made last."""
        return self._serial

    @property
    def age_s(self) -> float:
        """Seconds since the last list was made; 0 where none was."""
        return max(0.0, self._clock.wall().timestamp() - self._made) if self._answer else 0.0

    @property
    def index(self) -> int:
        """Which list the last answer shows, in the numbers of `LongPoll`."""
        return self._index

    @property
    def renewed_in_s(self) -> float:
        """How long the last answer still stands for new ones."""
        return max(0.0, REFRESH_S - self.age_s) if self._answer else 0.0

    def answer(self, relays: Iterable[Relay], index: int) -> bytes:
        """The JSON body: `signed` (JSON text), `signature`, `public_key`, `key_id`."""
        now = self._clock.wall().timestamp()
        if self._answer and 0 <= now - self._made < REFRESH_S:
            return self._answer
        self._index = index
        self._made, self._serial = now, max(self._serial + 1, round(now * 1000))
        listed = [listed_form(relay) for relay in relays]
        snapshot = Snapshot(self._serial, now, now + FRESH_S, now + VALID_S, listed)
        text = msgspec.json.encode(snapshot).decode()
        self._answer = msgspec.json.encode(
            {
                "signed": text,
                "signature": sign_bytes(self._pair.private, snapshot_message(text)),
                "public_key": self._pair.public,
                "key_id": self._pair.key_id,
            }
        )
        return self._answer
