"""A community whose files are in a bucket, against a real S3 server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.chat.harness import community
from tests.contract.chat.helpers_files import a_feed, create, upload
from tests.fakes.s3_server import BUCKET, s3_server
from vox.chat.features.files.cleanup import delete_orphaned_files


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One engine is enough: the rows are the same wherever the bytes are."""
    return f"sqlite+aiosqlite:///{tmp_path / 'vox.db'}"


def settings(address: str, **more: str) -> dict[str, Any]:
    return {
        "storage_backend": "s3", "s3_bucket": BUCKET, "s3_endpoint": address, "s3_access_key": "key", "s3_secret_key": "key",
        **more,
    }  # fmt: skip


async def test_files_go_to_the_bucket_and_come_through_the_server(database_url, tmp_path, s3_address):
    async with community(database_url, tmp_path, **settings(s3_address)) as chat:
        alice, bob = await chat.register("alice"), await chat.register("bob")
        feed = await a_feed(alice)
        file = (await upload(alice, f"/feeds/{feed}/files", b"0123456789" * 100_000)).json()
        assert file["url"] == f"/api/v1/files/{file['file_id']}"
        reply = await alice.call("GET", f"/files/{file['file_id']}", headers={"range": "bytes=5-8"})
        assert (reply.status_code, reply.content) == (206, b"5678")
        assert len((await alice.get(f"/files/{file['file_id']}")).content) == 1_000_000
        assert (await bob.get(f"/files/{file['file_id']}")).status_code == 403
        assert httpx2.head(f"{s3_address}/{BUCKET}/{file['file_id']}").status_code == 200
        await alice.ok("DELETE", f"/files/{file['file_id']}")
        assert httpx2.head(f"{s3_address}/{BUCKET}/{file['file_id']}").status_code == 404
    assert not (tmp_path / "uploads").exists()


async def test_public_address_is_for_emoji_only(database_url, tmp_path, s3_address):
    """A bucket that everybody reads knows no permissions: attachments keep coming through the server."""
    public = f"{s3_address}/{BUCKET}"
    async with community(database_url, tmp_path, **settings(s3_address, s3_public_url=f"{public}/")) as chat:
        alice = await chat.register("alice")
        feed = await a_feed(alice)
        file = (await upload(alice, f"/feeds/{feed}/files")).json()
        assert file["url"] == f"/api/v1/files/{file['file_id']}"
        one = (await create(alice, "/emoji", "party")).json()
        assert one["image"].startswith(f"{public}/public-")
        assert httpx2.get(one["image"]).headers["content-type"] == "image/png"
        await alice.ok("DELETE", f"/emoji/{one['emoji_id']}")
        assert httpx2.get(one["image"]).status_code == 404


async def test_bucket_that_fails_is_503_and_leaves_no_file(database_url, tmp_path, s3_address):
    wrong: dict[str, Any] = settings(s3_address) | {"s3_bucket": "no-such-bucket"}
    async with community(database_url, tmp_path, **wrong) as chat:
        alice = await chat.register("alice")
        feed = await a_feed(alice)
        reply = await upload(alice, f"/feeds/{feed}/files")
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "UNAVAILABLE")
        assert "bucket" not in reply.text
        assert await delete_orphaned_files(chat.chat, chat.chat.clock.wall()) == 0
