"""What every carrier's driver does besides the media stream: answer the call's webhook, check its signature, hang up, transfer.

A driver is a module of this folder with `answer`, `verify`, `Control`, `Config` and `create`. The three parts do not
know each other: the codec of the stream (`protocols/carriers`) hangs up no calls, and what hangs up reads no audio.
"""

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable
from urllib.parse import SplitResult, parse_qsl, urlsplit

import httpx2
import msgspec

from vox.errors import DependencyError, UsageError
from vox.http.header_values import media_type
from vox.providers.contract import Deps, DriverConfig
from vox.security.digests import bad_signature

HANG_UP_TIMEOUT_S = 10.0
REMEMBERED_CALLS = 10_000
CLOCK_TOLERANCE_S = 300.0  # how old a signed request may be; what Telnyx and Vonage recommend

_DEFAULT_PORTS: Final = {"https": "443", "wss": "443", "http": "80", "ws": "80"}
_JSON = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A carrier's HTTP request as it came: the public URL with its query, header names in any case, the raw body."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    def header(self, name: str) -> str:
        """A header's value; empty where it is missing."""
        if (value := self.headers.get(name)) is not None:
            return value
        lower = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == lower), "")

    def address(self) -> SplitResult:
        """The URL in its parts; `UsageError(code="bad_signature")` where the caller's `Host` made it none."""
        try:
            return urlsplit(self.url)
        except ValueError:
            raise bad_signature("its address is malformed") from None

    def addresses(self) -> list[SplitResult]:
        """The forms of the URL that a carrier may have signed: without its port, and with each port it may have had.

        Proxies add and drop ports, and so do people who type the address at the carrier. The first is the URL as it
        came. Ports of the URL, the `Host` and `X-Forwarded-Port` headers count, and the scheme's own.

        Raises:
            UsageError: `bad_signature` where the URL is none.
        """
        here = self.address()
        userinfo, at, _ = here.netloc.rpartition("@")
        name, port = _host_and_port(here.netloc.rpartition("@")[2])
        host_name, host_port = _host_and_port(self.header("host"))
        same_host_port = host_port if host_name.lower() == name.lower() else ""
        ports = (port, "", _DEFAULT_PORTS.get(here.scheme, ""), same_host_port, self.header("x-forwarded-port"))
        known = dict.fromkeys(one for one in ports if not one or (one.isascii() and one.isdigit()))
        return [here._replace(netloc=f"{userinfo}{at}{name}{f':{one}' if one else ''}") for one in known]

    def form(self) -> list[tuple[str, str]]:
        """The fields of a form body in order; none where the body is not a form."""
        if media_type(self.header("content-type")) != "application/x-www-form-urlencoded":
            return []
        return parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)

    def fields(self) -> dict[str, str]:
        """What the request says about the call, whatever its form: the URL's query, the form, the texts of a JSON object.

        Names are in lower case (`from`, `to`, `callsid`, `uuid`); the body wins over the query.
        """
        found = dict(parse_qsl(self.address().query, keep_blank_values=True)) | dict(self.form())
        if media_type(self.header("content-type")) == "application/json":
            with contextlib.suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
                found |= {key: value for key, value in _JSON.decode(self.body).items() if isinstance(value, str)}
        return {name.lower(): value for name, value in found.items()}


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """The instructions for the carrier about the call."""

    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class TransferTarget:
    """Where a call is put through to.

    Attributes:
        to: a number with its country code, or a SIP address.
        caller_id: the number shown there; empty: the carrier's default.
        answer_url: an address of this server that answers `transfer_answer` of the carrier's driver, for those that ask.
    """

    to: str
    caller_id: str = ""
    answer_url: str = ""

    @property
    def is_sip(self) -> bool:
        """Whether it is a SIP address."""
        return self.to.startswith(("sip:", "sips:"))


class CallControl(Protocol):
    """Acts on a call over the carrier's REST API."""

    @property
    def can_hang_up(self) -> bool:
        """Whether the credentials are complete (and the carrier has such an API)."""
        ...

    async def hang_up(self, call_id: str) -> bool:
        """Ends a call; whether a request was made and accepted.

        Once for each call, and never with incomplete credentials: both are False. A call that is over already counts
        as ended. `DependencyError(code="hang_up_failed")` where the carrier refuses or does not answer in time; the
        call may then be tried again.
        """
        ...

    @property
    def can_transfer(self) -> bool:
        """Whether calls can be put through: the credentials are complete, and the carrier has such an API."""
        ...

    @property
    def transfer_remedy(self) -> str:
        """What the operator can do where calls cannot be put through."""
        ...

    async def transfer(self, call_id: str, target: TransferTarget) -> None:
        """Has the carrier connect the caller with the target, in place of our stream.

        Raises:
            UsageError: this carrier cannot (transfer_unavailable).
            DependencyError: the carrier refuses or does not answer in time (transfer_failed).
        """
        ...


class CarrierDriver(Protocol):
    """The shape of a module in this folder."""

    def answer(self, stream_url: str, *, parameters: Mapping[str, str]) -> WebhookAnswer | None:
        """Connects the call to our media stream; None where the carrier asks no webhook."""
        ...

    def verify(self, request: WebhookRequest, secret: str, *, now: float) -> None:
        """Lets a signed request pass; `UsageError(code="bad_signature")` for any other. `now`: seconds since 1970."""
        ...

    def create(self, config: Any, deps: Deps) -> CallControl:
        """The call control, with credentials from the configuration or the environment."""
        ...


@runtime_checkable
class ResumableDriver(Protocol):
    """What the module of a carrier has besides, whose calls can go on with another stream once one is over."""

    def resumable_answer(
        self, stream_url: str, *, parameters: Mapping[str, str], resume_url: str, pause_s: int = 0
    ) -> WebhookAnswer:
        """Connects the call to our media stream after a pause, and has the carrier ask `resume_url` once that is over."""
        ...

    def end_answer(self) -> WebhookAnswer:
        """Ends the call."""
        ...

    def call_id_of(self, fields: Mapping[str, str]) -> str:
        """The call's name as its stream has it, in the fields of a webhook; empty where it is missing."""
        ...


@runtime_checkable
class MovesStreams(Protocol):
    """A call control that connects a call under way to another of our media streams."""

    @property
    def can_move_stream(self) -> bool:
        """Whether the credentials are complete."""
        ...

    async def move_stream(self, call_id: str, stream_url: str, parameters: Mapping[str, str]) -> None:
        """Ends the present stream and opens one to this address, with these parameters in its start.

        Raises:
            DependencyError: the carrier refuses or does not answer in time (stream_move_failed).
        """
        ...


class NoConfig(DriverConfig):
    """For carriers without options."""


class NoControl:
    """For carriers whose calls end with the stream.

    Args:
        transfer_remedy: what the operator can do, as calls cannot be put through.
    """

    def __init__(self, transfer_remedy: str = "") -> None:
        self.transfer_remedy = transfer_remedy

    @property
    def can_hang_up(self) -> bool:
        """False."""
        return False

    @property
    def can_transfer(self) -> bool:
        """False."""
        return False

    async def hang_up(self, call_id: str) -> bool:
        """Does nothing."""
        return False

    async def transfer(self, call_id: str, target: TransferTarget) -> None:
        """Refuses."""
        raise transfer_unavailable(self.transfer_remedy)


class HangUpOnce:
    """Sends the hang-up of a call at most once; remembers the last 10,000 calls and forgets older ones.

    Args:
        http: the client to send with.
        carrier: its name, for messages.
        over_statuses: the HTTP statuses with which this carrier says that the call is over already.
        timeout_s: the longest a request may take as a whole.
    """

    def __init__(
        self,
        http: httpx2.AsyncClient,
        carrier: str,
        *,
        over_statuses: Collection[int] = (404,),
        timeout_s: float = HANG_UP_TIMEOUT_S,
    ) -> None:
        self._http = http
        self._carrier = carrier
        self._over_statuses = over_statuses
        self._timeout_s = timeout_s
        self._done: dict[str, None] = {}

    async def send(self, call_id: str, request: httpx2.Request) -> bool:
        """Sends the request unless this call was hung up before."""
        if call_id in self._done:
            return False
        self._done[call_id] = None
        if len(self._done) > REMEMBERED_CALLS:
            del self._done[next(iter(self._done))]
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._http.send(request)
        except (httpx2.HTTPError, TimeoutError) as error:
            self._done.pop(call_id, None)
            raise DependencyError(
                f"{self._carrier} did not answer the request to hang up ({type(error).__name__}).",
                code="hang_up_failed",
                retryable=True,
            ) from None  # the cause holds the URL, and with it the account
        if response.is_success or response.status_code in self._over_statuses:
            return True
        self._done.pop(call_id, None)
        raise DependencyError(
            f"{self._carrier} answered {response.status_code} to the request to hang up.",
            code="hang_up_failed",
            hint="check the credentials" if response.status_code in {401, 403} else "",
            retryable=response.status_code >= 500 or response.status_code == 429,  # noqa: PLR2004  HTTP statuses
        )


def transfer_unavailable(remedy: str) -> UsageError:
    """The error of a carrier that cannot put calls through."""
    return UsageError("this call cannot be put through", code="transfer_unavailable", hint=remedy)


async def send_transfer(
    http: httpx2.AsyncClient, carrier: str, request: httpx2.Request, *, timeout_s: float = HANG_UP_TIMEOUT_S
) -> None:
    """Sends the request that puts a call through.

    Raises:
        DependencyError: the carrier refused or did not answer (transfer_failed).
    """
    hint = "check the number and the caller id"
    await _send(http, carrier, request, "transfer", timeout_s, code="transfer_failed", hint=hint)


async def send_stream_move(
    http: httpx2.AsyncClient, carrier: str, request: httpx2.Request, *, timeout_s: float = HANG_UP_TIMEOUT_S
) -> None:
    """Sends a request that ends or opens a call's media stream.

    Raises:
        DependencyError: the carrier refused or did not answer (stream_move_failed).
    """
    hint = "check that the call's application lets it be controlled"
    await _send(http, carrier, request, "move the media stream", timeout_s, code="stream_move_failed", hint=hint)


async def _send(
    http: httpx2.AsyncClient,
    carrier: str,
    request: httpx2.Request,
    what: str,
    timeout_s: float,
    *,
    code: str,
    hint: str,
) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            response = await http.send(request)
    except (httpx2.HTTPError, TimeoutError) as error:
        raise DependencyError(
            f"{carrier} did not answer the request to {what} ({type(error).__name__}).", code=code, retryable=True
        ) from None  # the cause holds the URL, and with it the account
    if not response.is_success:
        raise DependencyError(
            f"{carrier} answered {response.status_code} to the request to {what}.",
            code=code,
            hint="check the credentials" if response.status_code in {401, 403} else hint,
            retryable=response.status_code >= 500 or response.status_code == 429,  # noqa: PLR2004  HTTP statuses
        )


def _host_and_port(netloc: str) -> tuple[str, str]:
    """The parts of `host:port`; an address of IPv6 keeps its brackets."""
    name, colon, port = netloc.rpartition(":")
    return (name, port) if colon and "]" not in port else (netloc, "")
