"""A carrier's incoming-call webhook, seen from the carrier: asks the server what to do, finds the stream's address.

Every carrier says it in its own words (TwiML, TeXML, Plivo's XML, JSON, NCCO); all of them name a WebSocket address, and some
add parameters that the stream's first message has to carry.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from xml.etree import ElementTree as ET

import httpx2

from vox.errors import DependencyError, PeerError

_TIMEOUT_S = 10.0
_REFUSED = {
    401: "send the server's key: --header 'X-API-Key: …'",
    403: "the webhook wants a signature; call the stream itself, ws://HOST:PORT/telephony/ws",
    404: "check the path; a webhook is answered where the server was started with --transport CARRIER",
    405: "check the path; a media stream's address begins with ws:// or wss://",
    503: "the server is full or stopping; try again",
}


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Where the call's audio goes, and what its first message carries."""

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])


async def ask_webhook(
    http: httpx2.AsyncClient,
    url: str,
    carrier: str,
    *,
    call_id: str,
    caller: str,
    callee: str,
    headers: Mapping[str, str] | None = None,
) -> StreamPlan:
    """Posts the webhook as the carrier does; `DependencyError` where the server does not answer with a stream."""
    form = webhook_form(carrier, call_id=call_id, caller=caller, callee=callee)
    try:
        answer = await http.post(url, data=form, headers=dict(headers or {}), timeout=_TIMEOUT_S)
    except httpx2.HTTPError as error:
        raise DependencyError(f"cannot reach {url}: {error}", code="webhook_unreachable", retryable=True) from error
    if not answer.is_success:
        retry_after = answer.headers.get("retry-after", "")
        raise DependencyError(
            f"the webhook {url} answered {answer.status_code}",
            code="webhook_refused",
            hint=_REFUSED.get(answer.status_code, "see the server's log"),
            retryable=answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE.value,
            retry_after_s=float(retry_after) if retry_after.isdigit() else None,
        )
    return parse_answer(answer.text)


def at_host(stream_url: str, host: str | None, webhook_url: str) -> str:
    """The stream's address at another host, with the scheme of the webhook's; unchanged where no host is given."""
    if not host:
        return stream_url
    scheme = "wss" if webhook_url.startswith("https:") else "ws"
    return urlunsplit(urlsplit(stream_url)._replace(scheme=scheme, netloc=host))


def webhook_form(carrier: str, *, call_id: str, caller: str, callee: str) -> dict[str, str]:
    """The form fields by which each carrier announces a call."""
    match carrier:
        case "telnyx":
            return {"CallSid": call_id, "CallControlId": call_id, "From": caller, "To": callee, "Direction": "inbound"}
        case "plivo":
            return {"CallUUID": call_id, "From": caller, "To": callee, "Direction": "inbound", "Event": "StartApp"}
        case "vonage":
            return {"uuid": call_id, "from": caller, "to": callee, "conversation_uuid": f"CON-{call_id}"}
        case _:
            return {"CallSid": call_id, "From": caller, "To": callee, "Direction": "inbound", "CallStatus": "ringing"}


def parse_answer(text: str) -> StreamPlan:
    """Finds the stream's address in a webhook's answer; `PeerError` where there is none."""
    text = text.strip()
    plan = _from_xml(text) if text.startswith("<") else _from_json(text)
    if plan is None:
        raise PeerError(
            "the webhook's answer names no media stream", code="no_stream_in_webhook", hint=f"it answered: {text[:200]}"
        )
    return plan


def _from_xml(text: str) -> StreamPlan | None:
    if "<!" in text:  # a document type could declare entities that grow without end
        return None
    try:
        root = ET.fromstring(text)  # noqa: S314  no document type, so no entities
    except ET.ParseError:
        return None
    for stream in root.iter("Stream"):
        url = (stream.get("url") or stream.text or "").strip()
        if is_stream_url(url):
            parameters = {each.get("name", ""): each.get("value", "") for each in stream.iter("Parameter")}
            return StreamPlan(url, parameters)
    return None


def _from_json(text: str) -> StreamPlan | None:
    try:
        answer: Any = json.loads(text)
    except ValueError:
        return None
    url = next((value for value in _strings(answer) if is_stream_url(value)), None)
    return None if url is None else StreamPlan(url)


def _strings(value: Any) -> Iterator[str]:
    """Every string inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():  # pyright: ignore[reportUnknownVariableType]  any JSON
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:  # pyright: ignore[reportUnknownVariableType]  any JSON
            yield from _strings(each)


def is_stream_url(url: str) -> bool:
    """Whether this is the address of a WebSocket."""
    return url.startswith(("ws://", "wss://"))
