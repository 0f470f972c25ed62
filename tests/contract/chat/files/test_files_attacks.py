"""Uploads and downloads by an attacker. Each test is one attack, and it fails."""

import asyncio
import io
import re
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from PIL import Image

from tests.contract.chat.harness import API, Person, Rig, community
from tests.contract.chat.helpers_files import a_feed, let_everybody_attach, upload
from vox.chat.features.files import cleanup
from vox.chat.features.files.cleanup import delete_orphaned_files
from vox.chat.storage import limits as desks

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"


@pytest.fixture
async def alice(chat: Rig) -> Person:
    return await chat.register("alice")


@pytest.fixture
async def feed(alice: Person) -> int:
    return await a_feed(alice)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, format=kind, **options)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


async def raw_upload(person: Person, feed: int, body, boundary: str = "b", **headers: str):
    kind = {"content-type": f"multipart/form-data; boundary={boundary}", **headers}
    return await person.call("POST", f"/feeds/{feed}/files", content=body, headers=kind)


def part(name: str, content: bytes = b"x", extra: bytes = b"") -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n'.encode()
    return head + extra + b"\r\n" + content + b"\r\n"


async def assert_kept_as_a_file(alice, feed, content: bytes, name: str) -> None:
    reply = await upload(alice, f"/feeds/{feed}/files", content, name, "image/png")
    assert (reply.status_code, reply.json()["mime"]) == (201, "application/octet-stream")
    got = await alice.get(reply.json()["url"].removeprefix("/api/v1"))
    assert (got.content, got.headers["content-type"]) == (content, "application/octet-stream")


async def test_png_bomb_is_kept_as_a_file_without_being_decoded(alice, feed):
    await assert_kept_as_a_file(alice, feed, png_of(60_000, 60_000), "bomb.png")


async def test_damaged_picture_is_kept_as_a_file(alice, feed):
    whole = encoded(Image.effect_noise((200, 200), 80), "JPEG")
    await assert_kept_as_a_file(alice, feed, whole[: len(whole) // 2], "cut.jpg")


async def test_what_cannot_be_rewritten_is_refused_where_such_files_are_not_allowed(chat, alice, feed, monkeypatch):
    config = chat.chat.config
    allows = config.allows_mime
    monkeypatch.setattr(config, "allows_mime", lambda kind, mime: mime.startswith("image/") and allows(kind, mime))
    reply = await upload(alice, f"/feeds/{feed}/files", png_of(60_000, 60_000), "bomb.png", "image/png")
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")


async def test_gif_with_too_many_frames_is_kept_as_a_file(alice, feed):
    frames = [Image.new("L", (2, 2), index % 256) for index in range(600)]
    bomb = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=10)
    await assert_kept_as_a_file(alice, feed, bomb, "bomb.gif")


async def test_png_text_bomb_is_taken_out_and_never_unpacked(alice, feed):
    text = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    whole = encoded(Image.new("RGB", (4, 4)), "PNG")
    bomb = whole[:33] + chunk(b"zTXt", text) + whole[33:]
    reply = await upload(alice, f"/feeds/{feed}/files", bomb, "bomb.png", "image/png")
    assert (reply.status_code, reply.json()["mime"]) == (201, "image/png")
    assert b"zTXt" not in (await alice.get(reply.json()["url"].removeprefix("/api/v1"))).content


async def test_zip_bomb_is_stored_and_never_unpacked(alice, feed):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../zeros", bytes(50_000_000))
    file = (await upload(alice, f"/feeds/{feed}/files", out.getvalue(), "x.zip", "application/zip")).json()
    assert (file["mime"], file["size"]) == ("application/zip", len(out.getvalue()))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
async def test_polyglot_loses_what_stands_behind_the_picture(alice, feed, kind):
    polyglot = encoded(Image.new("RGB", (8, 8), "red"), kind) + b"PK\x03\x04" + HTML
    file = (await upload(alice, f"/feeds/{feed}/files", polyglot, "x", "text/html", mime="text/html")).json()
    assert file["mime"] == f"image/{kind.lower()}"
    content = (await alice.get(f"/files/{file['file_id']}")).content
    assert b"script" not in content
    assert b"PK\x03\x04" not in content
    assert Image.open(io.BytesIO(content)).size == (8, 8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_exif_and_gps_are_gone_and_the_picture_is_upright(alice, feed, kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "taken at home"
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 22.0, 0.0)}
    picture = encoded(Image.new("RGB", (60, 40), "blue"), kind, exif=exif)
    assert b"taken at home" in picture
    file = (await upload(alice, f"/feeds/{feed}/files", picture, "home.jpg", "image/jpeg")).json()
    content = (await alice.get(f"/files/{file['file_id']}")).content
    shown = Image.open(io.BytesIO(content))
    assert shown.size == (40, 60)
    assert not dict(shown.getexif())
    assert b"taken at home" not in content
    assert b"Exif" not in content


@pytest.mark.parametrize(("content", "mime"), [(SVG, "image/svg+xml"), (HTML, "text/html"), (b"<?xml version='1.0'?><a/>", "text/xml")])  # fmt: skip
async def test_markup_is_an_attachment_and_never_a_picture(alice, feed, content, mime):
    file = (await upload(alice, f"/feeds/{feed}/files", content, "x.png", "image/png", mime="image/png")).json()
    assert file["mime"] == mime
    reply = await alice.get(f"/files/{file['file_id']}")
    assert reply.headers["content-disposition"].startswith("attachment;")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in reply.headers["content-security-policy"]


NAMES = ["../../etc/passwd", "..\\..\\evil.exe", "/etc/ssh/id", "a\r\nSet-Cookie: x=1", 'a"; filename="b.exe', "a\0b",
         "\u202egnp.exe", "..", "%2e%2e%2fx", "x" * 5000]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
async def test_names_are_for_showing_only(chat, alice, feed, tmp_path, name):
    reply = await alice.call(
        "POST", f"/feeds/{feed}/files", files={"file": ("x", b"y", "text/plain")}, data={"name": name[:4000]}
    )
    assert reply.status_code == 201
    file = reply.json()
    assert not set(file["name"]) & set("/\\\r\n\0\u202e")
    assert 0 < len(file["name"]) <= 255
    got = await alice.get(f"/files/{file['file_id']}")
    assert "set-cookie" not in got.headers
    shown = r"attachment; filename=\"[ !#-$&-\[\]-~]+\"; filename\*=UTF-8''[A-Za-z0-9._~%-]+"
    assert re.fullmatch(shown, got.headers["content-disposition"])
    stored = [path for path in (tmp_path / "uploads").rglob("*") if path.is_file()]
    assert [path.name for path in stored] == [file["file_id"]]


@pytest.mark.parametrize("file_id", ["../config", "..%2f..%2fetc%2fpasswd", "%2e%2e", "a%00b", "x" * 5000, "%ff"])
async def test_ids_that_are_paths_find_nothing(alice, file_id):
    reply = await alice.get(f"/files/{file_id}")
    assert reply.status_code == 404


@pytest.mark.parametrize(
    "mime", ["text/html\r\nX: y", "no type", "a" * 300 + "/b", "text/html; charset=x", "/", "image/"]
)
async def test_a_mime_type_cannot_break_the_header(alice, feed, mime):
    file = (await upload(alice, f"/feeds/{feed}/files", b"\x01", "x", "audio/opus", mime=mime)).json()
    assert file["mime"] in {"audio/opus", "text/html"}
    assert (await alice.get(f"/files/{file['file_id']}")).headers["content-type"] == file["mime"]


HOSTILE_RANGES = [
    "bytes=" + ",".join("0-" for _ in range(5000)),
    "bytes=" + "0" * 7000 + "-",
    "bytes=--1",
    "bytes=-",
    "bytes=1-2-3",
    "items=0-1",
    "bytes=99999999999999999999999999999-",
    "bytes=\u0661-\u0662".encode("latin-1", "replace").decode(),
]


@pytest.mark.parametrize("header", HOSTILE_RANGES)
async def test_hostile_range_is_not_obeyed(alice, feed, header):
    """CVE-2025-62727."""
    file = (await upload(alice, f"/feeds/{feed}/files", b"0123456789")).json()
    reply = await alice.call("GET", f"/files/{file['file_id']}", headers={"range": header})
    assert (reply.status_code, reply.content) == (200, b"0123456789")


async def test_form_with_ten_thousand_parts_is_refused(alice, feed):
    """CVE-2024-52805."""
    body = b"".join(part(f"f{index}") for index in range(10_000)) + part("file") + b"--b--\r\n"
    reply = await raw_upload(alice, feed, body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


async def test_part_with_huge_headers_is_refused(alice, feed):
    reply = await raw_upload(alice, feed, part("file", extra=b"X-Long: " + b"a" * 1_000_000 + b"\r\n") + b"--b--\r\n")
    assert reply.status_code == 422
    many = b"".join(b"X-%d: 1\r\n" % index for index in range(1000))
    assert (await raw_upload(alice, feed, part("file", extra=many) + b"--b--\r\n")).status_code == 422


async def test_form_without_boundary_or_without_end_is_refused(alice, feed):
    for kind in (
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "text/plain",
        "multipart/mixed; boundary=b",
        "",
    ):
        reply = await alice.call(
            "POST", f"/feeds/{feed}/files", content=part("file") + b"--b--\r\n", headers={"content-type": kind}
        )
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "VALIDATION_ERROR"), kind
    assert (await raw_upload(alice, feed, part("file"))).status_code == 422
    assert (await raw_upload(alice, feed, b"garbage" * 1000)).status_code == 422
    long = await raw_upload(alice, feed, part("file"), boundary="x" * 5000)
    assert long.status_code == 422


async def test_two_files_in_one_form_are_refused(alice, feed):
    assert (await raw_upload(alice, feed, part("file") + part("file") + b"--b--\r\n")).status_code == 422


async def test_endless_chunked_body_is_cut_at_the_limit(alice, feed):
    """Chunked bodies went around the original's limit."""
    await alice.ok("PATCH", "/server/limits", {"limits": {"file_upload_max_bytes": 100_000}})
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        while True:
            sent += 10_000
            assert sent < 50_000_000, "nobody stopped it"
            yield b"x" * 10_000

    assert await _stalled(alice, feed, endless()) == 413
    assert sent <= 120_000


async def test_a_declared_length_above_the_limit_is_refused_unread(alice, feed):
    reply = await raw_upload(alice, feed, part("file"), **{"content-length": "999999999999"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")


async def test_file_id_cannot_be_used_by_somebody_else_or_somewhere_else(chat, alice, feed):
    """CVE-2026-4265: a file's id carried it past the right to upload, and into other teams."""
    await let_everybody_attach(alice)
    bob = await chat.register("bob")
    other = await a_feed(alice, "other")
    file = (await upload(alice, f"/feeds/{feed}/files")).json()["file_id"]
    await alice.ok("PUT", f"/feeds/{other}/permissions/role/1", {"allow": 0, "deny": 1 << 3})
    stolen = await bob.post(f"/feeds/{feed}/messages", {"body": "mine", "attachments": [file]})
    assert stolen.status_code in {400, 403}
    own = (await upload(bob, f"/feeds/{feed}/files")).json()["file_id"]
    moved = await bob.post(f"/feeds/{other}/messages", {"body": "past the right", "attachments": [own]})
    assert (moved.status_code, moved.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert (await bob.post(f"/feeds/{feed}/messages", {"body": "here", "attachments": [own]})).status_code == 201
    twice = await bob.post(f"/feeds/{feed}/messages", {"body": "again", "attachments": [own]})
    assert twice.status_code == 400


async def test_one_user_cannot_take_all_upload_turns(chat, alice, feed, monkeypatch):
    monkeypatch.setattr(desks, "UPLOADS_OF_ONE_USER", 1)
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield part("file")
        begun.set()
        await let_go.wait()
        yield b"--b--\r\n"

    first = asyncio.create_task(_stalled(alice, feed, slow()))
    await begun.wait()
    second = await upload(alice, f"/feeds/{feed}/files")
    assert (second.status_code, second.json()["error"]["code"]) == (429, "RATE_LIMITED")
    let_go.set()
    assert await first == 201
    assert (await upload(alice, f"/feeds/{feed}/files")).status_code == 201


async def test_sender_that_leaves_stores_nothing(alice, feed, tmp_path):
    async def cut() -> AsyncIterator[bytes | None]:
        yield part("file")
        yield None

    assert await _stalled(alice, feed, cut()) == 422
    assert [path for path in (tmp_path / "uploads").rglob("*") if path.is_file()] == []


async def test_quota_of_a_user_holds_over_uploads_at_once(database_url, tmp_path):
    async with community(database_url, tmp_path, user_quota_bytes=1000) as chat:
        alice = await chat.register("alice")
        feed = await a_feed(alice)
        replies = await asyncio.gather(*(upload(alice, f"/feeds/{feed}/files", b"x" * 400) for _ in range(4)))
        assert sorted(reply.status_code for reply in replies) == [201, 201, 413, 413]
        refused = next(reply for reply in replies if reply.status_code == 413)
        assert refused.json()["error"]["code"] == "QUOTA_EXCEEDED"
        kept = next(reply for reply in replies if reply.status_code == 201).json()
        await alice.ok("DELETE", f"/files/{kept['file_id']}")
        assert (await upload(alice, f"/feeds/{feed}/files", b"x" * 400)).status_code == 201


async def test_orphans_behind_a_whole_batch_of_shown_files_are_swept(chat, alice, feed, monkeypatch):
    monkeypatch.setattr(cleanup, "BATCH", 2)
    uploads = [(await upload(alice, f"/feeds/{feed}/files", b"x")).json() for _ in range(7)]
    by_id = sorted(uploads, key=lambda file: file["file_id"])
    shown, orphans = by_id[:4], by_id[4:]
    people = [alice, *[await chat.register(name) for name in ("bob", "carol", "dave")]]
    for person, file in zip(people, shown, strict=True):
        await person.ok("PATCH", f"/users/{person.user_id}", {"avatar": file["url"]})
    now = chat.chat.clock.wall()
    assert await delete_orphaned_files(chat.chat, now + timedelta(hours=25)) == len(orphans)
    assert await delete_orphaned_files(chat.chat, now + timedelta(hours=25)) == 0


async def test_orphans_are_swept_and_what_is_shown_stays(chat, alice, feed, tmp_path):
    orphan = (await upload(alice, f"/feeds/{feed}/files", b"orphan")).json()["file_id"]
    kept = (await upload(alice, f"/feeds/{feed}/files", b"kept")).json()["file_id"]
    gone = (await upload(alice, f"/feeds/{feed}/files", b"gone")).json()["file_id"]
    avatar = (await upload(alice, f"/feeds/{feed}/files", b"avatar")).json()
    await alice.ok("PATCH", f"/users/{alice.user_id}", {"avatar": avatar["url"]})
    await alice.ok("POST", f"/feeds/{feed}/messages", {"body": "x", "attachments": [kept]})
    message = await alice.ok("POST", f"/feeds/{feed}/messages", {"body": "x", "attachments": [gone]})
    await alice.ok("DELETE", f"/feeds/{feed}/messages/{message['msg_id']}")
    now = chat.chat.clock.wall()
    assert await delete_orphaned_files(chat.chat, now) == 0
    assert await delete_orphaned_files(chat.chat, now + timedelta(hours=3)) == 1
    assert await delete_orphaned_files(chat.chat, now + timedelta(hours=25)) == 1
    assert (await alice.get(f"/files/{orphan}")).status_code == 404
    assert (await alice.get(f"/files/{kept}")).status_code == 200
    stored = {path.name for path in (tmp_path / "uploads").rglob("*") if path.is_file()}
    assert stored == {kept, avatar["file_id"]}


async def test_uploads_are_readable_by_this_user_only(alice, feed, tmp_path):
    """CVE-2026-3113."""
    await upload(alice, f"/feeds/{feed}/files", b"secret")
    paths = [tmp_path / "uploads", *(tmp_path / "uploads").rglob("*")]
    assert all(path.stat().st_mode & 0o077 == 0 for path in paths)


async def _stalled(person: Person, feed: int, body: AsyncIterator[bytes | None]) -> int:
    """An upload whose pieces come when the test says; None is the sender leaving. Answers the status."""
    answer: list[int] = []

    async def receive():
        try:
            piece = await anext(body)
        except StopAsyncIteration:
            return {"type": "http.request", "body": b"", "more_body": False}
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message):
        if message["type"] == "http.response.start":
            answer.append(message["status"])

    path = f"{API}/feeds/{feed}/files"
    headers = [
        (b"authorization", f"Bearer {person.token}".encode()),
        (b"content-type", b"multipart/form-data; boundary=b"),
    ]
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers,
        "client": ("127.0.0.1", 1),
    }  # fmt: skip
    await person.rig.app(scope, receive, send)
    return answer[0]


async def test_sending_and_deleting_a_file_at_once_leaves_no_half(alice, feed):
    """CVE-2026-4635 was a crash in such a race."""
    for _ in range(8):
        file = (await upload(alice, f"/feeds/{feed}/files")).json()["file_id"]
        sent, deleted, again = await asyncio.gather(
            alice.post(f"/feeds/{feed}/messages", {"body": "race", "attachments": [file]}),
            alice.delete(f"/files/{file}"),
            alice.delete(f"/files/{file}"),
        )
        assert sent.status_code in {201, 400}
        assert sorted([deleted.status_code, again.status_code]) == [204, 404]
        assert (await alice.get(f"/files/{file}")).status_code == 404
    history = (await alice.ok("GET", f"/feeds/{feed}/messages"))["messages"]
    assert all(message["attachments"] == [] for message in history)


async def test_taking_one_name_at_once_is_given_to_one(alice, tmp_path):
    replies = await asyncio.gather(
        *(
            alice.call(
                "POST",
                "/emoji",
                files={"image": ("x", encoded(Image.new("L", (2, 2)), "PNG"), "")},
                data={"name": "one"},
            )
            for _ in range(4)
        )
    )
    assert sorted(reply.status_code for reply in replies) == [201, 409, 409, 409]
    assert len([path for path in (tmp_path / "uploads").rglob("*") if path.is_file()]) == 1


async def test_moderator_of_one_feed_is_none_in_another(chat, alice, feed):
    await let_everybody_attach(alice)
    bob, eve = await chat.register("bob"), await chat.register("eve")
    other = await a_feed(alice, "other")
    await alice.ok("PUT", f"/feeds/{other}/permissions/user/{eve.user_id}", {"allow": 1 << 35, "deny": 0})
    here = (await upload(bob, f"/feeds/{feed}/files")).json()["file_id"]
    there = (await upload(bob, f"/feeds/{other}/files")).json()["file_id"]
    assert (await eve.delete(f"/files/{here}")).status_code == 403
    assert (await eve.delete(f"/files/{there}")).status_code == 204
