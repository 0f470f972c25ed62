"""Twilio: TwiML answer, `X-Twilio-Signature`, hang-up and transfer over the 2010 REST API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, quote, urlunsplit

import httpx2
from pydantic import Field

from vox.providers.carriers.contract import (
    HANG_UP_TIMEOUT_S,
    BusyAnswer,
    HangUpOnce,
    TransferTarget,
    WebhookAnswer,
    WebhookRequest,
    send_transfer,
    transfer_unavailable,
)
from vox.providers.carriers.markup import busy_xml, element, parameter_elements, xml_answer, xml_text
from vox.providers.contract import Deps, DriverConfig
from vox.security.digests import bad_signature, hmac_base64, is_equal, sha256_hex

_HOST_PART: Final = r"^[a-z0-9-]*$"


class Config(DriverConfig):
    """Options of the REST API; both empty means the default region us1."""

    region: str = Field(default="", pattern=_HOST_PART)
    edge: str = Field(default="", pattern=_HOST_PART)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account whose calls may be ended and transferred."""

    account_sid: str
    auth_token: str = field(repr=False)


class Control:
    """Ends and transfers calls of one account.

    Args:
        http: the client to send with.
        credentials: hang-ups are refused where one of them is empty.
        region: Twilio region such as `ie1`.
        edge: Twilio edge such as `dublin`; without a region it means region us1.
        api_base: where the API is, in place of region and edge.
        timeout_s: the longest a request may take.
    """

    def __init__(
        self,
        http: httpx2.AsyncClient,
        credentials: Credentials,
        *,
        region: str = "",
        edge: str = "",
        api_base: str = "",
        timeout_s: float = HANG_UP_TIMEOUT_S,
    ) -> None:
        self._http = http
        self._credentials = credentials
        host_parts = ("api", edge, region or ("us1" if edge else ""), "twilio.com")
        self._base = api_base.rstrip("/") or f"https://{'.'.join(part for part in host_parts if part)}"
        self._timeout_s = timeout_s
        self._once = HangUpOnce(http, "Twilio", timeout_s=timeout_s)
        self.transfer_remedy = "set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"

    @property
    def can_hang_up(self) -> bool:
        """Whether both credentials are there."""
        return bool(self._credentials.account_sid and self._credentials.auth_token)

    async def hang_up(self, call_id: str) -> bool:
        """Sets the call's status to completed."""
        if not call_id or not self.can_hang_up:
            return False
        return await self._once.send(call_id, self._update(call_id, {"Status": "completed"}))

    @property
    def can_transfer(self) -> bool:
        """Whether both credentials are there."""
        return self.can_hang_up

    async def transfer(self, call_id: str, target: TransferTarget) -> None:
        """Replaces the call's TwiML by a `Dial`."""
        if not self.can_transfer:
            raise transfer_unavailable(self.transfer_remedy)
        dialled = element("Sip" if target.is_sip else "Number", {}, xml_text(target.to))
        twiml = xml_answer(element("Dial", {"callerId": target.caller_id} if target.caller_id else {}, dialled))
        request = self._update(call_id, {"Twiml": twiml.body.decode()})
        await send_transfer(self._http, "Twilio", request, timeout_s=self._timeout_s)

    def _update(self, call_id: str, fields: Mapping[str, str]) -> httpx2.Request:
        account = quote(self._credentials.account_sid, safe="")
        request = self._http.build_request(
            "POST",
            f"{self._base}/2010-04-01/Accounts/{account}/Calls/{quote(call_id, safe='')}.json",
            data=dict(fields),
        )
        auth = httpx2.BasicAuth(self._credentials.account_sid, self._credentials.auth_token)
        return next(auth.auth_flow(request))


def answer(stream_url: str, *, parameters: Mapping[str, str]) -> WebhookAnswer:
    """TwiML that connects the call to our stream; the parameters come back in the stream's `start`."""
    stream = element("Stream", {"url": stream_url}, parameter_elements(parameters))
    return xml_answer(element("Connect", {}, stream))


def resumable_answer(
    stream_url: str, *, parameters: Mapping[str, str], resume_url: str, pause_s: int = 0
) -> WebhookAnswer:
    """As `answer`; once our side closes the stream, or it breaks, Twilio asks the resume URL what to do."""
    pause = element("Pause", {"length": str(pause_s)}) if pause_s else ""
    stream = element("Stream", {"url": stream_url}, parameter_elements(parameters))
    redirect = element("Redirect", {"method": "POST"}, xml_text(resume_url))
    return xml_answer(pause + element("Connect", {}, stream) + redirect)


def end_answer() -> WebhookAnswer:
    """TwiML that ends the call."""
    return xml_answer(element("Hangup", {}))


def call_id_of(fields: Mapping[str, str]) -> str:
    """The call's name as its stream has it, in the fields of a webhook; empty where it is missing."""
    return fields.get("callsid", "")


def busy(busy: BusyAnswer) -> WebhookAnswer | None:
    """TwiML that rejects the call with a busy tone, speaks, or has it wait."""
    return busy_xml(busy, refusal=element("Reject", {"reason": "busy"}))


def verify(request: WebhookRequest, secret: str, *, now: float) -> None:
    """Checks `X-Twilio-Signature` with the account's auth token.

    Signed are the URL, with the form's fields after it in the order of their names; for other bodies the URL alone,
    which then holds the body's hash as `bodySHA256`. Proxies add and drop ports, so each form of the URL counts.
    """
    given = request.header("x-twilio-signature")
    if not given:
        raise bad_signature("it has no X-Twilio-Signature")
    body_hash = parse_qs(request.address().query).get("bodySHA256", [""])[0]
    if body_hash and not is_equal(sha256_hex(request.body), body_hash.lower()):
        raise bad_signature("its body is not the one whose hash is in the URL")
    fields = sorted(set(request.form())) if request.method.upper() == "POST" and not body_hash else []
    if request.body and not body_hash and not fields:
        raise bad_signature("its body is not part of what was signed")
    signed = "".join(name + value for name, value in fields)
    urls = (request.url, *map(urlunsplit, request.addresses()))
    matches = [is_equal(hmac_base64(secret, url + signed, "sha1"), given) for url in urls]
    if not any(matches):
        raise bad_signature("X-Twilio-Signature does not match")


def create(config: Config, deps: Deps) -> Control:
    """The call control, with `twilio_account_sid`/TWILIO_ACCOUNT_SID and `twilio_auth_token`/TWILIO_AUTH_TOKEN.

    TWILIO_API_BASE takes the place of region and edge.
    """
    credentials = Credentials(
        account_sid=deps.secret("twilio_account_sid", "TWILIO_ACCOUNT_SID") or "",
        auth_token=deps.secret("twilio_auth_token", "TWILIO_AUTH_TOKEN") or "",
    )
    base = deps.environment.get("TWILIO_API_BASE", "")
    return Control(deps.http, credentials, region=config.region, edge=config.edge, api_base=base)
