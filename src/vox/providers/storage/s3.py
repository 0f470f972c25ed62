"""Files in a bucket of S3 or of a service that speaks its protocol, through `obstore` (extra `s3`).

Clients never get the bucket's address from here: bytes pass through this server, which asks for permission each time. Uploads
of more than a part's size are multipart, and one that breaks is aborted, so no half object is ever seen.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store
from pydantic import SecretStr

from vox.errors import DependencyError, UsageError, VoxError
from vox.providers.storage.contract import CHUNK_BYTES, checked_key, checked_path, failed, missing

PART_BYTES: Final = 5 * 1024 * 1024
"""S3's smallest part."""
PARTS_AT_ONCE: Final = 2
DEADLINE: Final = "60s"
"""For one request to the service, a part at most."""
_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>")
_TRANSIENT: Final = frozenset({"408", "429"})
_REGION: Final = re.compile(r"redirect|AuthorizationHeaderMalformed|IllegalLocationConstraint", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SettingNames:
    """What the operator calls the settings, for messages."""

    bucket: str = "VOX_S3_BUCKET"
    endpoint: str = "VOX_S3_ENDPOINT"
    region: str = "VOX_S3_REGION"
    access_key: str = "VOX_S3_ACCESS_KEY"
    secret_key: str = "VOX_S3_SECRET_KEY"  # noqa: S105  a name


@dataclass(frozen=True, slots=True)
class Config:
    """The bucket; empty keys mean what the machine has, such as an instance's role.

    `retries` are those of one request, before the caller hears of a failure; `names` are those of
    the settings, where they are not the chat server's.
    """

    bucket: str
    endpoint: str = ""
    access_key: SecretStr = field(default_factory=lambda: SecretStr(""))
    secret_key: SecretStr = field(default_factory=lambda: SecretStr(""))
    session_token: SecretStr = field(default_factory=lambda: SecretStr(""))
    region: str = "us-east-1"
    retries: int = 2
    names: Mapping[str, str] = field(default_factory=dict[str, str])


class S3Storage:
    """Keeps files as objects."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._names = SettingNames(**config.names)
        self._store: S3Store | None = None

    def prepare(self) -> None:
        """Builds the client; sends no request yet."""
        config = self._config
        options: dict[str, Any] = {"region": config.region}
        if config.endpoint:
            options["endpoint"] = config.endpoint
        if config.access_key.get_secret_value():
            options["access_key_id"] = config.access_key.get_secret_value()
            options["secret_access_key"] = config.secret_key.get_secret_value()
        if config.session_token.get_secret_value():
            options["session_token"] = config.session_token.get_secret_value()
        is_plain = config.endpoint.startswith("http://")
        try:
            self._store = S3Store(
                config.bucket,
                client_options={"allow_http": is_plain, "timeout": DEADLINE, "connect_timeout": "10s"},
                retry_config={"max_retries": config.retries},
                **options,
            )
        except (BaseError, OSError, ValueError) as error:
            raise UsageError(
                "the S3 settings cannot be used",
                code="storage_unusable",
                hint=f"check {self._names.bucket}, {self._names.endpoint} and {self._names.region}",
            ) from error

    async def put(self, key: str, body: AsyncIterator[bytes], *, content_type: str) -> int:
        """Stores an object."""
        written = 0
        problem: BaseException | None = None

        async def counted() -> AsyncIterator[bytes]:
            nonlocal written, problem
            try:
                async for piece in body:
                    written += len(piece)
                    yield piece
            except Exception as error:  # whatever it is: obstore wraps it in its own, and the caller is told the first
                problem = error
                raise

        path = checked_key(key)
        # An empty object has no parts, so the service would refuse it as a multipart upload.
        first = b""
        async for piece in body:
            if piece:
                first = piece
                break
        source = _joined(first, counted())
        try:
            if not first:
                await obstore.put_async(self._bucket, path, b"", attributes={"Content-Type": content_type})
                return 0
            written += len(first)
            await obstore.put_async(
                self._bucket,
                path,
                source,
                attributes={"Content-Type": content_type},
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
        except (BaseError, OSError, ValueError) as error:
            if problem is not None:
                raise problem from None
            raise failed("Storing", key) from error
        return written

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Reads an object piece by piece."""
        path = checked_key(key)
        try:
            if (end is not None and end <= start) or start >= await self.size(key):
                return
            span: Any = (start, end) if end is not None else {"offset": start}
            options: Any = {} if start == 0 and end is None else {"range": span}
            result = await obstore.get_async(self._bucket, path, options=options)
            async for piece in result.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(piece)
        except FileNotFoundError:
            raise missing(key) from None
        except (BaseError, OSError, ValueError) as error:
            raise failed("Reading", key) from error

    async def delete(self, key: str) -> None:
        """Deletes an object."""
        path = checked_key(key)
        try:
            await obstore.delete_async(self._bucket, path)
        except FileNotFoundError:
            return
        except (BaseError, OSError, ValueError) as error:
            raise failed("Deleting", key) from error

    async def size(self, key: str) -> int:
        """Size in bytes."""
        path = checked_key(key)
        try:
            return (await obstore.head_async(self._bucket, path))["size"]
        except FileNotFoundError:
            raise missing(key) from None
        except (BaseError, OSError, ValueError) as error:
            raise failed("Measuring", key) from error

    async def put_file(self, path: str, file: Path, *, content_type: str) -> None:
        """Stores an object from a file, which is read part by part in threads of the library."""
        attributes = {"Content-Type": content_type}
        checked_path(path)
        try:
            await obstore.put_async(
                self._bucket, path, file, attributes=attributes, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
            )
        except (BaseError, OSError, ValueError) as error:
            raise self._failure(error, path) from None  # the library's text holds what was signed

    async def probe(self, path: str) -> None:
        """Stores a small object."""
        checked_path(path)
        try:
            await obstore.put_async(self._bucket, path, b"ok", attributes={"Content-Type": "text/plain"})
        except (BaseError, OSError, ValueError) as error:
            raise self._failure(error, path) from None

    def _failure(self, error: Exception, path: str) -> VoxError:
        """What the service's refusal means for the operator; anything else is worth a retry."""
        text, config, names = str(error), self._config, self._names
        status, code = _STATUS.search(text), _CODE.search(text)
        where = f"the bucket {config.bucket!r} at {config.endpoint or 'S3'}"
        why = code.group(1) if code else f"status {status.group(1)}" if status else ""
        if why == "NoSuchBucket":
            return UsageError(
                f"{where} does not exist",
                code="storage_refused",
                hint=f"make it, or name one that exists in {names.bucket}",
            )
        if _REGION.search(text):
            return UsageError(
                f"{where} is not in the region {config.region}",
                code="storage_refused",
                hint=f"set {names.region} to the bucket's region",
            )
        if status and status.group(1).startswith("4") and status.group(1) not in _TRANSIENT:
            return UsageError(
                f"{where} refuses to store {path} ({why})",
                code="storage_refused",
                hint=f"check the access key, the secret key ({names.access_key}, {names.secret_key}) and that they may do s3:PutObject there",
            )
        if "169.254." in text:
            return UsageError(
                f"there are no credentials for {where}",
                code="storage_refused",
                hint=f"set {names.access_key} and {names.secret_key}, or give the machine a profile or a role",
            )
        what = f"answers {why}" if why else "does not answer"
        return DependencyError(f"{where} {what}, so {path} is not stored", code="storage_failed", retryable=True)

    @property
    def _bucket(self) -> S3Store:
        if self._store is None:
            raise UsageError("the storage s3 was not prepared", code="storage_unusable")
        return self._store


def create(config: Config) -> S3Storage:
    """The driver of that configuration."""
    return S3Storage(config)


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
