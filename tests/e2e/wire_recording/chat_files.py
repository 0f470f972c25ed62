"""Uploads, downloads, signed links, emoji and stickers."""

import struct
import zlib

from tests.e2e.wire_recording.chat_world import API, Part, Person
from tests.e2e.wire_recording.http_client import request
from tests.e2e.wire_recording.recording import Recording

MAX_BYTES = 4096
"""What the recorded server takes; its limit is set to this."""


def picture() -> bytes:
    """A red dot of 2 by 2 pixels as PNG."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))

    rows = zlib.compress(b"\0\xff\0\0\xff\0\0" * 2)
    header = struct.pack("!IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def files(recording: Recording, ada: Person, ben: Person) -> None:
    """All routes of files, emoji and stickers: `ada` is administrator, `ben` a member."""
    feed = ada.do("POST /feeds", {"name": "files", "type": "text"})["feed_id"]
    file_id = _uploads(ada, ben, feed)
    _downloads(recording, ada, ben, feed, file_id)
    _links(recording, ada, ben, feed, file_id)
    for kind in ("emoji", "stickers"):
        _custom_images(ada, ben, kind)
    ben.ask(f"DELETE /files/{file_id}", "another's")
    ada.ask(f"DELETE /files/{file_id}")
    ada.ask(f"DELETE /files/{file_id}", "again")


def _uploads(ada: Person, ben: Person, feed: int) -> str:
    text = Part("file", b"0123456789" * 10, "notes.txt", "text/plain")
    path = f"/feeds/{feed}/files"
    made = ada.upload(path, "a text", [text])
    ada.upload(path, "a picture, named", [Part("file", picture(), "../a.png"), Part("name", b"dot.png")])
    page = Part("file", b"<!doctype html><script>1</script>", "a.png", "image/png")
    ada.upload(path, "a page that calls itself a picture", [page])
    ada.upload(path, "a damaged picture", [Part("file", picture()[:40], "a.png", "image/png")])
    ada.upload(path, "too large", [Part("file", b"x" * (MAX_BYTES + 1), "a.bin")])
    ada.upload(path, "no file", [Part("name", b"x")])
    ada.ask(f"POST {path}", "no form", {"file": "x"})
    ada.ask(f"POST {path}", "no boundary", headers={"Content-Type": "multipart/form-data"})
    ben.upload(path, "without the permission", [text])
    ben.upload("/feeds/987654/files", "an unknown feed", [text])
    pair = ben.do("POST /dms", {"recipient_id": ada.user_id})["dm_id"]
    ben.upload(f"/dms/{pair}/files", "in a conversation", [text])
    ben.upload("/dms/987654/files", "an unknown conversation", [text])
    return made.json()["file_id"]


def _downloads(recording: Recording, ada: Person, ben: Person, feed: int, file_id: str) -> None:
    path = f"/files/{file_id}"
    ada.ask(f"GET {path}", "whole")
    ada.ask(f"HEAD {path}", "head")
    ben.ask(f"GET {path}", "on no message yet")
    ada.ask(f"POST /feeds/{feed}/messages", "with the file", {"attachments": [file_id]})
    ada.ask(f"POST /feeds/{feed}/messages", "the same file again", {"attachments": [file_id]})
    ben.ask(f"GET /feeds/{feed}/messages", "a file")
    tag = request(recording.port, "GET", API + path, headers={"Authorization": f"Bearer {ben.token}"}).header("etag")
    for note, headers in (
        ("the first bytes", {"Range": "bytes=0-9"}),
        ("the last bytes", {"Range": "bytes=-5"}),
        ("from the middle", {"Range": "bytes=95-"}),
        ("behind the end", {"Range": "bytes=100-"}),
        ("two ranges", {"Range": "bytes=0-1,3-4"}),
        ("malformed", {"Range": "lines=1-2"}),
        ("a range of this version", {"Range": "bytes=0-9", "If-Range": tag}),
        ("a range of another version", {"Range": "bytes=0-9", "If-Range": '"other"'}),
        ("unchanged", {"If-None-Match": tag}),
        ("changed", {"If-None-Match": '"other"'}),
    ):
        ben.ask(f"GET {path}", note, headers=headers)
    ben.ask("GET /files/unknown", "unknown")
    recording.ask(f"GET {API}{path}", "no login")
    recording.ask(f"GET {API}{path}", "an unknown token", token="vox_sess_unknown")


def _links(recording: Recording, ada: Person, ben: Person, feed: int, file_id: str) -> None:
    link = ben.do(f"POST /files/{file_id}/link")["url"]
    recording.values.learn("signature", link.partition("signature=")[2])
    ben.ask(f"POST /files/{file_id}/link")
    ben.ask("POST /files/unknown/link", "unknown")
    where = link[link.index("/api/") :]
    recording.ask(f"GET {where}", "a signed link")
    changed = where[:-1] + ("A" if where[-1] != "A" else "B")
    reply = request(recording.port, "GET", changed)
    recording.keep("GET", f"{API}/files/{file_id}?expires=<time>&user=2&signature=<changed>", "", reply)
    recording.ask(f"GET {API}/files/{file_id}?expires=x&user=2&signature=x", "no number")


def _custom_images(ada: Person, ben: Person, kind: str) -> None:
    image = Part("image", picture(), "dot.png", "image/png")
    made = ada.upload(f"/{kind}", "made", [image, Part("name", b"dot")])
    key = "emoji_id" if kind == "emoji" else "sticker_id"
    found = made.json()[key]
    where = made.json()["image"]
    ada.upload(f"/{kind}", "the name is taken", [image, Part("name", b"dot")])
    ada.upload(f"/{kind}", "no picture", [Part("image", b"text", "a.png", "image/png"), Part("name", b"x")])
    ada.upload(f"/{kind}", "no name", [image])
    ada.upload(f"/{kind}", "too large", [Part("image", b"x" * (MAX_BYTES + 1), "a.png"), Part("name", b"x")])
    ben.upload(f"/{kind}", "without the permission", [image, Part("name", b"x")])
    ben.ask(f"GET /{kind}")
    ben.ask(f"GET /{kind}?after={found}", "an empty page")
    ben.ask(f"GET /{kind}?limit=0", "no page")
    ben.ask(f"GET {where.removeprefix(API)}", f"the picture of {kind}")
    ada.ask(f"PATCH /{kind}/{found}", "renamed", {"name": "point"})
    ada.ask(f"PATCH /{kind}/{found}", "no name", {"name": ""})
    ada.ask(f"PATCH /{kind}/987654", "unknown", {"name": "x"})
    ben.ask(f"PATCH /{kind}/{found}", "without the permission", {"name": "x"})
    ada.ask(f"DELETE /{kind}/{found}")
    ada.ask(f"DELETE /{kind}/{found}", "again")
