"""Which room a telephone caller enters: asked of the chat server, which knows numbers, codes and people's rights."""

from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from vox.errors import DependencyError, UsageError
from vox.runtime.clock import Clock
from vox.security.outbound import FetchResult
from vox.security.room_tokens import RoomClaims, RoomKey, SipGrant, sign_room_token

DEADLINE_S: Final = 5.0
TOKEN_S: Final = 60.0
SERVER_NAME: Final = "vox-agent"
_MAX_ANSWER_BYTES: Final = 1 << 17
_WRONG: Final = frozenset({400, 403, 404, 422})
_TOO_MANY: Final = 429
_OK: Final = 200
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Entry:
    """A room that a caller may enter, and the token for it."""

    room_name: str
    media_url: str
    token: str = field(repr=False)


class Fetches(Protocol):
    """The outgoing guard."""

    async def fetch(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes = b"", deadline_s: float, max_bytes: int
    ) -> FetchResult:
        """Sends a request and reads its answer."""
        ...


class _Number(msgspec.Struct):
    needs_code: bool = True


class _Room(msgspec.Struct):
    media_url: str
    token: str
    room_name: str = ""


class RoomCodes:
    """Asks one chat server.

    Args:
        url: of the server.
        key: shared with it; signs the requests.
        guard: sends them.
        clock: of this process.
    """

    def __init__(self, url: str, key: RoomKey, guard: Fetches, clock: Clock) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/voice"
        self._key = key
        self._guard = guard
        self._clock = clock

    async def needs_code(self, number: str) -> bool:
        """Whether callers of this number have to say which room they mean.

        Raises:
            UsageError: `room_number_unknown`.
            DependencyError: `rooms_unavailable`.
        """
        answer = await self._ask("GET", f"/numbers/{quote(number, safe='')}", b"")
        if answer.status in _WRONG:
            raise UsageError("no room has this number", code="room_number_unknown", hint="map it in the chat server")
        return _read(answer, _Number).needs_code

    async def enter(self, number: str, code: str, *, caller: str, call_id: str) -> Entry:
        """The room of a code.

        Raises:
            UsageError: `room_code_wrong`, or `room_codes_too_many` where it was wrong too often.
            DependencyError: `rooms_unavailable`.
        """
        said = {"number": number, "code": code, "caller": caller, "call_id": call_id}
        answer = await self._ask("POST", "/calls", msgspec.json.encode(said))
        if answer.status == _TOO_MANY:
            raise UsageError("too many wrong codes were entered", code="room_codes_too_many")
        if answer.status in _WRONG:
            raise UsageError("no room has this code", code="room_code_wrong")
        room = _read(answer, _Room)
        return Entry(room.room_name, room.media_url, room.token)

    async def _ask(self, method: str, path: str, body: bytes) -> FetchResult:
        claims = RoomClaims(sub=SERVER_NAME, sip=SipGrant(call=True))
        token = sign_room_token(self._key, claims, now=self._clock.wall().timestamp(), lifetime_s=TOKEN_S)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        try:
            return await self._guard.fetch(
                method, self._url + path, headers=headers, body=body, deadline_s=DEADLINE_S, max_bytes=_MAX_ANSWER_BYTES
            )
        except (UsageError, DependencyError) as error:
            raise _unavailable(error.code) from error


def _read(answer: FetchResult, shape: type[_T]) -> _T:
    if answer.status != _OK:
        raise _unavailable(f"HTTP {answer.status}")
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _unavailable("its answer is malformed") from error


def _unavailable(why: str) -> DependencyError:
    return DependencyError(
        f"the chat server does not say which room it is: {why}", code="rooms_unavailable", retryable=True
    )
