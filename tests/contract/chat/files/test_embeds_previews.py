"""Link previews, against real servers on loopback: what is shown, and where the server does not let itself be sent."""

import asyncio
import ipaddress
from pathlib import Path

import pytest

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_web import outside
from tests.time_limits import time_limit
from vox.chat.features.files import previews as embeds
from vox.security.outbound import OutboundGuard

PAGE = b"""<!doctype html><html><head><title>Plain &amp; title</title>
<meta property="og:title" content="A card"><meta property="og:description" content="Says much">
<meta property="og:image" content="/picture.png"><meta property="og:image:width" content="640">
<meta property="og:site_name" content="Site"><meta property="og:type" content="article">
<meta property="og:locale" content="en_GB"><meta property="og:url" content="https://example.org/a">
<meta property="og:video" content="https://example.org/v.mp4"><meta property="og:audio" content="javascript:alert(1)">
</head><body><meta property="og:title" content="not me"></body></html>"""


def html(body: bytes = PAGE, kind: bytes = b"text/html; charset=utf-8") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(body), body)


def answers(rig: Rig, names: dict[str, list[str]], private: str = "127.0.0.1/32") -> list[str]:
    """Lets `page.test` be the loopback address, and other names what the test says; answers the names that were asked."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return names.get(host) or []

    rig.chat.outbound = OutboundGuard(
        allowed_private=[ipaddress.ip_network(private)], allowed_ports=None, resolver=resolve
    )
    return asked


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One engine is enough: nothing here reads or writes a row of its own."""
    return f"sqlite+aiosqlite:///{tmp_path / 'vox.db'}"


@pytest.fixture
async def alice(chat: Rig) -> Person:
    answers(chat, {"page.test": ["127.0.0.1"]})
    return await chat.register("alice")


def is_empty(card: dict[str, object]) -> bool:
    return not any(value is not None for value in card.values())


async def test_card_of_a_page(alice):
    async with outside(html()) as web:
        card = await alice.ok("POST", "/embeds/resolve", {"url": web.url})
    assert {name: value for name, value in card.items() if value is not None} == {
        "title": "A card", "description": "Says much", "image": f"{web.url}picture.png", "image_width": 640,
        "site_name": "Site", "type": "article", "locale": "en_GB", "url": "https://example.org/a",
        "video": "https://example.org/v.mp4",
    }  # fmt: skip
    assert b"\r\nuser-agent: VoxBot/1.0\r\n" in web.seen[0].lower().replace(b"voxbot", b"VoxBot")


async def test_neither_token_nor_cookies_go_out(alice):
    async with outside(html()) as web:
        await alice.ok("POST", "/embeds/resolve", {"url": web.url})
    assert alice.token.encode() not in web.seen[0]
    assert b"cookie" not in web.seen[0].lower()
    assert b"authorization" not in web.seen[0].lower()


async def test_title_and_description_of_a_plain_page(alice):
    page = b"<title>\n Only  a title </title><meta name=description content='Words'>"
    async with outside(html(page)) as web:
        card = await alice.ok("POST", "/embeds/resolve", {"url": web.url})
    assert (card["title"], card["description"], card["image"]) == ("Only a title", "Words", None)


async def test_redirects_are_followed(alice):
    async with outside(html()) as last:
        moved = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % last.url.encode()
        async with outside(moved) as first:
            card = await alice.ok("POST", "/embeds/resolve", {"url": first.url})
    assert card["title"] == "A card"


NOT_WEB = ["ftp://example.org/", "file:///etc/passwd", "javascript:alert(1)", "http://", "//example.org", "example.org", "",
           "http://user:secret@page.test/", "http://page.test:22/", "gopher://page.test/", "http://" + "x" * 3000]  # fmt: skip


@pytest.mark.parametrize("url", NOT_WEB)
async def test_what_is_no_web_address_is_400(chat, url):
    chat.chat.outbound = OutboundGuard(resolver=_nobody)
    alice = await chat.register("alice")
    reply = await alice.post("/embeds/resolve", {"url": url})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "INVALID_URL")


async def _nobody(host: str, port: int) -> list[str]:
    return []


INSIDE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "198.18.0.1", "192.0.0.1", "240.0.0.1",
    "[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[ff02::1]",
    "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[2002:7f00:1::]", "[2002:a00:1::]", "[64:ff9b::7f00:1]",
    "[64:ff9b::10.0.0.1]", "[64:ff9b:1::7f00:1]", "[2001:0:0:0:0:0:80ff:fffe]", "[::ffff:0:127.0.0.1]",
    "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "a.localhost", "127.0.0.1.",
]  # fmt: skip


@pytest.mark.parametrize("host", INSIDE)
async def test_addresses_inside_are_refused_in_every_form(chat, host):
    """CVE-2021-21392: forms of IPv6 that carry an IPv4 address passed the filter."""
    chat.chat.outbound = OutboundGuard(resolver=_nobody)
    alice = await chat.register("alice")
    reply = await alice.post("/embeds/resolve", {"url": f"http://{host}/latest/meta-data"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "INVALID_URL")


@pytest.mark.parametrize("host", [host.strip("[]") for host in INSIDE[:27]])
async def test_names_that_stand_for_addresses_inside_are_refused_alike(chat, host):
    alice = await chat.register("alice")
    asked = answers(chat, {"inside.test": ["93.184.216.34", host]}, private="192.0.2.0/24")
    reply = await alice.post("/embeds/resolve", {"url": "http://inside.test/"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "INVALID_URL")
    assert asked == ["inside.test"]
    unknown = await alice.post("/embeds/resolve", {"url": "http://unknown.test/"})
    assert unknown.json() == reply.json(), "the answer tells what is there"


@pytest.mark.parametrize(
    "target", ["http://inside.test/", "http://169.254.169.254/", "file:///etc/passwd", "http://[::1]/"]
)
async def test_redirect_to_an_address_inside_is_not_followed(chat, target):
    alice = await chat.register("alice")
    async with outside(html()) as secret:
        answers(chat, {"page.test": ["127.0.0.1"], "inside.test": ["127.0.0.2"]})
        goal = target.replace("inside.test", f"inside.test:{secret.port}").encode()
        moved = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % goal
        async with outside(moved) as web:
            card = await alice.ok("POST", "/embeds/resolve", {"url": web.url})
        assert is_empty(card)
        assert secret.seen == []


async def test_rebinding_a_name_between_check_and_connection_does_not_help(chat):
    alice = await chat.register("alice")
    async with outside(html()) as web:
        turns = iter([["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]])

        async def changing(host: str, port: int) -> list[str]:
            return next(turns)

        loopback = [ipaddress.ip_network("127.0.0.1/32")]
        chat.chat.outbound = OutboundGuard(allowed_private=loopback, allowed_ports=None, resolver=changing)
        card = await alice.ok("POST", "/embeds/resolve", {"url": web.url})
        assert card["title"] == "A card"
        second = await alice.post("/embeds/resolve", {"url": web.url})
        assert second.status_code == 400
        assert len(web.seen) == 1


async def test_endless_loop_of_redirects_ends(alice):
    async with outside(b"HTTP/1.1 302 Found\r\nLocation: http://page.test:PORT/\r\nContent-Length: 0\r\n\r\n") as web:
        assert is_empty(await alice.ok("POST", "/embeds/resolve", {"url": web.url}))
        assert len(web.seen) == 1 + embeds.MAX_REDIRECTS


async def test_endless_media_stream_is_left(alice):
    """CVE-2022-41952."""
    left = asyncio.Event()

    async def stream(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n")
        try:
            while True:
                writer.write(bytes(65_536))
                await writer.drain()
        finally:
            left.set()

    async with outside(stream) as web:
        assert is_empty(await alice.ok("POST", "/embeds/resolve", {"url": web.url}))
        async with time_limit():
            await left.wait()


async def test_page_that_never_ends_its_answer_is_left_at_the_deadline(alice, monkeypatch):
    monkeypatch.setattr(embeds, "DEADLINE_S", 0.2)
    never = asyncio.Event()

    async def silent(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100\r\n\r\n<title>")
        await never.wait()

    async with outside(silent) as web:
        assert is_empty(await alice.ok("POST", "/embeds/resolve", {"url": web.url}))
        never.set()


@pytest.mark.parametrize(
    "answer",
    [
        html(kind=b"image/svg+xml"),
        html(kind=b"application/json"),
        html(kind=b""),
        html(PAGE + b" " * 1_100_000),
        b"HTTP/1.1 500 No\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"",
        html(b"\xff\xfe\x00 <meta property=og:title content=" + b"\x00" * 100),
        html(b"<!doctype [<!ENTITY x"),
        html(b"<![CDATA[" * 1000),
    ],
)
async def test_what_is_no_page_gives_an_empty_card(alice, answer):
    async with outside(answer) as web:
        reply = await alice.post("/embeds/resolve", {"url": web.url})
    assert reply.status_code == 200
    assert is_empty(reply.json())


async def test_too_many_previews_at_once_are_told_to_wait(alice):
    let_go = asyncio.Event()
    begun = asyncio.Semaphore(0)

    async def held(writer: asyncio.StreamWriter) -> None:
        begun.release()
        await let_go.wait()
        writer.write(html())

    async with outside(held) as web:
        tasks = [asyncio.create_task(alice.post("/embeds/resolve", {"url": web.url})) for _ in range(16)]
        for _ in tasks:
            await begun.acquire()
        refused = await alice.post("/embeds/resolve", {"url": web.url})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "UNAVAILABLE")
        let_go.set()
        replies = await asyncio.gather(*tasks)
        assert {reply.json()["title"] for reply in replies} == {"A card"}


async def test_needs_a_login(chat):
    reply = await chat.http.post("/api/v1/embeds/resolve", json={"url": "http://example.org"})
    assert reply.status_code == 422
