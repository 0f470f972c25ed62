"""How servers sign requests to each other: two signatures beside each other. Pure.

The original's covers the body and the time only: what it signs can be sent again to another path, and to another server. Ours
(RFC 9421, `vox.security.http_signatures`) covers method, path, query, body, time, a nonce and the server the request is for. It is
added to the original's headers, so that original servers still understand us.

The one thing to know before changing it: the authority that is signed is the federation domain of the receiver, not the `Host`
header. A receiver compares it with its own domain, so a request for one server is worth nothing at another, whatever proxies write
into `Host`.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from vox.errors import UsageError
from vox.security import http_signatures
from vox.security.digests import base64_bytes, verify_ed25519

ORIGIN: Final = "x-vox-origin"
TIMESTAMP: Final = "x-vox-timestamp"
SIGNATURE: Final = "x-vox-signature"
SKEW_S: Final = 300
"""By how much the clocks of two servers may differ."""
NONCE_MEMORY_S: Final = 3600
"""How long a nonce is remembered: far longer than requests are valid, so that a clock set back does not make old ones new."""
EMPTY_BODY: Final = b"{}"
"""The body of a GET, which is signed and sent like any other."""

_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs: a domain and its private key in base64."""

    domain: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says about its sender, before anything is checked.

    Args:
        origin: the domain, as it was sent.
        timestamp: as it was sent and signed.
        signed_at_s: the same as a number, Unix seconds.
        signature: base64.
        is_full: whether the signature over method, path and server came, too.
    """

    origin: str
    timestamp: str
    signed_at_s: float
    signature: str
    is_full: bool


@dataclass(frozen=True, slots=True)
class Spent:
    """What a request has used up.

    Args:
        name: must not have been seen before: the nonce, or the original's signature where only that came.
        besides: the original's signature of a request that is signed in full, so that it cannot come again alone; two such requests
            within a second may have the same one.
    """

    name: str
    besides: str | None = None


class BadSignature(Exception):  # noqa: N818  an answer to the sender, not a failure of the server
    """A request that is not signed by the server it names; `status` and `code` are the wire's."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def sign(
    identity: Identity, method: str, path: str, body: bytes, *, destination: str, now_s: int, nonce: str
) -> dict[str, str]:
    """The headers of a request to another server.

    Args:
        identity: who signs.
        method: as sent.
        path: as sent, percent-encoded, with the query.
        body: the bytes that travel.
        destination: the federation domain of the receiver.
        now_s: Unix seconds.
        nonce: fresh (`http_signatures.new_nonce`).
    """
    timestamp = str(now_s)
    ours = http_signatures.sign(
        method, path, body, created=now_s, nonce=nonce, private_key=identity.private_key, authority=destination
    )
    return {
        ORIGIN: identity.domain,
        TIMESTAMP: timestamp,
        SIGNATURE: http_signatures.sign_bytes(identity.private_key, body + timestamp.encode("ascii")),
        **ours,
    }


def read_claim(headers: Mapping[str, str], now_s: float) -> Claim:
    """Takes the headers of a request apart and looks at its time.

    Args:
        headers: names in lower case, or a mapping that ignores case.
        now_s: Unix seconds.

    Raises:
        BadSignature: VALIDATION_ERROR, FED_MISSING_TIMESTAMP or FED_TIMESTAMP_EXPIRED.
    """
    origin, signature = headers.get(ORIGIN, ""), headers.get(SIGNATURE, "")
    if not origin or not signature:
        raise BadSignature(422, "VALIDATION_ERROR", "headers X-Vox-Origin and X-Vox-Signature: fields required")
    timestamp = headers.get(TIMESTAMP, "")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise BadSignature(400, "FED_MISSING_TIMESTAMP", "Send X-Vox-Timestamp in Unix seconds.")
    if abs(now_s - float(timestamp)) > SKEW_S:
        raise BadSignature(
            403,
            "FED_TIMESTAMP_EXPIRED",
            f"The request was signed more than {SKEW_S} s ago or ahead: set the clocks of both servers.",
        )
    return Claim(origin, timestamp, float(timestamp), signature, "signature-input" in headers)


def verify(
    claim: Claim,
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    public_key: str,
    own_domain: str,
    now_s: float,
) -> Spent:
    """Checks the signatures of a request by one key.

    Args:
        claim: of `read_claim`.
        method: as received.
        path: as received, with the query.
        body: the bytes that travelled.
        headers: names in lower case, or a mapping that ignores case.
        public_key: base64.
        own_domain: the federation domain of this server.
        now_s: Unix seconds.

    Returns:
        What must not have been seen before, and is to be remembered for NONCE_MEMORY_S.

    Raises:
        BadSignature: FED_AUTH_FAILED.
    """
    seen = _Seen()
    try:
        verify_ed25519(public_key, claim.signature, body + claim.timestamp.encode("ascii"))
        if claim.is_full:
            http_signatures.verify(
                method,
                path,
                body,
                headers,
                public_key=public_key,
                now=now_s,
                nonces=seen,
                skew_s=SKEW_S,
                authority=own_domain,
            )
    except UsageError as error:
        raise BadSignature(403, "FED_AUTH_FAILED", _why(error)) from None
    # The bytes, not the text: base64 has several texts for one signature.
    first = hashlib.sha256(base64_bytes(claim.signature) or b"").hexdigest()
    origins = f"s:{first}"
    return Spent(f"n:{seen.nonces[0]}", origins) if seen.nonces else Spent(origins)


class _Seen:
    """Collects the nonce, which the caller remembers where all processes and later runs see it."""

    def __init__(self) -> None:
        self.nonces: list[str] = []

    def spend(self, key_id: str, nonce: str, now: float) -> bool:
        """Notes a nonce."""
        del key_id, now
        self.nonces.append(nonce)
        return True


def _why(error: UsageError) -> str:
    if error.code == "signature_malformed":
        return str(error.args[0])
    return "The signature does not belong to this request and the server it names."
