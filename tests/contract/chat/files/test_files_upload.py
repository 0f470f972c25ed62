"""Uploading and downloading, as members see it."""

import errno
import hashlib
import os
import re

import pytest
from sqlalchemy import delete

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_files import a_feed, let_everybody_attach, upload
from vox.chat.database.schema import feeds
from vox.chat.features.files import upload_body


@pytest.fixture
async def alice(chat: Rig) -> Person:
    return await chat.register("alice")


@pytest.fixture
async def feed(alice: Person) -> int:
    return await a_feed(alice)


async def test_upload_answers_what_the_original_answered(alice, feed):
    reply = await upload(alice, f"/feeds/{feed}/files")
    assert reply.status_code == 201
    body = reply.json()
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", body["file_id"])
    assert isinstance(body.pop("created_at"), int)
    assert body == {
        "file_id": body["file_id"], "name": "note.txt", "size": 5, "mime": "text/plain",
        "url": f"/api/v1/files/{body['file_id']}", "uploader_id": alice.user_id, "width": None, "height": None,
    }  # fmt: skip


async def test_download_is_an_attachment_with_the_stored_type(alice, feed):
    file = (await upload(alice, f"/feeds/{feed}/files", name="Grüße & mehr.txt")).json()
    reply = await alice.get(f"/files/{file['file_id']}")
    assert reply.status_code == 200
    assert reply.content == b"hello"
    assert reply.headers["content-type"] == "text/plain"
    assert reply.headers["content-length"] == "5"
    assert (
        reply.headers["content-disposition"]
        == "attachment; filename=\"Gru_e & mehr.txt\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%26%20mehr.txt"
    )
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert reply.headers["cache-control"] == "private, no-store"


async def test_large_file_comes_back_byte_for_byte(alice, feed):
    content = os.urandom(3_000_000)
    file = (await upload(alice, f"/feeds/{feed}/files", content, "big.bin", "application/octet-stream")).json()
    assert file["size"] == len(content)
    reply = await alice.get(f"/files/{file['file_id']}")
    assert hashlib.sha256(reply.content).digest() == hashlib.sha256(content).digest()


async def test_empty_file(alice, feed):
    file = (await upload(alice, f"/feeds/{feed}/files", b"")).json()
    assert file["size"] == 0
    reply = await alice.get(f"/files/{file['file_id']}")
    assert (reply.status_code, reply.content) == (200, b"")


async def test_name_and_mime_of_the_form_win_over_the_part(alice, feed):
    reply = await upload(alice, f"/feeds/{feed}/files", b"\x01\x02", name="x", kind="text/plain", mime="audio/opus")
    assert reply.json()["mime"] == "audio/opus"
    named = await alice.call(
        "POST", f"/feeds/{feed}/files", files={"file": ("x", b"y", "text/plain")}, data={"name": "better.txt"}
    )
    assert named.json()["name"] == "better.txt"


async def test_bytes_win_over_what_the_client_says(alice, feed):
    reply = await upload(alice, f"/feeds/{feed}/files", b"%PDF-1.7 ...", kind="image/png", mime="image/png")
    assert reply.json()["mime"] == "application/pdf"


async def test_without_any_word_it_is_octets(alice, feed):
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n\x00\x01\r\n--b--\r\n'
    reply = await alice.call(
        "POST", f"/feeds/{feed}/files", content=body, headers={"content-type": "multipart/form-data; boundary=b"}
    )
    assert reply.json()["mime"] == "application/octet-stream"


async def test_needs_attach_files_in_that_feed(chat, alice, feed):
    bob = await chat.register("bob")
    assert (await upload(bob, f"/feeds/{feed}/files")).status_code == 201, "a new community lets its members"
    await alice.ok("PATCH", "/roles/1", {"permissions": 6443107123})
    refused = await upload(bob, f"/feeds/{feed}/files")
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "MISSING_PERMISSIONS"
    await let_everybody_attach(alice)
    assert (await upload(bob, f"/feeds/{feed}/files")).status_code == 201


async def test_upload_into_a_feed_that_is_not_there(alice):
    reply = await upload(alice, "/feeds/99/files")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "SPACE_NOT_FOUND")


async def test_upload_into_a_feed_that_is_deleted_while_the_file_comes(chat, alice, feed):
    await chat.chat.database.write(lambda connection: connection.execute(delete(feeds)).rowcount)
    reply = await upload(alice, f"/feeds/{feed}/files")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "SPACE_NOT_FOUND")


async def test_form_without_a_file(alice, feed):
    reply = await alice.call("POST", f"/feeds/{feed}/files", files={"other": ("x", b"y", "text/plain")})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


async def test_too_large_is_413(alice, feed):
    await alice.ok("PATCH", "/server/limits", {"limits": {"file_upload_max_bytes": 100}})
    assert (await upload(alice, f"/feeds/{feed}/files", b"x" * 100)).status_code == 201
    reply = await upload(alice, f"/feeds/{feed}/files", b"x" * 101)
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")


async def test_dm_files_are_for_participants(chat, alice):
    bob, eve = await chat.register("bob"), await chat.register("eve")
    dm = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    file = (await upload(alice, f"/dms/{dm}/files")).json()
    refused = await upload(eve, f"/dms/{dm}/files")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "NOT_DM_PARTICIPANT")
    await alice.ok("POST", f"/dms/{dm}/messages", {"body": "look", "attachments": [file["file_id"]]})
    assert (await bob.get(f"/files/{file['file_id']}")).status_code == 200
    assert (await eve.get(f"/files/{file['file_id']}")).status_code == 403


async def test_unattached_files_are_for_their_uploader_only(chat, alice, feed):
    await let_everybody_attach(alice)
    bob = await chat.register("bob")
    file = (await upload(bob, f"/feeds/{feed}/files")).json()
    assert (await bob.get(f"/files/{file['file_id']}")).status_code == 200
    refused = await alice.get(f"/files/{file['file_id']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")


async def test_attached_files_are_for_who_views_the_feed(chat, alice, feed):
    bob = await chat.register("bob")
    file = (await upload(alice, f"/feeds/{feed}/files")).json()
    message = await alice.ok("POST", f"/feeds/{feed}/messages", {"body": "", "attachments": [file["file_id"]]})
    assert (await bob.get(f"/files/{file['file_id']}")).status_code == 200
    history = await bob.ok("GET", f"/feeds/{feed}/messages")
    assert history["messages"][0]["attachments"][0]["file_id"] == file["file_id"]
    await alice.ok("PUT", f"/feeds/{feed}/permissions/role/1", {"allow": 0, "deny": 1})
    assert (await bob.get(f"/files/{file['file_id']}")).status_code == 403
    assert (await alice.get(f"/files/{file['file_id']}")).status_code == 200
    assert message["msg_id"]


async def test_unknown_file_is_404_and_without_token_422(chat, alice):
    reply = await alice.get("/files/nothing")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "FILE_NOT_FOUND")
    bare = await chat.http.get("/api/v1/files/nothing")
    assert (bare.status_code, bare.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    wrong = await chat.http.get("/api/v1/files/nothing", headers={"authorization": "Bearer nonsense"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "AUTH_EXPIRED")


async def test_ranges(alice, feed):
    file = (await upload(alice, f"/feeds/{feed}/files", b"0123456789")).json()
    path = f"/files/{file['file_id']}"

    async def part(value: str, **headers: str):
        reply = await alice.call("GET", path, headers={"range": value, **headers})
        return reply.status_code, reply.content, reply.headers.get("content-range")

    assert await part("bytes=2-4") == (206, b"234", "bytes 2-4/10")
    assert await part("bytes=7-") == (206, b"789", "bytes 7-9/10")
    assert await part("bytes=-3") == (206, b"789", "bytes 7-9/10")
    assert await part("bytes=5-999") == (206, b"56789", "bytes 5-9/10")
    status, _, told = await part("bytes=10-")
    assert (status, told) == (416, "bytes */10")
    assert await part("bytes=0-1,3-4") == (200, b"0123456789", None)
    assert await part("bytes=4-2") == (200, b"0123456789", None)
    assert await part("bytes=2-4", **{"if-range": '"another"'}) == (200, b"0123456789", None)
    assert (await part("bytes=2-4", **{"if-range": f'"{file["file_id"]}"'}))[0] == 206


async def test_head_and_etag(alice, feed):
    file = (await upload(alice, f"/feeds/{feed}/files", b"0123456789")).json()
    path = f"/files/{file['file_id']}"
    head = await alice.call("HEAD", path)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "10", b"")
    again = await alice.call("GET", path, headers={"if-none-match": head.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_delete_is_for_the_uploader_and_for_moderators(chat, alice, feed):
    await let_everybody_attach(alice)
    bob, eve = await chat.register("bob"), await chat.register("eve")
    file = (await upload(bob, f"/feeds/{feed}/files")).json()
    refused = await eve.delete(f"/files/{file['file_id']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert (await bob.delete(f"/files/{file['file_id']}")).status_code == 204
    other = (await upload(bob, f"/feeds/{feed}/files")).json()
    assert (await alice.delete(f"/files/{other['file_id']}")).status_code == 204
    assert (await alice.delete(f"/files/{other['file_id']}")).status_code == 404
    entries = (await alice.ok("GET", "/audit-log", event_type="file.delete"))["entries"]
    assert [entry["target_id"] for entry in entries] == [bob.user_id]
    assert entries[0]["metadata"]["file_id"] == other["file_id"]


async def test_deleting_a_file_takes_it_off_its_message_and_off_the_disk(chat, alice, feed, tmp_path):
    file = (await upload(alice, f"/feeds/{feed}/files", b"secret")).json()
    await alice.ok("POST", f"/feeds/{feed}/messages", {"body": "x", "attachments": [file["file_id"]]})
    assert (await alice.delete(f"/files/{file['file_id']}")).status_code == 204
    reply = await alice.get(f"/files/{file['file_id']}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "FILE_NOT_FOUND")
    history = await alice.ok("GET", f"/feeds/{feed}/messages")
    assert history["messages"][0]["attachments"] == []
    assert [path for path in (tmp_path / "uploads").rglob("*") if path.is_file()] == []


async def test_deleting_a_message_revokes_its_files_at_once(alice, feed):
    """The public report against Stoat: links to attachments outlived the message."""
    file = (await upload(alice, f"/feeds/{feed}/files")).json()
    message = await alice.ok("POST", f"/feeds/{feed}/messages", {"body": "x", "attachments": [file["file_id"]]})
    await alice.ok("DELETE", f"/feeds/{feed}/messages/{message['msg_id']}")
    assert (await alice.get(f"/files/{file['file_id']}")).status_code == 404


async def test_bulk_delete_revokes_too(alice, feed):
    file = (await upload(alice, f"/feeds/{feed}/files")).json()
    message = await alice.ok("POST", f"/feeds/{feed}/messages", {"body": "x", "attachments": [file["file_id"]]})
    await alice.ok("POST", f"/feeds/{feed}/messages/bulk-delete", {"msg_ids": [message["msg_id"]]})
    assert (await alice.get(f"/files/{file['file_id']}")).status_code == 404


async def test_a_file_whose_bytes_somebody_deleted_is_404(alice, feed, tmp_path):
    file = (await upload(alice, f"/feeds/{feed}/files")).json()["file_id"]
    for path in (tmp_path / "uploads").rglob(file):
        path.unlink()
    reply = await alice.get(f"/files/{file}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "FILE_NOT_FOUND")


async def test_an_upload_that_the_disk_has_no_room_for_is_told_so(alice, feed, monkeypatch):
    async def full(*_written):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(upload_body, "_write", full)
    reply = await upload(alice, f"/feeds/{feed}/files")
    assert (reply.status_code, reply.json()["error"]["code"]) == (507, "INSUFFICIENT_STORAGE")
    assert int(reply.headers["retry-after"]) > 0
