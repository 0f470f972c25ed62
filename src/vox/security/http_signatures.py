"""Signs requests between machines and checks them: Ed25519 in the form of HTTP Message Signatures (RFC 9421), pure.

A signature covers the method, the path, the query, the body's SHA-256 and, where both ends agree on it, the authority;
with them the time, a nonce and the key's name. Three headers carry it: `Content-Digest` (RFC 9530), `Signature-Input`
and `Signature`.

The one thing to know before changing it: a nonce is spent only once the signature has been found right, otherwise a
stranger could spend other people's. And `claimed_key_id` is what the sender says, until `verify` has agreed.
"""

import base64
import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vox.errors import DependencyError, UsageError
from vox.security.digests import base64_bytes, is_equal, verify_ed25519

SKEW_S = 60.0
NONCE_MEMORY_S = 120.0
KEY_BYTES = 32

_LABEL = "vox"
_BARE_FIELDS = ("@method", "@path", "@query", "content-digest")
_NAMED_FIELDS = (*_BARE_FIELDS, "@authority")
_INPUT = re.compile(r"([a-z*][a-z0-9_.*-]*)=(\(([^()]*)\)((?:;[a-z]+=(?:[0-9]{1,15}|\"[!#-\[\]-~ ]*\"))*))")
_PARAMETER = re.compile(r";([a-z]+)=(?:([0-9]+)|\"([^\"]*)\")")
_SIGNATURE = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):")
_PRINTABLE = re.compile(r"[!-~]*")
_NONCE = re.compile(r"[A-Za-z0-9+/=_-]{16,64}")
_KEY_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An Ed25519 key in base64; the private half is the seed of 32 bytes (RFC 8032) and does not show in a repr."""

    private: str = field(repr=False)
    public: str

    @property
    def key_id(self) -> str:
        """The public key's fingerprint, which names it in requests."""
        return fingerprint(self.public)


@dataclass(frozen=True, slots=True)
class Signed:
    """What a checked signature says: by which key, when (seconds since 1970) and with which nonce."""

    key_id: str
    created: int
    nonce: str


class Nonces(Protocol):
    """Remembers which nonces were used; an implementation may be shared between servers."""

    def spend(self, key_id: str, nonce: str, now: float) -> bool:
        """Marks a nonce as used by a key at a time (seconds since 1970); False where it was used before."""
        ...


class NonceMemory:
    """The nonces of one process.

    Args:
        memory_s: how long a nonce is remembered; twice the clock skew that is tolerated, at least.
        max_nonces: nonces remembered. Beyond it requests are refused rather than nonces forgotten, because what is
            forgotten can be replayed. Only holders of a known key can fill it: limit their rates.
    """

    def __init__(self, memory_s: float = NONCE_MEMORY_S, max_nonces: int = 200_000) -> None:
        self._memory_s = memory_s
        self._max_nonces = max_nonces
        self._forget_after: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._forget_after)

    def spend(self, key_id: str, nonce: str, now: float) -> bool:
        """Marks a nonce as used; False where it was used before.

        Raises:
            DependencyError: `nonces_exhausted` when there is no room for another one.
        """
        while self._forget_after and next(iter(self._forget_after.values())) < now:
            self._forget_after.popitem(last=False)
        if (key_id, nonce) in self._forget_after:
            return False
        if len(self._forget_after) >= self._max_nonces:
            raise DependencyError(
                f"More than {self._max_nonces} signed requests came within {self._memory_s:g} s.",
                code="nonces_exhausted",
                hint="come back later",
                retryable=True,
                retry_after_s=self._memory_s,
            )
        self._forget_after[key_id, nonce] = now + self._memory_s
        return True


def new_key_pair() -> KeyPair:
    """A fresh key."""
    return key_pair(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii"))


def key_pair(private: str) -> KeyPair:
    """The pair that belongs to a private key; `UsageError(code="invalid_private_key")` where it is none."""
    public = _private_key(private).public_key().public_bytes_raw()
    return KeyPair(private, base64.b64encode(public).decode("ascii"))


def new_nonce() -> str:
    """A fresh nonce: 128 random bits."""
    return secrets.token_urlsafe(16)


def fingerprint(public_key: str) -> str:
    """The SHA-256 of a public key, as `sha256:` and hex; `UsageError(code="invalid_public_key")` where it is none."""
    raw = base64_bytes(public_key)
    if raw is None or len(raw) != KEY_BYTES:
        raise UsageError(
            "The public key is not an Ed25519 key of 32 bytes in base64.",
            code="invalid_public_key",
            hint="give the public half of the signing key",
        )
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def sign_bytes(private_key: str, message: bytes) -> str:
    """The Ed25519 signature of a message in base64, for `signatures.verify_ed25519`.

    The message must begin with words that say what it is, so that it cannot stand for something else that is signed.
    """
    return base64.b64encode(_private_key(private_key).sign(message)).decode("ascii")


def sign(
    method: str,
    path: str,
    body: bytes,
    *,
    created: int,
    nonce: str,
    private_key: str,
    key_id: str | None = None,
    authority: str | None = None,
) -> dict[str, str]:
    """The headers that sign a request.

    Args:
        method: as sent.
        path: as sent: percent-encoded, with the query where there is one.
        body: the bytes that will travel.
        created: seconds since 1970.
        nonce: 16 to 64 characters, never used before with this key (`new_nonce`).
        private_key: base64.
        key_id: how the other end finds the key; its fingerprint by default.
        authority: host and port the request goes to, where the other end checks them; keeps it from being replayed
            elsewhere.
    """
    key_id = key_pair(private_key).key_id if key_id is None else key_id
    if not _NONCE.fullmatch(nonce) or not _KEY_ID.fullmatch(key_id):
        raise ValueError("the nonce or the key's name has characters or a length that do not travel")
    digest = content_digest(body)
    fields = _NAMED_FIELDS if authority is not None else _BARE_FIELDS
    covered = " ".join(f'"{name}"' for name in fields)
    parameters = f'({covered});created={created};nonce="{nonce}";keyid="{key_id}";alg="ed25519"'
    values = _values(method, path, digest, authority)
    signature = sign_bytes(private_key, _signature_base(fields, values, parameters))
    return {
        "content-digest": digest,
        "signature-input": f"{_LABEL}={parameters}",
        "signature": f"{_LABEL}=:{signature}:",
    }


def claimed_key_id(headers: Mapping[str, str]) -> str:
    """The name of the key that a request says it is signed with, to look the key up; nothing is checked yet.

    Raises:
        UsageError: `signature_missing` or `signature_malformed`.
    """
    return _read(headers).signed.key_id


def verify(
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    public_key: str,
    now: float,
    nonces: Nonces,
    skew_s: float = SKEW_S,
    authority: str | None = None,
) -> Signed:
    """Checks that a request was signed with a key, lately, for here, and for the first time.

    Args:
        method: as received.
        path: as received: percent-encoded, with the query where there is one.
        body: the bytes that travelled.
        headers: names in lower case, or a mapping that ignores case.
        public_key: base64; the one that belongs to `claimed_key_id`.
        now: seconds since 1970.
        nonces: remembers what was used.
        skew_s: by how much the clocks may differ, either way.
        authority: this server's host and port; None does not ask for them.

    Raises:
        UsageError: `signature_missing`, `signature_malformed`, `signature_expired`, `bad_signature` or
            `signature_replayed`; `invalid_public_key` for a key that is none.
        DependencyError: `nonces_exhausted`.
    """
    read = _read(headers)
    needed = _BARE_FIELDS if authority is None else _NAMED_FIELDS
    if not set(needed) <= set(read.fields):
        raise _malformed(f"it does not cover {', '.join(sorted(set(needed) - set(read.fields)))}")
    if "@authority" in read.fields and authority is None:
        raise _malformed("it covers @authority, which this server does not check")
    if abs(now - read.signed.created) > skew_s:
        raise UsageError(
            f"The request was signed more than {skew_s:g} s ago or ahead.",
            code="signature_expired",
            hint="set the clocks of both machines, and sign each request when it is sent",
        )
    digest = content_digest(body)
    if not is_equal(digest, read.digest):
        raise _wrong("its body is not the one that was signed")
    base = _signature_base(read.fields, _values(method, path, digest, authority), read.parameters)
    try:
        verify_ed25519(public_key, read.signature, base)
    except UsageError as error:
        if error.code != "bad_signature":
            raise
        raise _wrong("the signature belongs to another key or another request") from None
    if not nonces.spend(fingerprint(public_key), read.signed.nonce, now):
        raise UsageError(
            "The request was seen before.", code="signature_replayed", hint="sign each request afresh, with a new nonce"
        )
    return read.signed


def content_digest(body: bytes) -> str:
    """The `Content-Digest` header of a body (RFC 9530), SHA-256."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode('ascii')}:"


@dataclass(frozen=True, slots=True)
class _Read:
    signed: Signed
    fields: tuple[str, ...]
    parameters: str
    signature: str
    digest: str


def _read(headers: Mapping[str, str]) -> _Read:
    given, signature, digest = (headers.get(name, "") for name in ("signature-input", "signature", "content-digest"))
    if not given or not signature:
        raise UsageError(
            "The request is not signed.",
            code="signature_missing",
            hint="send Content-Digest, Signature-Input and Signature (RFC 9421)",
        )
    found, value = _INPUT.fullmatch(given), _SIGNATURE.fullmatch(signature)
    if found is None or value is None or found[1] != value[1]:
        raise _malformed("there is not exactly one, of the same label in both headers")
    pairs = [(name, number or text) for name, number, text in _PARAMETER.findall(found[4])]
    parameters, fields = dict(pairs), tuple(found[3].split(" "))
    names = {f'"{name}"' for name in _NAMED_FIELDS}
    if not set(fields) <= names or len(set(fields)) != len(fields):
        raise _malformed("it covers something else than method, path, query, digest and authority, or twice")
    if len(parameters) != len(pairs) or parameters.keys() | {"alg"} != {"created", "nonce", "keyid", "alg"}:
        raise _malformed("created, nonce and keyid are needed, each once, and nothing else but alg")
    if parameters.get("alg", "ed25519") != "ed25519":
        raise _malformed("its algorithm is not ed25519")
    created, nonce, key_id = parameters["created"], parameters["nonce"], parameters["keyid"]
    if not created.isdigit() or not _NONCE.fullmatch(nonce) or not _KEY_ID.fullmatch(key_id):
        raise _malformed("created, nonce or keyid cannot be read")
    signed = Signed(key_id, int(created), nonce)
    return _Read(signed, tuple(field.strip('"') for field in fields), found[2], value[2], digest)


def _values(method: str, path: str, digest: str, authority: str | None) -> dict[str, str]:
    if not _PRINTABLE.fullmatch(f"{method}{path}{authority or ''}"):  # a line break would begin another field
        raise _malformed("method, path or authority are not as they travel")
    before, _, query = path.partition("?")
    return {
        "@method": method,
        "@path": before or "/",
        "@query": f"?{query}",
        "content-digest": digest,
        "@authority": (authority or "").lower(),
    }


def _signature_base(fields: tuple[str, ...], values: Mapping[str, str], parameters: str) -> bytes:
    lines = [f'"{name}": {values[name]}' for name in fields]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode("ascii")


def _private_key(private: str) -> Ed25519PrivateKey:
    seed = base64_bytes(private)
    if seed is None or len(seed) != KEY_BYTES:
        raise UsageError(
            "The private key is not an Ed25519 seed of 32 bytes in base64.",
            code="invalid_private_key",
            hint="make a new one, or copy it again",
        )
    return Ed25519PrivateKey.from_private_bytes(seed)


def _malformed(why: str) -> UsageError:
    return UsageError(f"The request's signature cannot be read: {why}.", code="signature_malformed")


def _wrong(why: str) -> UsageError:
    return UsageError(f"The request's signature is wrong: {why}.", code="bad_signature")
