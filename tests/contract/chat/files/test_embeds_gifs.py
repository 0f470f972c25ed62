"""GIF search against a provider of ours that speaks the provider's wire format."""

import asyncio
import ipaddress
import json
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_web import Answer, outside
from vox.chat.features.files.gifs import KLIPY
from vox.security.outbound import FetchResult, OutboundGuard


def size(name: str, side: int) -> dict[str, object]:
    return {
        kind: {"url": f"https://static.klipy.com/{name}.{kind}", "width": side, "height": side, "size": 99}
        for kind in ("gif", "webp", "jpg", "mp4")
    }


ITEM = {
    "id": 8041071659142036, "slug": "cat-1", "title": "Cat", "type": "gif", "blur_preview": "data:",
    "file": {"hd": size("hd", 498), "md": size("md", 400), "sm": size("sm", 200), "xs": size("xs", 90)},
}  # fmt: skip
ADVERT = {"type": "ad", "content": "<iframe>", "width": 300, "height": 50}


def answer(items: list[object], *, has_next: bool = True, status: int = 200) -> bytes:
    page = {"data": items, "current_page": 1, "per_page": 20, "has_next": has_next}
    body = json.dumps({"result": True, "data": page}).encode()
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


class Rerouted(OutboundGuard):
    """The guard, with the provider's address on a port of ours."""

    def __init__(self, port: int) -> None:
        super().__init__(allowed_private=[ipaddress.ip_network("127.0.0.1/32")], allowed_ports=None)
        self._port = port

    async def fetch(self, method: str, url: str, **more) -> FetchResult:
        assert url.startswith(KLIPY + "/")
        return await super().fetch(
            method, url.replace("https://api.klipy.com", f"http://127.0.0.1:{self._port}"), **more
        )


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One engine is enough: nothing here reads or writes a row of its own."""
    return f"sqlite+aiosqlite:///{tmp_path / 'vox.db'}"


@pytest.fixture
async def alice(chat: Rig) -> Person:
    alice = await chat.register("alice")
    await alice.ok("PATCH", "/server/gifs", {"api_key": "k/ey", "locale": "de", "content_filter": "medium"})
    return alice


async def ask(person: Person, reply: Answer, path: str, **query):
    async with outside(reply) as provider:
        person.rig.chat.outbound = Rerouted(provider.port)
        return await person.get(path, **query), provider


async def test_search(alice):
    reply, provider = await ask(alice, answer([ADVERT, ITEM]), "/gifs/search", q="kätzchen & co", limit=5)
    assert reply.status_code == 200
    formats = {
        f"{name}{ending}": {"url": f"https://static.klipy.com/{short}.{kind}", "width": side, "height": side}
        for short, name, side in (
            ("xs", "tinygif", 90),
            ("sm", "smallgif", 200),
            ("md", "gif", 400),
            ("hd", "hdgif", 498),
        )
        for kind, ending in (("gif", ""), ("mp4", "_mp4"))
    }
    assert reply.json() == {
        "results": [{"id": "8041071659142036", "title": "Cat", "media_formats": formats}], "next": "2"
    }  # fmt: skip
    asked = urlsplit(provider.seen[0].split(b" ")[1].decode())
    assert asked.path == "/api/v1/k%2Fey/gifs/search"
    assert dict(parse_qsl(asked.query)) == {
        "page": "1", "per_page": "5", "customer_id": "vox", "q": "kätzchen & co", "content_filter": "medium", "locale": "de"
    }  # fmt: skip


async def test_trending(alice):
    reply, provider = await ask(alice, answer([ITEM], has_next=False), "/gifs/trending")
    assert reply.json()["next"] is None
    assert [gif["title"] for gif in reply.json()["results"]] == ["Cat"]
    assert b"/gifs/trending?page=1&per_page=20&" in provider.seen[0]


async def test_without_a_key_503(chat):
    alice = await chat.register("alice")
    for path in ("/gifs/search", "/gifs/trending"):
        reply = await alice.get(path, q="x")
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "GIF_PROVIDER_UNAVAILABLE")


async def test_key_of_the_environment(database_url, tmp_path):
    async with community(database_url, tmp_path, gifs_api_key="fromenv") as chat:
        alice = await chat.register("alice")
        reply, provider = await ask(alice, answer([ITEM]), "/gifs/trending")
        assert reply.status_code == 200
        assert b"/api/v1/fromenv/gifs/trending" in provider.seen[0]


async def hang(writer: asyncio.StreamWriter) -> None:
    writer.close()


BAD = [
    answer([], status=401), answer([], status=500), b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nnot json",
    b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"result":false}', answer([{"file": {"hd": {"gif": {"url": 1}}}}]),
    answer(["text"]), b"", hang, b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:22/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
async def test_a_provider_that_answers_nonsense_is_502_and_its_key_stays_secret(alice, bad):
    reply, _ = await ask(alice, bad, "/gifs/search", q="x")
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "GIF_UPSTREAM_ERROR")
    assert "k/ey" not in reply.text
    assert "k%2Fey" not in reply.text


@pytest.mark.parametrize(
    "query", [{}, {"q": ""}, {"q": "x", "limit": 0}, {"q": "x", "limit": 51}, {"q": "x", "limit": "y"}]
)
async def test_wrong_questions_are_422(alice, query):
    reply = await alice.get("/gifs/search", **query)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


async def test_addresses_that_are_not_https_are_left_out(alice):
    evil = {"id": 1, "title": None, "file": {"hd": {"gif": {"url": "javascript:x", "width": 1, "height": 1}}}}
    reply, _ = await ask(alice, answer([evil]), "/gifs/search", q="x")
    assert reply.json()["results"] == []
