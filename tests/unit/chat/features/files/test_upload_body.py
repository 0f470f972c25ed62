"""The wire end of an upload on virtual time: who is silent or too slow is given up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest

from tests.fakes.loop import VirtualLoop
from vox.chat.api.request import Call
from vox.chat.config.settings import load_chat_settings
from vox.chat.errors import Refusal
from vox.chat.features.files.upload_body import GRACE_S, receive_upload
from vox.chat.storage.limits import UploadLimits

HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'


class _Login:
    user_id = 1


class _Chat:
    """As much of a chat server as an upload meets."""

    def __init__(self) -> None:
        self.upload_limits = UploadLimits(load_chat_settings({}, {"storage_backend": "s3"}).settings)
        self.config = self

    def allows_mime(self, kind: str, mime: str) -> bool:
        return True


def call_of(body: AsyncIterator[bytes]) -> Call[Any, Any]:
    async def receive() -> Any:
        piece = await anext(body, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    scope = {"headers": [(b"content-type", b"multipart/form-data; boundary=b")], "method": "POST"}
    return Call(cast("Any", _Chat()), scope, cast("Any", receive), cast("Any", _Login()), {})


async def upload(body: AsyncIterator[bytes]) -> bytes:
    async with receive_upload(call_of(body), field="file", kind="file", max_bytes=1_000_000) as file:
        return b"".join([piece async for piece in file.pieces()])


def drip(pause_s: float, piece: bytes, times: int, sleep: Callable[[float], Awaitable[None]]) -> AsyncIterator[bytes]:
    async def pieces() -> AsyncIterator[bytes]:
        yield HEAD
        for _ in range(times):
            await sleep(pause_s)
            yield piece
        yield b"\r\n--b--\r\n"

    return pieces()


async def test_slow_body_is_given_up(virtual_loop: VirtualLoop):
    began_s = virtual_loop.time()
    with pytest.raises(Refusal) as error:
        await upload(drip(1, b"x", 10_000, asyncio.sleep))
    assert error.value.status == 408
    assert virtual_loop.time() - began_s == pytest.approx(GRACE_S, abs=2)


async def test_silent_body_is_given_up(virtual_loop: VirtualLoop):
    with pytest.raises(Refusal) as error:
        await upload(drip(10_000, b"x", 1, asyncio.sleep))
    assert error.value.status == 408


async def test_slow_network_has_its_time(virtual_loop: VirtualLoop):
    assert len(await upload(drip(1, b"x" * 4000, 200, asyncio.sleep))) == 800_000
