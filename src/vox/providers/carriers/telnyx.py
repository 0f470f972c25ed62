"""Telnyx: TeXML answer with bidirectional RTP, Ed25519 signature, hang-up and transfer over call control."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import httpx2

from vox.providers.carriers.contract import (
    CLOCK_TOLERANCE_S,
    HANG_UP_TIMEOUT_S,
    BusyAnswer,
    HangUpOnce,
    NoConfig,
    TransferTarget,
    WebhookAnswer,
    WebhookRequest,
    send_stream_move,
    send_transfer,
    transfer_unavailable,
)
from vox.providers.carriers.markup import busy_xml, element, parameter_elements, xml_answer
from vox.providers.contract import Deps
from vox.security.digests import bad_signature, verify_ed25519

Config = NoConfig
API: Final = "https://api.telnyx.com"
_OVER: Final = (404, 422)  # 422 with code 90018 is "call has already ended"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The API key of call control."""

    api_key: str = field(repr=False)


class Control:
    """Ends and transfers calls by their call control id."""

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
        self.transfer_remedy = "set TELNYX_API_KEY"
        self._once = HangUpOnce(http, "Telnyx", over_statuses=_OVER, timeout_s=timeout_s)

    @property
    def can_hang_up(self) -> bool:
        """Whether the API key is there."""
        return bool(self._credentials.api_key)

    async def hang_up(self, call_id: str) -> bool:
        """Sends the `hangup` action."""
        if not call_id or not self.can_hang_up:
            return False
        return await self._once.send(call_id, self._action(call_id, "hangup", {}))

    @property
    def can_transfer(self) -> bool:
        """Whether the API key is there."""
        return self.can_hang_up

    async def transfer(self, call_id: str, target: TransferTarget) -> None:
        """Sends the `transfer` action."""
        if not self.can_transfer:
            raise transfer_unavailable(self.transfer_remedy)
        body = {"to": target.to, **({"from": target.caller_id} if target.caller_id else {})}
        request = self._action(call_id, "transfer", body)
        await send_transfer(self._http, "Telnyx", request, timeout_s=self._timeout_s)

    @property
    def can_move_stream(self) -> bool:
        """Whether the API key is there."""
        return self.can_hang_up

    async def move_stream(self, call_id: str, stream_url: str, parameters: Mapping[str, str]) -> None:
        """Sends `streaming_stop` and `streaming_start`; what is played in between is silence."""
        begin = {
            "stream_url": stream_url,
            "stream_track": "inbound_track",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "PCMU",
            "stream_codec": "PCMU",
            "custom_parameters": [{"name": name, "value": value} for name, value in parameters.items()],
        }
        for name, body in (("streaming_stop", {}), ("streaming_start", begin)):
            request = self._action(call_id, name, body)
            await send_stream_move(self._http, "Telnyx", request, timeout_s=self._timeout_s)

    def _action(self, call_id: str, name: str, body: Mapping[str, object]) -> httpx2.Request:
        return self._http.build_request(
            "POST",
            f"{self._base}/v2/calls/{quote(call_id, safe='')}/actions/{name}",
            headers={"Authorization": f"Bearer {self._credentials.api_key}"},
            json=dict(body),
        )


def answer(stream_url: str, *, parameters: Mapping[str, str]) -> WebhookAnswer:
    """TeXML that connects the call to our stream, PCMU both ways."""
    attributes = {"url": stream_url, "bidirectionalMode": "rtp", "bidirectionalCodec": "PCMU", "codec": "PCMU"}
    return xml_answer(element("Connect", {}, element("Stream", attributes, parameter_elements(parameters))))


def busy(busy: BusyAnswer) -> WebhookAnswer | None:
    """TeXML that rejects the call with a busy tone, speaks, or has it wait."""
    return busy_xml(busy, refusal=element("Reject", {"reason": "busy"}))


def verify(request: WebhookRequest, secret: str, *, now: float) -> None:
    """Checks `telnyx-signature-ed25519` with the account's public key (base64), over the timestamp and the body."""
    signature, timestamp = request.header("telnyx-signature-ed25519"), request.header("telnyx-timestamp")
    if not signature or not timestamp:
        raise bad_signature("it has no telnyx-signature-ed25519 or no telnyx-timestamp")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):  # noqa: PLR2004  digits of seconds
        raise bad_signature("its telnyx-timestamp is not a number")
    if abs(now - int(timestamp)) > CLOCK_TOLERANCE_S:
        raise bad_signature("its telnyx-timestamp is more than 300 s away")
    verify_ed25519(secret, signature, timestamp.encode() + b"|" + request.body)


def create(config: Config, deps: Deps) -> Control:
    """The call control, with `telnyx_api_key`/TELNYX_API_KEY; TELNYX_API_BASE says where the API is."""
    credentials = Credentials(deps.secret("telnyx_api_key", "TELNYX_API_KEY") or "")
    return Control(deps.http, credentials, api_base=deps.environment.get("TELNYX_API_BASE") or API)
