"""Genesys Cloud AudioHook: no webhook, the WebSocket request itself is signed (HTTP Message Signatures), no hang-up.

The one thing to know before changing it: the signature covers the components that the signer lists, in its order; the
check is worth something only because it insists on the six that Genesys documents.
"""

import re
from collections.abc import Mapping
from typing import Final

from vox.providers.carriers.contract import BusyAnswer, NoConfig, NoControl, WebhookAnswer, WebhookRequest
from vox.providers.contract import Deps
from vox.security.digests import bad_signature, base64_bytes, hmac_digest, is_equal

Config = NoConfig
Control = NoControl
_REQUIRED: Final = frozenset(
    {
        "@request-target",
        "@authority",
        "audiohook-organization-id",
        "audiohook-session-id",
        "audiohook-correlation-id",
        "x-api-key",
    }
)
_MAX_AGE_S: Final = 10.0  # Genesys' reference implementation
_MIN_NONCE: Final = 22  # characters; same source
_INPUT: Final = re.compile(r"^(?P<label>[a-z*][a-z0-9_.*-]*)=(?P<params>\((?P<components>[^()]*)\)(?P<rest>;.*)?)$")
_PARAMETER: Final = re.compile(r';\s*(?P<name>[a-z*][a-z0-9_.*-]*)=(?:"(?P<text>[^"\\]*)"|(?P<number>-?\d{1,15}))')


def answer(stream_url: str, *, parameters: Mapping[str, str]) -> WebhookAnswer | None:
    """None: the Audio Connector is given the stream's URL in its integration."""
    return None


def busy(busy: BusyAnswer) -> WebhookAnswer | None:
    """None: the call is Genesys's own, and its flow decides."""
    del busy
    return None


def verify(request: WebhookRequest, secret: str, *, now: float) -> None:
    """Checks the WebSocket request.

    Args:
        request: the upgrade request.
        secret: the integration's API key, or `key:client secret` where it has one. With a client secret (base64) the
            request must be signed; without, the key in `X-API-KEY` is all there is.
        now: seconds since 1970.
    """
    api_key, _, client_secret = secret.partition(":")
    if not api_key or not is_equal(api_key, request.header("x-api-key")):
        raise bad_signature("X-API-KEY is not the integration's")
    if client_secret:
        _verify_signature(request, api_key, client_secret, now)


def create(config: Config, deps: Deps) -> Control:
    """Nothing: the session ends with `disconnect` on the stream, and the Architect flow goes on."""
    return Control("in the Architect flow, put a transfer behind the Audio Connector and end the call with end_call")


def _verify_signature(request: WebhookRequest, api_key: str, client_secret: str, now: float) -> None:
    described = _INPUT.match(request.header("signature-input").strip())
    if described is None:
        raise bad_signature("it has no readable Signature-Input")
    label, _, value = request.header("signature").strip().partition("=")
    given = base64_bytes(value.removeprefix(":").removesuffix(":"))
    components = re.findall(r'"([^"\\]*)"', described["components"])
    if label != described["label"] or not given:
        raise bad_signature("its Signature does not belong to its Signature-Input")
    if not _REQUIRED.issubset(components):
        raise bad_signature("its signature leaves out what it must cover")
    parameters = {
        found["name"]: found["text"] or found["number"] for found in _PARAMETER.finditer(described["rest"] or "")
    }
    _check_parameters(parameters, api_key, now)
    lines = [f'"{name}": {_component(request, name)}' for name in components]
    signed = "\n".join([*lines, f'"@signature-params": {described["params"]}'])
    key = base64_bytes(client_secret)
    if key is None or not is_equal(hmac_digest(key, signed, "sha256"), given):
        raise bad_signature("its Signature does not match")


def _check_parameters(parameters: Mapping[str, str | None], api_key: str, now: float) -> None:
    created, expires = _seconds(parameters.get("created")), _seconds(parameters.get("expires"))
    if parameters.get("alg", "hmac-sha256") != "hmac-sha256" or not is_equal(api_key, parameters.get("keyid") or ""):
        raise bad_signature("its signature is of another key or algorithm")
    if len(parameters.get("nonce") or "") < _MIN_NONCE:
        raise bad_signature("its signature has no nonce")
    if created is None or abs(now - created) > _MAX_AGE_S or (expires is not None and expires < now):
        raise bad_signature("its signature is too old, too new or undated")


def _seconds(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _component(request: WebhookRequest, name: str) -> str:
    parts = request.address()
    match name:
        case "@request-target":
            return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        case "@authority":
            return (request.header("host") or parts.netloc).lower()
        case "@method":
            return request.method.upper()
        case _ if name.startswith("@"):
            raise bad_signature(f"it signs {name[:40]}, which Vox does not know")
        case _:
            return request.header(name).strip()
