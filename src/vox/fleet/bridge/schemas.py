"""The bodies and queries of the bridge's requests, and what becomes of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from vox.errors import UsageError
from vox.fleet.accounts.bots import Bot
from vox.fleet.accounts.opening_hours import OpeningHours, check_hours
from vox.fleet.calls.contract import AmdMode, OnMachine, OutboundCall
from vox.fleet.calls.numbers import checked_number
from vox.security.digests import sha256_hex

MAX_POOL: Final = 1000
MAX_AHEAD_MS: Final = 366 * 86_400_000

_Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
_PRINTABLE: Final = r"^[^\x00-\x1f]*\Z"
_Name = Annotated[str, Meta(max_length=200, pattern=_PRINTABLE)]
_Number = Annotated[str, Meta(max_length=32)]
_Url = Annotated[str, Meta(max_length=2048)]
_Variables = Annotated[dict[str, Annotated[str, Meta(max_length=4096)]], Meta(max_length=64)]
_Metadata = Annotated[dict[str, Any], Meta(max_length=64)]


class Window(msgspec.Struct, forbid_unknown_fields=True):
    """The hours in which a call may be dialled, or a bot takes calls."""

    start: str
    end: str
    timezone: Annotated[str, Meta(max_length=64)]
    days: Annotated[tuple[int, ...], Meta(max_length=7)] = (1, 2, 3, 4, 5, 6, 7)

    def hours(self) -> OpeningHours:
        """The same, checked.

        Raises:
            UsageError: window_invalid.
        """
        hours = OpeningHours(self.start, self.end, self.timezone, self.days)
        check_hours(hours)
        return hours


class CallRequest(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """The body of `POST /v1/calls`; `agent` is another word for `bot_id`."""

    to: _Number
    from_: _Number = ""
    pool: Annotated[tuple[_Number, ...], Meta(max_length=MAX_POOL)] = ()
    bot_id: _Id = ""
    agent: _Id = ""
    variables: _Variables = {}
    provider: Annotated[str, Meta(max_length=32)] = ""
    schedule_at: datetime | None = None
    expires_at: datetime | None = None
    window: Window | None = None
    max_attempts: Annotated[int, Meta(ge=1, le=10)] = 1
    ring_timeout: Annotated[int, Meta(ge=15, le=120)] = 30
    max_duration: Annotated[int, Meta(ge=30, le=14_400)] = 3600
    amd: AmdMode = "off"
    on_machine: OnMachine = "continue"
    webhook_url: _Url = ""
    metadata: _Metadata = {}


class TransferRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/calls/{id}/transfer`."""

    to: Annotated[str, Meta(min_length=1, max_length=256)]


class InjectRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/calls/{id}/inject`."""

    text: Annotated[str, Meta(min_length=1, max_length=4000)]


class CallListQuery(msgspec.Struct):
    """The query of `GET /v1/calls`."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: _Name = ""
    status: _Name = ""
    bot_id: _Name = ""
    to: _Name = ""


class BotBody(msgspec.Struct, forbid_unknown_fields=True):
    """A bot as it is written."""

    name: _Name = ""
    config: dict[str, Any] = {}
    is_active: bool = True
    active_hours: Annotated[tuple[Window, ...], Meta(max_length=50)] = ()


class NewBot(BotBody, forbid_unknown_fields=True, kw_only=True):
    """A bot as it is made."""

    id: _Id


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/keys`."""

    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=_PRINTABLE)]
    scopes: Annotated[tuple[str, ...], Meta(min_length=1, max_length=20)]


class SettingBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `PUT /v1/settings/{key}`."""

    value: Any


class WebhookListQuery(msgspec.Struct):
    """The query of `GET /v1/webhooks`."""

    state: Literal["waiting", "delivered", "dead"] = "dead"
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: Annotated[int, Meta(ge=0)] = 0


class BotConfigQuery(msgspec.Struct):
    """The query of `GET /v1/bots/{id}/config`."""

    caller_id: Annotated[str, Meta(max_length=256)] = ""
    stream_id: Annotated[str, Meta(max_length=256)] = ""
    connected_event: Annotated[str, Meta(max_length=8192)] = ""


def outbound_call(body: CallRequest, now_ms: int, *, provider: str, from_number: str) -> OutboundCall:
    """The call that a request asks for, checked.

    Args:
        body: of the request.
        now_ms: the present time.
        provider: of calls that name none.
        from_number: caller id of calls that name none; empty for none.

    Raises:
        UsageError: validation_error, number_invalid or window_invalid, naming the field.
    """
    to = checked_number(body.to, "to")
    if body.from_ and body.pool:
        raise _wrong("from and pool are both given", "give one of them")
    pool = [checked_number(number, f"pool[{at}]") for at, number in enumerate(body.pool)]
    given = body.from_ or from_number
    if not pool and not given:
        raise _wrong("from is missing", "give a caller id, or configure one for the provider")
    from_ = caller_id(pool, to) if pool else checked_number(given, "from")
    if bool(body.bot_id) == bool(body.agent):
        raise _wrong("bot_id is missing" if not body.bot_id else "bot_id and agent are both given", "give one of them")
    due_at_ms = _moment(body.schedule_at, "schedule_at", now_ms)
    expires_at_ms = _moment(body.expires_at, "expires_at", now_ms) if body.expires_at is not None else None
    if expires_at_ms is not None and expires_at_ms <= max(now_ms, due_at_ms):
        raise _wrong("expires_at is over before the call is due")
    return OutboundCall(
        to=to,
        from_=from_,
        bot_id=body.bot_id or body.agent,
        variables=body.variables,
        provider=body.provider or provider,
        ring_timeout_s=body.ring_timeout,
        max_duration_s=body.max_duration,
        amd=body.amd if body.amd != "off" or body.on_machine == "continue" else "detect",
        on_machine=body.on_machine,
        webhook_url=body.webhook_url,
        metadata=body.metadata,
        due_at_ms=due_at_ms,
        expires_at_ms=expires_at_ms,
        window=body.window.hours() if body.window is not None else None,
        max_attempts=body.max_attempts,
    )


def caller_id(pool: Sequence[str], to: str) -> str:
    """The number of a pool that a contact is called from: the same at each call."""
    return pool[int(sha256_hex(to.encode())[:12], 16) % len(pool)]


def bot_of(bot_id: str, body: BotBody) -> Bot:
    """The bot that a request writes.

    Raises:
        UsageError: window_invalid.
    """
    hours = tuple(window.hours() for window in body.active_hours)
    return Bot(bot_id, body.name or bot_id, body.config, body.is_active, hours)


def _moment(given: datetime | None, name: str, now_ms: int) -> int:
    if given is None:
        return 0
    if given.tzinfo is None:
        raise _wrong(f"{name} has no time zone", "end it in Z or an offset such as +02:00")
    at_ms = int(given.timestamp() * 1000)
    if at_ms > now_ms + MAX_AHEAD_MS:
        raise _wrong(f"{name} is more than a year ahead")
    return at_ms


def _wrong(message: str, hint: str = "") -> UsageError:
    return UsageError(message, code="validation_error", hint=hint)
