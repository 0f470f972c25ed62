"""Exotel: JSON answer with the stream's URL, a shared token in place of a signature, no hang-up API for applets."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from vox.providers.carriers.contract import BusyAnswer, NoConfig, NoControl, WebhookAnswer, WebhookRequest
from vox.providers.contract import Deps
from vox.security.credentials import bearer_token, parse_authorization
from vox.security.digests import bad_signature, base64_bytes, is_equal

Config = NoConfig
Control = NoControl
_MAX_PARAMETERS: Final = 3  # Exotel's documentation of the Voicebot applet, as the next one
_MAX_QUERY: Final = 256
_NOTE: Final = "Set the Voicebot applet's URL to websocketUrl, or to this address: url is what the applet reads."


def answer(stream_url: str, *, parameters: Mapping[str, str]) -> WebhookAnswer:
    """JSON that names the stream's URL: as `url` for the applet, and in the envelope that the original answered with.

    Parameters travel in the URL's query; Exotel takes three at most and 256 characters, what exceeds that is left out.
    """
    url = _with_parameters(stream_url, parameters)
    body = {"url": url, "data": {"error": "", "websocketUrl": url, "note": _NOTE}}
    return WebhookAnswer("application/json", msgspec.json.encode(body))


def busy(busy: BusyAnswer) -> WebhookAnswer | None:
    """None: the applet's flow decides what follows an error."""
    del busy
    return None


def verify(request: WebhookRequest, secret: str, *, now: float) -> None:
    """Exotel signs nothing: looks for the shared token as basic credentials, as bearer token or as `token` in the URL."""
    header = request.header("authorization")
    offered: list[str | bytes] = [*parse_qs(request.address().query).get("token", []), bearer_token(header)]
    scheme, value = parse_authorization(header)
    if scheme.lower() == "basic":
        credentials = base64_bytes(value) or b""
        offered += [credentials, credentials.partition(b":")[2]]
    matches = [is_equal(secret, one) for one in offered]
    if not secret or not any(matches):
        raise bad_signature("it does not carry the shared token")


def create(config: Config, deps: Deps) -> Control:
    """Nothing: the call goes on in Exotel's flow when the stream is closed."""
    return Control("in Exotel's flow, put a Connect applet behind the Voicebot applet and end the call with end_call")


def _with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    for pair in list(parameters.items())[:_MAX_PARAMETERS]:
        if len(urlencode([*query, pair])) <= _MAX_QUERY:
            query.append(pair)
    return urlunsplit(parts._replace(query=urlencode(query)))
