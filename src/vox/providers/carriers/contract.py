"""What every carrier's driver does besides the media stream: answer the call's webhook, check its signature, hang up, transfer.

A driver is a module of this folder with `answer`, `verify`, `Control`, `Config` and `create`. The three parts do not
know each other: the codec of the stream (`protocols/carriers`) hangs up no calls, and what hangs up reads no audio.
"""

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, runtime_checkable
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


@dataclass(frozen=True, slots=True)
class BusyAnswer:
    """What a caller gets while no call can be taken.

    Attributes:
        message: said before the call ends; empty for a busy tone.
        again_url: asked again instead of ending the call, where the carrier can.
        pause_s: seconds of silence before that.
    """

    message: str = ""
    again_url: str = ""
    pause_s: int = 10


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

    def busy(self, busy: BusyAnswer) -> WebhookAnswer | None:
        """Ends the call as busy, or has it wait; None where the carrier's webhook has no words for it."""
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


@dataclass(frozen=True, slots=True)
class DialRequest:
    """One attempt to reach a number.

    Args:
        to: E.164.
        from_: E.164 caller id.
        stream_url: where the media stream of the answered call goes.
        parameters: of that stream, among them the one-time `token`.
        status_url: where the carrier tells what becomes of the call.
        answer_url: where it asks what to do with the answered call.
        ring_timeout_s: how long it rings.
        max_duration_s: when the carrier ends the answered call.
        amd: `off`, `detect`, or `detect_message_end`, which waits for the end of a machine's greeting.
        tag: ours, unique for each attempt; the carrier is asked for it where it is unknown whether the attempt reached it.
    """

    to: str
    from_: str
    stream_url: str
    parameters: Mapping[str, str] = field(repr=False)
    status_url: str = field(repr=False)
    answer_url: str = field(repr=False)
    ring_timeout_s: int
    max_duration_s: int
    amd: str
    tag: str


@dataclass(frozen=True, slots=True)
class Dialled:
    """The carrier has taken the call.

    Args:
        carrier_call_id: its id.
        queued_s: how long the carrier lets it wait, where it says so.
    """

    carrier_call_id: str
    queued_s: float = 0.0


class DialRefused(DependencyError):  # noqa: N818  an answer of the carrier's, as DialUncertain is
    """The carrier has said that it does not place this call.

    Args:
        message: what it said.
        reason: a word for it, such as `invalid_number`.
        is_retryable: whether another attempt may be taken.
        is_rate_limit: whether it was only too soon; then nothing was dialled and the same attempt may be repeated.
        retry_after_s: when to come back, where the carrier says so.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        is_retryable: bool,
        is_rate_limit: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, code="dial_refused", retryable=is_retryable, retry_after_s=retry_after_s)
        self.reason = reason
        self.is_rate_limit = is_rate_limit


class DialUncertain(DependencyError):  # noqa: N818  see DialRefused
    """It is unknown whether the carrier has dialled: no answer came in time, or a server error."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="dial_uncertain", retryable=False)


CallStage = Literal["queued", "ringing", "answered", "ended"]
EndKind = Literal["completed", "no_answer", "busy", "rejected", "failed", "canceled"]


@dataclass(frozen=True, slots=True)
class CarrierCall:
    """A call as the carrier has it.

    Args:
        carrier_call_id: its id; empty in callbacks that do not name it.
        stage: how far it came.
        end: how it ended; None before.
        answered_by: `human`, `machine`, `fax` or `unknown`; empty where nothing was detected.
        reason: a word or code of the carrier's on the end, such as `sip_486`.
        is_retryable: whether another attempt may reach the number.
        duration_s: of the answered call, where the carrier says so.
    """

    carrier_call_id: str
    stage: CallStage
    end: EndKind | None = None
    answered_by: str = ""
    reason: str = ""
    is_retryable: bool = False
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class CallbackEvent:
    """What a carrier's callback says, and the tag it was about where the body names it."""

    call: CarrierCall
    tag: str = ""


class Dialler(Protocol):
    """Places calls over a carrier's REST API; a module of `vox.providers.diallers` makes one with `create(config, deps)`."""

    @property
    def has_callbacks(self) -> bool:
        """Whether the carrier tells what becomes of a call; otherwise it has to be asked."""
        ...

    async def dial(self, request: DialRequest) -> Dialled:
        """Has the carrier dial, once; nothing in here repeats the request.

        Raises:
            DialRefused: it does not.
            DialUncertain: it is unknown.
        """
        ...

    async def find(
        self, request: DialRequest, since_s: float, known: Collection[str] = frozenset()
    ) -> CarrierCall | None:
        """The call of an attempt about which nothing is known; None where the carrier has none.

        Args:
            request: what was asked for.
            since_s: Unix time of the attempt; earlier calls are others.
            known: carrier's ids of other attempts to the number.

        Raises:
            DependencyError: the carrier could not be asked (carrier_unreachable).
        """
        ...

    async def look_up(self, carrier_call_id: str) -> CarrierCall | None:
        """The state of a call that the carrier has given an id; None where it does not know it any more.

        Raises:
            DependencyError: as `find`.
        """
        ...

    async def hang_up(self, carrier_call_id: str) -> bool:
        """Ends a call, ringing or answered; False where nothing could be sent.

        Raises:
            DependencyError: the carrier refuses, or does not answer in time (hang_up_failed).
        """
        ...

    def verify(self, request: WebhookRequest, *, now: float) -> None:
        """Lets a callback pass that the carrier has signed; where it signs nothing, all.

        Raises:
            UsageError: `bad_signature`.
        """
        ...

    def read_callback(self, request: WebhookRequest) -> CallbackEvent | None:
        """What a verified callback says; None where it says nothing about the call's state."""
        ...

    def answer(self, stream_url: str, parameters: Mapping[str, str]) -> WebhookAnswer | None:
        """What to do with the answered call: connect it to our stream; None where the carrier does not ask."""
        ...

    def refuse(self) -> WebhookAnswer | None:
        """What to do with an answered call that we have no use for: end it; None where the carrier does not ask."""
        ...


@runtime_checkable
class ResumableDialler(Protocol):
    """What a dialler has besides, whose calls can go on with another stream once one is over."""

    def resumable_answer(self, stream_url: str, parameters: Mapping[str, str], resume_url: str) -> WebhookAnswer:
        """As `Dialler.answer`; once the stream is over, the carrier asks `resume_url`."""
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
