"""HTTP requests of the carriers, as values, and the signatures that each carrier puts on them; pure.

Written from the carriers' documents and independently of `vox.providers.carriers`, which checks such signatures: each is the
other's proof.
"""

import base64
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from vox.security.digests import hmac_base64

FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """One request of a carrier to its customer's server."""

    method: str
    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    fields: Mapping[str, str] = field(default_factory=dict[str, str])

    def with_headers(self, headers: Mapping[str, str]) -> "OutgoingRequest":
        """The same request with further headers."""
        return replace(self, headers={**self.headers, **headers})


def form_request(method: str, url: str, fields: Mapping[str, str]) -> OutgoingRequest:
    """A form: in the body of a POST, in the query of a GET."""
    if method.upper() == "GET":
        parts = urlsplit(url)
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *fields.items()])
        return OutgoingRequest("GET", urlunsplit(parts._replace(query=query, fragment="")), fields=fields)
    return OutgoingRequest("POST", url, urlencode(fields).encode(), {"content-type": FORM_TYPE}, fields)


def json_request(url: str, body: Mapping[str, Any]) -> OutgoingRequest:
    """A POST of a JSON object."""
    return OutgoingRequest("POST", url, msgspec.json.encode(body), {"content-type": "application/json"})


def multipart_request(url: str, fields: Mapping[str, str], boundary: str) -> OutgoingRequest:
    """A POST of a `multipart/form-data` form."""
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    return OutgoingRequest("POST", url, f"{parts}--{boundary}--\r\n".encode(), headers, fields)


def signed_for_twilio(request: OutgoingRequest, auth_token: str) -> OutgoingRequest:
    """With `X-Twilio-Signature`: HMAC-SHA1 over the URL and the form's fields in the order of their names."""
    signed = request.url + "".join(name + value for name, value in sorted(_form(request)))
    return request.with_headers({"x-twilio-signature": hmac_base64(auth_token, signed, "sha1")})


def signed_for_plivo(request: OutgoingRequest, auth_token: str, nonce: str) -> OutgoingRequest:
    """With `X-Plivo-Signature-V3`: HMAC-SHA256 over the URL, its query, the form and a nonce."""
    parts = urlsplit(request.url)
    query = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(parts.query, keep_blank_values=True)))
    form = "".join(f"{name}{value}" for name, value in sorted(_form(request)))
    signed = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if query or form:
        signed += f"?{query}"
    if query and form:
        signed += "."
    signature = hmac_base64(auth_token, f"{signed}{form}.{nonce}", "sha256")
    return request.with_headers({"x-plivo-signature-v3": signature, "x-plivo-signature-v3-nonce": nonce})


class TelnyxKey:
    """The key pair that Telnyx's webhooks are signed with.

    Args:
        seed: 32 bytes of an Ed25519 private key.
    """

    def __init__(self, seed: bytes) -> None:
        ed25519: Any = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
        self._key: Any = ed25519.Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> str:
        """The public key in base64, as the portal shows it."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def signed(self, request: OutgoingRequest, unix_s: int) -> OutgoingRequest:
        """With `telnyx-signature-ed25519` over the timestamp and the body."""
        signature = self._key.sign(f"{unix_s}|".encode() + request.body)
        return request.with_headers(
            {"telnyx-signature-ed25519": base64.b64encode(signature).decode(), "telnyx-timestamp": str(unix_s)}
        )


def signed_for_exotel(request: OutgoingRequest, key: str, token: str) -> OutgoingRequest:
    """With basic credentials: Exotel signs nothing, and sends what stands in the address it was given."""
    credentials = base64.b64encode(f"{key}:{token}".encode()).decode()
    return request.with_headers({"authorization": f"Basic {credentials}"})


def _form(request: OutgoingRequest) -> Iterable[tuple[str, str]]:
    if request.method != "POST" or request.headers.get("content-type") != FORM_TYPE:
        return []
    return parse_qsl(request.body.decode(), keep_blank_values=True)
