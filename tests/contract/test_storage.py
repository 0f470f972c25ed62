"""What every place for files promises, run over every driver there is; S3 against a real server in a process of its own."""

import asyncio
import importlib
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.fakes.s3_server import BUCKET, running_s3
from tests.require import require
from vox.errors import DependencyError, UsageError, VoxError
from vox.providers.storage.contract import FileStorage, Storage
from vox.providers.storage.opening import names, open_driver

KEY = SecretStr("key")
SIX_MIB = os.urandom(6 * 1024 * 1024)
"""More than one part of a multipart upload."""


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    """The address of an S3 server with an empty bucket."""
    with running_s3() as server:
        yield server.address


@pytest.fixture(params=names())
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return open_driver("local", {"path": str(tmp_path / "files")})
    options: dict[str, Any] = {
        "bucket": BUCKET, "endpoint": request.getfixturevalue("s3_address"), "access_key": KEY, "secret_key": KEY
    }  # fmt: skip
    return open_driver(request.param, options)


async def given(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(storage: Storage, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in storage.open(key, start, end)])


async def test_what_was_put_is_read(storage):
    assert await storage.put("first_-1", given(b"", b"abc", b"", b"def"), content_type="text/plain") == 6
    assert await storage.size("first_-1") == 6
    assert await read(storage, "first_-1") == b"abcdef"


async def test_large_files_pass_in_pieces(storage):
    pieces = [SIX_MIB[at : at + 100_000] for at in range(0, len(SIX_MIB), 100_000)]
    assert await storage.put("large", given(*pieces), content_type="application/zip") == len(SIX_MIB)
    got = [piece async for piece in storage.open("large")]
    assert b"".join(got) == SIX_MIB
    assert len(got) > 1
    assert max(map(len, got)) < len(SIX_MIB)


async def test_empty_file(storage):
    assert await storage.put("empty", given(), content_type="text/plain") == 0
    assert await storage.size("empty") == 0
    assert await read(storage, "empty") == b""


@pytest.mark.parametrize(
    ("start", "end", "expected"), [(0, 1, b"0"), (3, 7, b"3456"), (8, None, b"89"), (9, 99, b"9"), (10, None, b""), (4, 4, b"")]
)  # fmt: skip
async def test_part_of_a_file(storage, start, end, expected):
    await storage.put("digits", given(b"0123456789"), content_type="text/plain")
    assert await read(storage, "digits", start, end) == expected


async def test_put_replaces(storage):
    await storage.put("again", given(b"long text"), content_type="text/plain")
    await storage.put("again", given(b"new"), content_type="text/plain")
    assert await read(storage, "again") == b"new"


async def test_deleted_files_are_gone_and_deleting_twice_is_no_error(storage):
    await storage.put("gone", given(b"x"), content_type="text/plain")
    await storage.delete("gone")
    await storage.delete("gone")
    with pytest.raises(UsageError) as error:
        await storage.size("gone")
    assert error.value.code == "file_not_stored"
    with pytest.raises(UsageError) as error:
        await read(storage, "gone")
    assert error.value.code == "file_not_stored"


async def test_a_body_that_breaks_leaves_nothing(storage):
    async def broken() -> AsyncIterator[bytes]:
        yield SIX_MIB
        raise DependencyError("the sender left", code="sender_left")

    with pytest.raises(VoxError) as error:
        await storage.put("broken", broken(), content_type="text/plain")
    assert error.value.code == "sender_left"
    with pytest.raises(UsageError):
        await storage.size("broken")


async def test_a_cancelled_put_leaves_nothing(storage):
    entered = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"first"
        entered.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(storage.put("cancelled", endless(), content_type="text/plain"))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(UsageError):
        await storage.size("cancelled")


KEYS_THAT_ARE_PATHS = ["../etc/passwd", "a/b", "..", ".", "", "a\\b", "/root", "a\0b", "a\nb", "ä", "x" * 129, "a.b"]


@pytest.mark.parametrize("key", KEYS_THAT_ARE_PATHS)
async def test_path_traversal_in_keys_is_refused(storage, key):
    for call in (
        lambda: storage.put(key, given(b"x"), content_type="text/plain"),
        lambda: storage.size(key),
        lambda: storage.delete(key),
        lambda: read(storage, key),
    ):
        with pytest.raises(UsageError) as error:
            await call()
        assert error.value.code == "invalid_storage_key"


@pytest.fixture
def files(storage: Storage) -> Any:
    """The same driver, as one that keeps whole files under paths."""
    return storage


def stored(request: pytest.FixtureRequest, tmp_path: Path, path: str) -> bytes:
    """What lies under a path, read without our driver."""
    if "s3" not in request.node.name:
        return (tmp_path / "files" / path).read_bytes()
    address = request.getfixturevalue("s3_address")
    obstore: Any = importlib.import_module("obstore")
    store = obstore.store.S3Store(
        BUCKET, endpoint=address, access_key_id="key", secret_access_key="key", region="us-east-1",
        client_options={"allow_http": True},
    )  # fmt: skip
    return bytes(obstore.get(store, path).bytes())


async def test_a_whole_file_is_stored_under_its_path_and_replaces_an_earlier_one(files, tmp_path, request):
    source = tmp_path / "call.wav"
    for content in (SIX_MIB, b"short", b""):
        source.write_bytes(content)
        await files.put_file("recordings/2026/05/15/sess_1.wav", source, content_type="audio/wav")
        assert stored(request, tmp_path, "recordings/2026/05/15/sess_1.wav") == content
        assert source.read_bytes() == content


async def test_a_stored_file_does_not_change_with_its_source(files, tmp_path, request):
    source = tmp_path / "call.wav"
    source.write_bytes(b"first")
    await files.put_file("a/b.wav", source, content_type="audio/wav")
    source.unlink()
    assert stored(request, tmp_path, "a/b.wav") == b"first"


async def test_a_probe_proves_that_files_can_be_stored(files):
    await files.probe("recordings/.vox-check")


@pytest.mark.parametrize(
    "path", ["../up", "a//b", "/a", "a/", "", "a/../b", "a/./b", "a\\b", "a\0b", "ä", "x" * 1025, "a\nb"]
)
async def test_paths_that_lead_elsewhere_are_refused(files: FileStorage, tmp_path, path):
    source = tmp_path / "call.wav"
    source.touch()
    for attempt in (lambda: files.put_file(path, source, content_type="audio/wav"), lambda: files.probe(path)):
        with pytest.raises(UsageError) as error:
            await attempt()
        assert error.value.code == "invalid_storage_path"


async def test_a_local_file_of_another_file_system_is_copied(tmp_path, monkeypatch):
    def no_link(*_names: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_link)
    storage: Any = open_driver("local", {"path": str(tmp_path / "files")})
    (tmp_path / "call.wav").write_bytes(b"audio")
    await storage.put_file("2026/call.wav", tmp_path / "call.wav", content_type="audio/wav")
    stored_at = tmp_path / "files/2026/call.wav"
    assert stored_at.read_bytes() == b"audio"
    assert stat.S_IMODE(stored_at.stat().st_mode) == 0o600
    assert [path.name for path in stored_at.parent.iterdir()] == ["call.wav"]


async def test_what_a_bucket_refuses_is_told_with_the_remedy(tmp_path):
    with running_s3() as server:
        base: dict[str, Any] = {"endpoint": server.address, "access_key": KEY, "secret_key": KEY, "retries": 0}
        refused: dict[str, dict[str, Any]] = {"does not exist": {**base, "bucket": "no-such-bucket"}}
        if server.kind == "versitygw":  # moto takes every key
            refused["check the access key"] = {**base, "bucket": BUCKET, "secret_key": SecretStr("wrong-secret")}
        for words, options in refused.items():
            storage: Any = open_driver("s3", options)
            with pytest.raises(UsageError) as error:
                await storage.probe("recordings/.vox-check")
            assert error.value.code == "storage_refused"
            assert words in str(error.value)
            assert "wrong-secret" not in str(error.value)


async def test_local_files_are_private_and_no_part_is_left(tmp_path):
    storage = open_driver("local", {"path": str(tmp_path / "files")})
    await storage.put("secret", given(b"x"), content_type="text/plain")
    files = [path for path in (tmp_path / "files").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["secret"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "files").stat().st_mode) == 0o700


async def test_files_of_an_original_server_are_found_where_it_kept_them(tmp_path):
    (tmp_path / "old_file-1").write_bytes(b"from before")
    storage = open_driver("local", {"path": str(tmp_path)})
    assert await read(storage, "old_file-1", 5) == b"before"
    assert await storage.size("old_file-1") == 11
    await storage.delete("old_file-1")
    assert not (tmp_path / "old_file-1").exists()


def test_folder_that_cannot_be_written_is_told_at_the_start(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError) as error:
        open_driver("local", {"path": str(tmp_path / "file")})
    assert error.value.code == "storage_unusable"
    assert "VOX_STORAGE_PATH" in str(error.value)


async def test_a_bucket_that_does_not_answer_is_a_failure_worth_a_retry():
    require(find_spec("obstore") is not None, "obstore", "pip install '.[s3]'")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        storage = open_driver("s3", {"bucket": "b", "endpoint": address, "access_key": KEY, "secret_key": KEY})
        with pytest.raises(DependencyError) as error:
            await storage.put("key", given(b"x"), content_type="text/plain")
    assert error.value.code == "storage_failed"
    assert error.value.retryable


def test_missing_library_is_told_with_its_remedy(monkeypatch):
    monkeypatch.delitem(sys.modules, "vox.providers.storage.s3", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UsageError) as error:
        open_driver("s3", {"bucket": "b"})
    assert error.value.code == "provider_not_installed"
    assert ".[s3]" in str(error.value)


def test_unknown_driver_is_told_with_the_known_ones():
    with pytest.raises(UsageError) as error:
        open_driver("ftp", {})
    assert "local, s3" in str(error.value)
