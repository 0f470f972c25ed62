"""Rooms at Daily: made over Daily's REST API, each with a token for its owner.

The agent does not join them; that is for the software that asked. A room closes two hours after it was made, and sends everyone home.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import msgspec

from vox.errors import DependencyError, UsageError
from vox.providers.contract import Deps

KEY: Final = "daily_api_key"
KEY_VARIABLE: Final = "DAILY_API_KEY"
URL_VARIABLE: Final = "DAILY_API_URL"
DEFAULT_URL: Final = "https://api.daily.co/v1"
ROOM_SECONDS: Final = 2 * 3600
TIMEOUT_S: Final = 10.0
MAX_ANSWER_BYTES: Final = 1 << 16
_OWNER: Final = "Voxray Bot"
_UNAUTHORIZED: Final = (401, 403)
_RETRYABLE: Final = (429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Room:
    """A room's address, and the token that its owner joins with."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DialIn:
    """A telephone call that a room takes over SIP; `display_name` is shown for the caller."""

    display_name: str


class DailyRooms:
    """Makes rooms.

    Args:
        deps: the HTTP client, the clock and the key.
    """

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._url = (deps.environment.get(URL_VARIABLE) or DEFAULT_URL).rstrip("/")

    async def create(self, dial_in: DialIn | None = None) -> Room:
        """A new room, and a token for it.

        Args:
            dial_in: makes it one that a telephone call enters.

        Raises:
            UsageError: there is no key (daily_key_missing).
            DependencyError: Daily refused, failed or did not answer (daily_failed).
        """
        key = self._deps.secret(KEY, KEY_VARIABLE)
        if not key:
            raise UsageError(
                "rooms at Daily need an API key", code="daily_key_missing", hint=f"set api_keys.{KEY} or {KEY_VARIABLE}"
            )
        expires = self._deps.clock.unix_s() + ROOM_SECONDS
        name = f"voxray-{'sip-' if dial_in else ''}{secrets.token_hex(4)}"
        properties: dict[str, Any] = {"exp": expires, "eject_at_room_exp": True}
        if dial_in is not None:
            sip = {"display_name": dial_in.display_name, "video": False, "sip_mode": "dial-in", "num_endpoints": 1}
            properties |= {"sip": sip, "enable_dialout": False, "start_video_off": True}
        room = await self._post(key, "rooms", {"name": name, "properties": properties})
        owner = {"room_name": name, "is_owner": True, "user_name": _OWNER, "exp": expires}
        token = await self._post(key, "meeting-tokens", {"properties": owner})
        return Room(_text(room, "url"), _text(token, "token"))

    async def _post(self, key: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = await self._deps.http.post(
                f"{self._url}/{path}", headers={"Authorization": f"Bearer {key}"}, json=body, timeout=TIMEOUT_S
            )
        except httpx2.HTTPError as error:
            raise DependencyError(
                f"Daily cannot be reached: {type(error).__name__}", code="daily_failed", retryable=True
            ) from error
        if answer.status_code in _UNAUTHORIZED:
            raise DependencyError(
                "Daily refuses the API key", code="daily_failed", hint=f"check api_keys.{KEY} or {KEY_VARIABLE}"
            )
        if not answer.is_success:
            raise DependencyError(
                f"Daily answered {path} with HTTP {answer.status_code}",
                code="daily_failed",
                retryable=answer.status_code in _RETRYABLE,
            )
        try:
            return msgspec.json.decode(answer.content[:MAX_ANSWER_BYTES], type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise _unreadable(path) from None


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise _unreadable(name)
    return value


def _unreadable(what: str) -> DependencyError:
    return DependencyError(f"Daily's answer has no usable {what}", code="daily_failed")
