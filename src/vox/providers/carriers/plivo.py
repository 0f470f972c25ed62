"""Plivo: XML answer with a bidirectional stream, V3 signature, hang-up and transfer over the REST API."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote

import httpx2

from vox.providers.carriers.contract import (
    HANG_UP_TIMEOUT_S,
    BusyAnswer,
    HangUpOnce,
    NoConfig,
    TransferTarget,
    WebhookAnswer,
    WebhookRequest,
    send_transfer,
    transfer_unavailable,
)
from vox.providers.carriers.markup import busy_xml, element, xml_answer, xml_text
from vox.providers.contract import Deps
from vox.security.digests import bad_signature, hmac_base64, is_equal

Config = NoConfig
API: Final = "https://api.plivo.com"
MAX_SIGNATURES: Final = 8  # one for each auth token of the account that is in use
_MAX_EXTRA_HEADERS: Final = 512  # bytes; Plivo's documentation of the Stream element


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account whose calls may be ended and transferred."""

    auth_id: str
    auth_token: str = field(repr=False)


class Control:
    """Ends and transfers calls of one account."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        credentials: Credentials,
        *,
        api_base: str = API,
        timeout_s: float = HANG_UP_TIMEOUT_S,
    ) -> None:
        self._http = http
        self._base = api_base.rstrip("/")
        self._credentials = credentials
        self._timeout_s = timeout_s
        self.transfer_remedy = "set PLIVO_AUTH_ID and PLIVO_AUTH_TOKEN"
        self._once = HangUpOnce(http, "Plivo", timeout_s=timeout_s)

    @property
    def can_hang_up(self) -> bool:
        """Whether both credentials are there."""
        return bool(self._credentials.auth_id and self._credentials.auth_token)

    async def hang_up(self, call_id: str) -> bool:
        """Deletes the call."""
        if not call_id or not self.can_hang_up:
            return False
        return await self._once.send(call_id, self._request("DELETE", call_id))

    @property
    def can_transfer(self) -> bool:
        """Whether both credentials are there."""
        return self.can_hang_up

    async def transfer(self, call_id: str, target: TransferTarget) -> None:
        """Sends the caller's leg to other XML, which Plivo fetches from this server."""
        if not self.can_transfer:
            raise transfer_unavailable(self.transfer_remedy)
        body = {"legs": "aleg", "aleg_url": target.answer_url, "aleg_method": "POST"}
        await send_transfer(self._http, "Plivo", self._request("POST", call_id, body), timeout_s=self._timeout_s)

    def _request(self, method: str, call_id: str, body: Mapping[str, str] | None = None) -> httpx2.Request:
        account = quote(self._credentials.auth_id, safe="")
        request = self._http.build_request(
            method,
            f"{self._base}/v1/Account/{account}/Call/{quote(call_id, safe='')}/",
            json=None if body is None else dict(body),
        )
        auth = httpx2.BasicAuth(self._credentials.auth_id, self._credentials.auth_token)
        return next(auth.auth_flow(request))


def transfer_answer(target: TransferTarget) -> WebhookAnswer:
    """XML that connects the caller with the target."""
    dialled = element("User" if target.is_sip else "Number", {}, xml_text(target.to))
    return xml_answer(element("Dial", {"callerId": target.caller_id} if target.caller_id else {}, dialled))


def answer(stream_url: str, *, parameters: Mapping[str, str]) -> WebhookAnswer:
    """XML that opens our stream and keeps the call alive on it.

    Plivo passes parameters on only where they are letters and digits and 512 bytes at most: the plus sign of a number
    is dropped, and a parameter with any other character, or beyond the limit, is left out.
    """
    return xml_answer(_stream(stream_url, parameters))


def resumable_answer(
    stream_url: str, *, parameters: Mapping[str, str], resume_url: str, pause_s: int = 0
) -> WebhookAnswer:
    """As `answer`; once our side closes the stream, or it breaks, Plivo asks the resume URL what to do."""
    wait = element("Wait", {"length": str(pause_s)}) if pause_s else ""
    redirect = element("Redirect", {"method": "POST"}, xml_text(resume_url))
    return xml_answer(wait + _stream(stream_url, parameters) + redirect)


def end_answer() -> WebhookAnswer:
    """XML that ends the call."""
    return xml_answer(element("Hangup", {}))


def call_id_of(fields: Mapping[str, str]) -> str:
    """The call's name as its stream has it, in the fields of a webhook; empty where it is missing."""
    return fields.get("calluuid", "")


def _stream(stream_url: str, parameters: Mapping[str, str]) -> str:
    attributes = {
        "bidirectional": "true",
        "keepCallAlive": "true",
        "contentType": "audio/x-mulaw;rate=8000",
    }
    if extra := _extra_headers(parameters):
        attributes["extraHeaders"] = extra
    return element("Stream", attributes, xml_text(stream_url))


def busy(busy: BusyAnswer) -> WebhookAnswer | None:
    """XML that hangs up with a busy tone, speaks, or has the call wait."""
    return busy_xml(busy, refusal=element("Hangup", {"reason": "busy"}), say="Speak", pause="Wait")


def verify(request: WebhookRequest, secret: str, *, now: float) -> None:
    """Checks `X-Plivo-Signature-V3` (or the main account's) with the auth token.

    Signed are the URL, its query and the form in the order of the names, and the nonce; proxies add and drop
    ports, so each form of the URL counts.
    """
    nonce = request.header("x-plivo-signature-v3-nonce")
    given = ",".join(filter(None, (request.header("x-plivo-signature-v3"), request.header("x-plivo-signature-ma-v3"))))
    if not nonce or not given:
        raise bad_signature("it has no X-Plivo-Signature-V3 or no nonce")
    is_post = request.method.upper() == "POST"
    fields = request.form() if is_post else []
    if request.body and not fields:
        raise bad_signature("its body is not part of what was signed")
    expected = [
        hmac_base64(secret, f"{_signed_url(address, fields)}.{nonce}", "sha256") for address in request.addresses()
    ]
    matches = [is_equal(ours, theirs.strip()) for ours in expected for theirs in given.split(",", MAX_SIGNATURES)]
    if not any(matches):
        raise bad_signature("X-Plivo-Signature-V3 does not match")


def create(config: Config, deps: Deps) -> Control:
    """The call control, with `plivo_auth_id`/PLIVO_AUTH_ID and `plivo_auth_token`/PLIVO_AUTH_TOKEN; PLIVO_API_BASE says where the API is."""
    credentials = Credentials(
        auth_id=deps.secret("plivo_auth_id", "PLIVO_AUTH_ID") or "",
        auth_token=deps.secret("plivo_auth_token", "PLIVO_AUTH_TOKEN") or "",
    )
    return Control(deps.http, credentials, api_base=deps.environment.get("PLIVO_API_BASE") or API)


def _extra_headers(parameters: Mapping[str, str]) -> str:
    written = ""
    for name, value in parameters.items():
        plain = value.removeprefix("+")
        if not (f"{name}{plain}".isascii() and name.isalnum() and plain.isalnum()):
            continue
        longer = f"{written},{name}={plain}" if written else f"{name}={plain}"
        if len(longer) <= _MAX_EXTRA_HEADERS:
            written = longer
    return written


def _signed_url(parts: SplitResult, fields: Iterable[tuple[str, str]]) -> str:
    query = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(parts.query, keep_blank_values=True)))
    form = "".join(f"{name}{value}" for name, value in sorted(fields))
    signed = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if query or form:
        signed += f"?{query}"
    return f"{signed}.{form}" if query and form else signed + form
