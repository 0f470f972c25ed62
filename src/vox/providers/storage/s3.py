"""Files in a bucket of S3 or of a service that speaks its protocol, through `obstore` (extra `s3`).

Clients never get the bucket's address from here: bytes pass through this server, which asks for permission each time. Uploads
of more than a part's size are multipart, and one that breaks is aborted, so no half object is ever seen.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store
from pydantic import SecretStr

from vox.errors import UsageError
from vox.providers.storage.contract import CHUNK_BYTES, checked_key, failed, missing

PART_BYTES: Final = 5 * 1024 * 1024
"""S3's smallest part."""
PARTS_AT_ONCE: Final = 2
DEADLINE: Final = "60s"
"""For one request to the service, a part at most."""


@dataclass(frozen=True, slots=True)
class Config:
    """The bucket; empty keys mean what the machine has, such as an instance's role."""

    bucket: str
    endpoint: str = ""
    access_key: SecretStr = field(default_factory=lambda: SecretStr(""))
    secret_key: SecretStr = field(default_factory=lambda: SecretStr(""))
    region: str = "us-east-1"


class S3Storage:
    """Keeps files as objects."""

    def __init__(self, config: Config) -> None:
        self._config = config
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
        is_plain = config.endpoint.startswith("http://")
        try:
            self._store = S3Store(
                config.bucket,
                client_options={"allow_http": is_plain, "timeout": DEADLINE, "connect_timeout": "10s"},
                retry_config={"max_retries": 2},
                **options,
            )
        except (BaseError, OSError, ValueError) as error:
            raise UsageError(
                "the S3 settings cannot be used",
                code="storage_unusable",
                hint="check VOX_S3_BUCKET, VOX_S3_ENDPOINT and VOX_S3_REGION",
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
