"""One client's session: its numbers, what it has been told of, and the socket it is connected by, if any.

The one thing to know: a session keeps no events. For each of its last numbers it keeps the place in the log up to which the
client had been served before it (`ring`); resuming reads the log from there.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, cast

import msgspec

from vox.chat.community.state import Space
from vox.chat.events.audience import SpaceKind
from vox.chat.events.ids import LoginId, SpaceId, UserId
from vox.http.sockets import Socket
from vox.protocols.gateway import PRESENCE_BATCH, STRING_IDS

Move = tuple[int, Space, bool]
"""At which number a client was told of a space, and whether it appeared."""
SavedSpace = tuple[SpaceKind, SpaceId]
"""A Space as msgspec can decode it, which tells no two tuples apart."""
MAX_MOVES: Final = 1000


class Saved(msgspec.Struct, array_like=True):
    """A session without connection, for whichever process it comes back to."""

    user_id: UserId
    login_id: LoginId
    capabilities: list[str]
    epoch: str
    position: int
    seq: int
    ring: list[int]
    known: Sequence[SavedSpace]
    moves: Sequence[tuple[int, SavedSpace, bool]]
    left_at_ms: int


class Session:
    """A session of one user.

    Args:
        session_id: its name on the wire.
        user_id: whose.
        login_id: the login its token belongs to; the session ends with it.
        capabilities: what the client asked for.
        ring: how many numbers a resume can go back.
    """

    __slots__ = (
        "capabilities",
        "credit_bytes",
        "is_compressed",
        "is_fast",
        "is_keyless",
        "known",
        "login_ends_at",
        "login_id",
        "moves",
        "pending",
        "ring",
        "seq",
        "session_id",
        "socket",
        "unsent_events",
        "user_id",
        "wants_batches",
        "wants_string_ids",
        "write",
    )

    def __init__(
        self, session_id: str, user_id: UserId, login_id: LoginId, capabilities: frozenset[str], *, ring: int
    ) -> None:
        self.session_id = session_id
        self.user_id = user_id
        self.login_id = login_id
        self.login_ends_at = math.inf
        self.is_keyless = False
        self.capabilities = capabilities
        self.wants_string_ids = STRING_IDS in capabilities
        self.wants_batches = PRESENCE_BATCH in capabilities
        self.seq = 0
        self.ring: deque[int] = deque(maxlen=ring)
        self.known: frozenset[Space] = frozenset()
        self.moves: list[Move] = []
        self.socket: Socket | None = None
        self.write: Callable[[bytes], None] | None = None
        self.is_compressed = False
        self.is_fast = False
        self.unsent_events = 0
        self.credit_bytes = 0
        self.pending: list[object] | None = None

    def copied(self) -> "Session":
        """The same session as another object, without connection."""
        copy = Session(
            self.session_id, self.user_id, self.login_id, self.capabilities, ring=self.ring.maxlen or len(self.ring)
        )
        copy.seq, copy.known, copy.moves = self.seq, self.known, list(self.moves)
        copy.ring.extend(self.ring)
        return copy

    def attach(self, socket: Socket, *, is_compressed: bool) -> None:
        """Goes on over this socket."""
        self.socket = socket
        self.is_compressed = is_compressed
        self.write = None if is_compressed else socket.write_frames
        self.unsent_events = 0
        self.settle()

    def detach(self) -> None:
        """Has no connection any more."""
        self.socket = self.write = None
        self.is_fast = False

    def settle(self) -> None:
        """Is served by the fast path again, if it is of the kind that can be."""
        self.unsent_events = self.credit_bytes = 0
        self.is_fast = self.write is not None and not self.wants_string_ids

    def moved(self, seq: int, space: Space, *, appeared: bool) -> None:
        """Remembers at which number the client was told of a space."""
        self.moves.append((seq, space, appeared))
        if len(self.moves) > MAX_MOVES:
            del self.moves[: MAX_MOVES // 2]

    def served_before(self, last_seq: int, position: int) -> int | None:
        """The place in the log up to which a client has everything that has the numbers up to `last_seq`.

        Args:
            last_seq: the last number the client has.
            position: the place up to which the session had been served when it lost its connection.

        Returns:
            None when the session does not reach back that far, or never counted that far.
        """
        if last_seq == self.seq:
            return position
        index = last_seq - self.seq + len(self.ring)
        return self.ring[index] if 0 <= index < len(self.ring) and last_seq > 0 else None

    def rewind(self, last_seq: int) -> None:
        """Forgets what was numbered after `last_seq`: the client does not have it."""
        for seq, space, appeared in reversed(self.moves):
            if seq > last_seq:
                self.known = self.known - {space} if appeared else self.known | {space}
        self.moves = [move for move in self.moves if move[0] <= last_seq]
        for _ in range(min(self.seq - last_seq, len(self.ring))):
            self.ring.pop()
        self.seq = last_seq

    def trim(self, last_seq: int) -> None:
        """Forgets what lies before `last_seq`, which the client says it has."""
        keep = max(self.seq - last_seq, 0)
        while len(self.ring) > keep:
            self.ring.popleft()
        if self.moves:
            self.moves = [move for move in self.moves if move[0] > last_seq]

    def saved(self, epoch: str, position: int, left_at_ms: int) -> bytes:
        """The form in which it waits for its client.

        Args:
            epoch: names the log that `position` belongs to.
            position: the place up to which it has been served.
            left_at_ms: Unix milliseconds.
        """
        return msgspec.msgpack.encode(
            Saved(
                self.user_id,
                self.login_id,
                sorted(self.capabilities),
                epoch,
                position,
                self.seq,
                list(self.ring),
                list(self.known),
                self.moves,
                left_at_ms,
            )
        )


def restored(session_id: str, saved: Saved, *, ring: int) -> Session:
    """A session as it was when it lost its connection."""
    session = Session(session_id, saved.user_id, saved.login_id, frozenset(saved.capabilities), ring=ring)
    session.seq = saved.seq
    session.ring.extend(saved.ring)
    session.known = frozenset(cast("Sequence[Space]", saved.known))
    session.moves = cast("list[Move]", list(saved.moves))
    return session


def read_saved(blob: bytes) -> Saved:
    """A saved session.

    Raises:
        msgspec.DecodeError: another version wrote it.
    """
    return _saved_decoder.decode(blob)


_saved_decoder = msgspec.msgpack.Decoder(Saved)
