"""Uploads and pictures, as a member sends them."""

import io
from typing import Any

import httpx2
from PIL import Image

from tests.contract.chat.harness import Person

ATTACH = 1 << 3


async def upload(
    person: Person,
    path: str,
    content: bytes = b"hello",
    name: str = "note.txt",
    kind: str = "text/plain",
    **fields: str,
) -> httpx2.Response:
    """The answer to a file sent as a form."""
    files = {"file": (name, content, kind)}
    return await person.call("POST", path, files=files, data=fields)


async def a_feed(person: Person, name: str = "general", **more: Any) -> int:
    """A new feed's id."""
    return (await person.ok("POST", "/feeds", {"name": name, "type": "text", **more}))["feed_id"]


async def let_everybody_attach(admin: Person) -> None:
    """Adds `ATTACH_FILES` to the role of everyone."""
    await admin.ok("PATCH", "/roles/1", {"permissions": 6443107123 | ATTACH})


def picture(kind: str = "PNG", colour: str = "red", frames: int = 1) -> bytes:
    """A small image of one colour, or an animation."""
    images = [Image.new("RGB", (8, 8), colour if index % 2 == 0 else "blue") for index in range(frames)]
    out = io.BytesIO()
    more = {"save_all": True, "append_images": images[1:], "duration": 50} if frames > 1 else {}
    images[0].save(out, format=kind, **more)
    return out.getvalue()


async def create(
    person: Person, path: str, name: str | None, content: bytes | None = None, kind: str = "image/png"
) -> httpx2.Response:
    """The answer to a new emoji or sticker."""
    files = {"image": ("x.png", picture() if content is None else content, kind)}
    return await person.call("POST", path, files=files, data={} if name is None else {"name": name})
