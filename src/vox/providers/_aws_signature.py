"""Signature Version 4, with which every request to AWS is signed: in a header, or in the URL where there are no headers.

Pure: the time and the credentials come in, headers or a URL go out. The body goes in as its SHA-256, so that what is streamed
can be signed as `UNSIGNED`, and a service's own scheme (such as that of event streams) by its own constant.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
"""In place of a body's hash, where a service allows it."""
EMPTY = hashlib.sha256(b"").hexdigest()
"""The hash of an empty body."""

_UNRESERVED = "-._~"


@dataclass(frozen=True, slots=True)
class AwsCredentials:
    """Whose requests these are; `token` is set for temporary credentials."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs requests to one service in one region.

    Args:
        region: such as `eu-central-1`.
        service: the service's name in signatures, such as `polly`, `transcribe`, `bedrock`.
    """

    region: str
    service: str

    def headers(
        self,
        credentials: AwsCredentials,
        method: str,
        url: str,
        *,
        now: datetime,
        headers: Mapping[str, str] | None = None,
        body_hash: str = EMPTY,
    ) -> dict[str, str]:
        """The headers to send: those given, and `Host`, `X-Amz-Date`, the token's, and `Authorization`, which signs them all."""
        stamp = _stamp(now)
        sent = {**(headers or {}), "Host": urlsplit(url).netloc.rpartition("@")[2], "X-Amz-Date": stamp}
        if credentials.token:
            sent["X-Amz-Security-Token"] = credentials.token
        canonical, names = _canonical_headers(sent)
        request = self._canonical(method, url, urlsplit(url).query, canonical, names, body_hash)
        signature = self._signature(credentials, stamp, request)
        scope = f"{credentials.access_key}/{self._scope(stamp)}"
        sent["Authorization"] = f"{ALGORITHM} Credential={scope}, SignedHeaders={names}, Signature={signature}"
        return sent

    def presigned_url(
        self,
        credentials: AwsCredentials,
        method: str,
        url: str,
        *,
        now: datetime,
        expires_s: int = 300,
        body_hash: str = EMPTY,
    ) -> str:
        """The URL with the signature in its query, valid for so many seconds; only `Host` is signed of the headers."""
        parts = urlsplit(url)
        stamp = _stamp(now)
        added = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{credentials.access_key}/{self._scope(stamp)}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(expires_s),
            "X-Amz-SignedHeaders": "host",
        }
        if credentials.token:
            added["X-Amz-Security-Token"] = credentials.token
        own = "&".join(f"{_encode(name)}={_encode(value)}" for name, value in added.items())
        query = f"{parts.query}&{own}" if parts.query else own
        canonical, names = _canonical_headers({"Host": parts.netloc.rpartition("@")[2]})
        request = self._canonical(method, url, query, canonical, names, body_hash)
        signature = self._signature(credentials, stamp, request)
        return f"{parts.scheme}://{parts.netloc}{parts.path or '/'}?{query}&X-Amz-Signature={signature}"

    def signing_key(self, credentials: AwsCredentials, stamp: str) -> bytes:
        """The key for the day of a time stamp (`20150830T123600Z`); event streams sign each of their messages with it."""
        key = f"AWS4{credentials.secret_key}".encode()
        for part in (stamp[:8], self.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key

    def _scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"

    def _canonical(self, method: str, url: str, query: str, headers: str, names: str, body_hash: str) -> str:
        path = urlsplit(url).path or "/"
        # Every service but S3 has the path encoded once more than it is sent.
        encoded = path if self.service == "s3" else quote(path, safe=f"/{_UNRESERVED}")
        return "\n".join((method.upper(), encoded, _canonical_query(query), headers, names, body_hash))

    def _signature(self, credentials: AwsCredentials, stamp: str, request: str) -> str:
        hashed = hashlib.sha256(request.encode()).hexdigest()
        text = "\n".join((ALGORITHM, stamp, self._scope(stamp), hashed))
        return hmac.new(self.signing_key(credentials, stamp), text.encode(), "sha256").hexdigest()


def hash_of(body: bytes) -> str:
    """A body as signatures name it."""
    return hashlib.sha256(body).hexdigest()


def _stamp(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _encode(text: str) -> str:
    return quote(text, safe=_UNRESERVED)


def _canonical_query(query: str) -> str:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return "&".join(f"{name}={value}" for name, value in sorted(_encoded(pairs)))


def _encoded(pairs: Iterable[tuple[str, str, str]]) -> Iterable[tuple[str, str]]:
    return ((_encode(unquote(name)), _encode(unquote(value))) for name, _, value in pairs)


def _canonical_headers(headers: Mapping[str, str]) -> tuple[str, str]:
    lines = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    return "".join(f"{name}:{value}\n" for name, value in lines), ";".join(name for name, _ in lines)
