"""The guarded way out against real servers on loopback: who is asked, where the connection goes, when it ends."""

import asyncio
import datetime as dt
import ipaddress
import ssl
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.fakes.tcp_server import listening
from vox.errors import DependencyError, UsageError, VoxError
from vox.security.outbound import OutboundGuard, SystemResolver

LOOPBACK = ipaddress.ip_network("127.0.0.1/32")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"

Answer = Callable[["Peer", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Peer:
    """A server that keeps the head of every request."""

    port: int = 0
    seen: list[bytes] = field(default_factory=list[bytes])
    names: list[str | None] = field(default_factory=list[str | None])
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def connections(self) -> int:
        return len(self.seen)


@asynccontextmanager
async def peer(
    answer: bytes | Answer = OK, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncGenerator[Peer]:
    me = Peer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0"
            )
            me.seen.append(head + await reader.readexactly(int(length)))
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                await answer(me, writer)
            await writer.drain()
        except (OSError, EOFError):
            pass  # the client left, which is what some tests are about
        finally:
            me.left.set()

    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: me.names.append(name)
    async with listening(serve, host, tls=tls) as me.port:
        yield me


class Names:
    """A resolver that gives its answers in turn, the last one for ever, and counts."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def guard(*answers: list[str], **kwargs: Any) -> tuple[OutboundGuard, Names]:
    """A way out on which 127.0.0.1 counts as public and every other loopback address as internal."""
    names = Names(*(answers or (["127.0.0.1"],)))
    kwargs = {"allowed_private": [LOOPBACK], "allowed_ports": None, "resolver": names, **kwargs}
    return OutboundGuard(**kwargs), names


async def get(outbound, url, *, method="GET", deadline_s=10.0, max_bytes=4096, **kwargs):
    return await outbound.fetch(method, url, deadline_s=deadline_s, max_bytes=max_bytes, **kwargs)


async def failure(kind: type[VoxError], outbound, url, **kwargs):
    with pytest.raises(kind) as caught:
        await get(outbound, url, **kwargs)
    assert caught.value.__cause__ is None
    for internal in ("127.0.0.", "10.0.0.", "169.254", "httpx", "Errno"):
        assert internal not in str(caught.value)
    return caught.value.code


async def test_an_answer_arrives_and_the_server_sees_the_name():
    async with peer() as server:
        outbound, names = guard()
        got = await get(outbound, f"http://Relay.Example.:{server.port}/base/_health?a=%2F#x", headers={"X-Probe": "1"})
    assert (got.status, got.body, got.address) == (200, b"OK", "127.0.0.1")
    assert got.headers["Content-Length"] == "2"
    assert 0 <= got.elapsed_s < 10
    assert names.asked == [("relay.example", server.port)]
    (head,) = server.seen
    lines = head.decode().split("\r\n")
    assert lines[0] == "GET /base/_health?a=%2F HTTP/1.1"
    assert [line for line in lines if line.lower().startswith("host:")] == [f"host: relay.example:{server.port}"]
    assert "x-probe: 1" in lines
    assert "connection: close" in lines
    assert not any(line.startswith("content-length") for line in lines)


async def test_a_body_and_a_method_travel():
    async with peer() as server:
        outbound, _ = guard()
        url = f"http://relay.example:{server.port}/"
        await get(outbound, url, method="POST", body=b'{"a":1}')
        await get(outbound, url, method="POST")
    assert server.seen[0].startswith(b"POST / ")
    assert server.seen[0].endswith(b'\r\n\r\n{"a":1}')
    assert b"\r\ncontent-length: 0\r\n" in server.seen[1]  # RFC 9110, 8.6


async def test_a_name_that_changes_its_answer_gains_nothing():
    async with peer() as vetted, peer(host="127.0.0.2") as internal:
        outbound, names = guard(["127.0.0.1"], ["127.0.0.2"])
        got = await get(outbound, f"http://rebind.example:{vetted.port}/")
        assert (got.address, vetted.connections, len(names.asked)) == ("127.0.0.1", 1, 1)
        # The next fetch asks again, and is refused.
        assert await failure(UsageError, outbound, f"http://rebind.example:{internal.port}/") == "url_refused"
        assert (internal.connections, len(names.asked)) == (0, 2)


@pytest.mark.parametrize(
    "answer",
    [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "fe80::1%lo"], ["x"], ["::ffff:127.0.0.2"]],
)
async def test_one_bad_address_among_good_ones_is_enough(answer):
    async with peer() as server:
        outbound, _ = guard(answer)
        assert await failure(UsageError, outbound, f"http://mixed.example:{server.port}/") == "url_refused"
    assert server.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://localhost:{port}/",
        "http://x.localhost:{port}/",
        "http://LOCALHOST.:{port}/",
        "http://0.0.0.0:{port}/",
        "http://[::]:{port}/",
        "http://2130706433:{port}/",
        "http://user@127.0.0.1:{port}/",
        "http://internal.example:{port}/",
    ],
)
async def test_nothing_reaches_loopback_unless_it_is_allowed(url):
    async with peer() as server:
        outbound, _ = guard(allowed_private=())
        assert await failure(UsageError, outbound, url.format(port=server.port)) == "url_refused"
    assert server.connections == 0


async def test_the_servers_own_address_is_refused_although_its_network_is_allowed():
    async with peer() as server:
        outbound, _ = guard(own_addresses=["127.0.0.1"])
        assert await failure(UsageError, outbound, f"http://me.example:{server.port}/") == "url_refused"
    assert server.connections == 0


def to(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


async def test_a_redirect_is_an_answer_where_none_is_followed():
    async with peer(to("http://127.0.0.2/")) as server:
        outbound, _ = guard()
        got = await get(outbound, f"http://relay.example:{server.port}/")
    assert (got.status, got.headers["location"]) == (302, "http://127.0.0.2/")


async def test_a_redirect_is_followed_to_another_vetted_host():
    async with peer() as last, peer(to(f"http://other.example:{last.port}/x")) as first:
        outbound, names = guard()
        got = await get(outbound, f"http://relay.example:{first.port}/", max_redirects=1)
    assert (got.status, got.url) == (200, f"http://other.example:{last.port}/x")
    assert [host for host, _ in names.asked] == ["relay.example", "other.example"]
    assert f"host: other.example:{last.port}".encode() in last.seen[0]


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.2:{port}/", "//inside.example:{port}/", "file:///etc/passwd", "http://2130706434:{port}/"],
)
async def test_a_redirect_to_an_internal_address_is_refused(location):
    async with peer(host="127.0.0.2") as internal, peer(to(location.format(port=internal.port))) as server:
        outbound, _ = guard(["127.0.0.1"], ["127.0.0.2"])
        url = f"http://relay.example:{server.port}/"
        assert await failure(DependencyError, outbound, url, max_redirects=3) == "redirect_refused"
    assert internal.connections == 0


async def test_redirects_end():
    async def again(me: Peer, writer: asyncio.StreamWriter) -> None:
        writer.write(to(f"/{me.connections}"))

    async with peer(again) as server:
        outbound, _ = guard()
        url = f"http://relay.example:{server.port}/"
        assert await failure(DependencyError, outbound, url, max_redirects=3) == "too_many_redirects"
    assert server.connections == 4


@pytest.mark.parametrize(("status", "method", "body"), [(302, b"GET", b""), (303, b"GET", b""), (307, b"POST", b"{}")])
async def test_credentials_stay_with_their_origin_and_a_body_goes_along_where_it_may(status, method, body):
    async with peer() as last, peer(to(f"http://other.example:{last.port}/", status)) as first:
        outbound, _ = guard()
        await get(
            outbound,
            f"http://relay.example:{first.port}/",
            method="POST",
            body=b"{}",
            headers={"Authorization": "Bearer k", "Cookie": "c", "Content-Type": "application/json", "X-Kept": "1"},
            max_redirects=1,
        )
    (head,) = last.seen
    assert b"Bearer" in first.seen[0]
    assert b"Bearer" not in head
    assert b"cookie" not in head
    assert b"x-kept: 1" in head
    assert head.startswith(method + b" ")
    assert head.endswith(b"\r\n\r\n" + body)
    assert (b"content-type" in head) == bool(body)


@pytest.mark.parametrize("framing", [b"", b"Content-Length: 1000000000\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_an_endless_body_is_cut(framing):
    sent = 0

    async def endless(_me: Peer, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        piece = b"10\r\n" + bytes(16) + b"\r\n" if b"chunked" in framing else bytes(16)
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n")
        while True:
            writer.write(piece * 64)
            sent += len(piece) * 64
            await writer.drain()

    async with peer(endless) as server:
        outbound, _ = guard()
        assert await failure(DependencyError, outbound, f"http://relay.example:{server.port}/") == "answer_too_large"
    assert sent < 32 << 20  # what the kernel's buffers took


async def test_a_body_of_exactly_the_limit_is_read():
    async with peer(OK) as server:
        outbound, _ = guard()
        url = f"http://relay.example:{server.port}/"
        assert (await get(outbound, url, max_bytes=2)).body == b"OK"
        assert await failure(DependencyError, outbound, url, max_bytes=1) == "answer_too_large"


async def test_a_compressed_body_is_not_unpacked():
    async with peer(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc") as server:
        outbound, _ = guard()
        got = await get(outbound, f"http://relay.example:{server.port}/")
    assert got.body == b"abc"
    assert b"accept-encoding: identity" in server.seen[0]


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_a_slow_drip_meets_the_deadline_of_the_whole(start):
    async def drip(_me: Peer, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(b"x: y\r\n" if start.endswith(b"OK\r\n") else b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with peer(drip) as server:
        outbound, _ = guard()
        before = asyncio.get_running_loop().time()
        url = f"http://relay.example:{server.port}/"
        assert await failure(DependencyError, outbound, url, deadline_s=0.3) == "fetch_timeout"
        assert asyncio.get_running_loop().time() - before < 5


async def test_a_tls_handshake_that_never_ends_meets_it_too():
    async with peer() as server:  # waits for the end of a request's head, which a ClientHello does not have
        outbound, _ = guard()
        url = f"https://relay.example:{server.port}/"
        assert await failure(DependencyError, outbound, url, deadline_s=0.3) == "fetch_timeout"
        await server.left.wait()  # the socket does not stay behind


async def test_a_resolver_that_never_answers_meets_it_too():
    async def silent(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    outbound, _ = guard(resolver=silent)
    assert await failure(DependencyError, outbound, "http://relay.example/", deadline_s=0.05) == "fetch_timeout"


async def test_waiting_for_a_turn_counts():
    arrived, release = asyncio.Event(), asyncio.Event()

    async def held(_me: Peer, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await release.wait()
        writer.write(OK)

    async with peer(held) as server:
        outbound, _ = guard(max_in_flight=1)
        url = f"http://relay.example:{server.port}/"
        first = asyncio.create_task(get(outbound, url))
        await arrived.wait()
        assert await failure(DependencyError, outbound, url, deadline_s=0.05) == "fetch_timeout"
        release.set()
        assert (await first).status == 200
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n", OK[:-1], b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000]
)
async def test_what_is_no_whole_answer_is_an_error_of_the_other_end(answer):
    async with peer(answer) as server:
        outbound, _ = guard()
        code = await failure(DependencyError, outbound, f"http://relay.example:{server.port}/")
    assert code in {"answer_malformed", "fetch_failed"}


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", 200, b"to the end"),
        (b"HTTP/1.0 200 OK\r\n\r\n", 200, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
        (b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK, 200, b"OK"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nO\r\n1;x=y\r\nK\r\n0\r\nX: late\r\n\r\n",
            200,
            b"OK",
        ),
        (OK + b"HTTP/1.1 500 Second\r\nContent-Length: 3\r\n\r\nabc", 200, b"OK"),
        (OK + b"\x00garbage", 200, b"OK"),
    ],
)
async def test_every_way_to_end_an_answer_is_understood(answer, status, body):
    async with peer(answer) as server:
        outbound, _ = guard()
        got = await get(outbound, f"http://relay.example:{server.port}/")
    assert (got.status, got.body) == (status, body)
    assert "x" not in got.headers


async def test_an_answer_to_head_has_no_body_whatever_it_says():
    async with peer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n") as server:
        outbound, _ = guard()
        got = await get(outbound, f"http://relay.example:{server.port}/", method="HEAD")
    assert (got.status, got.body, got.headers["content-length"]) == (200, b"", "1000000")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nOK",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nOKK",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nOK",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    ],
)
async def test_an_answer_that_could_be_read_in_two_ways_is_not_read(answer):
    async with peer(answer) as server:
        outbound, _ = guard()
        code = await failure(DependencyError, outbound, f"http://relay.example:{server.port}/")
    assert code == "answer_malformed"


async def test_a_head_without_end_is_cut():
    async def headers(_me: Peer, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X: y\r\n" * 1000)
            await writer.drain()

    async with peer(headers) as server:
        outbound, _ = guard()
        assert await failure(DependencyError, outbound, f"http://relay.example:{server.port}/") == "answer_malformed"


async def test_framing_without_end_is_cut_too():
    async def extensions(_me: Peer, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1")
        while True:
            writer.write(b";x=y" * 1000)
            await writer.drain()

    async with peer(extensions) as server:
        outbound, _ = guard()
        assert await failure(DependencyError, outbound, f"http://relay.example:{server.port}/") == "answer_too_large"


async def test_nobody_listening_and_nobody_known_are_told_apart():
    async with peer() as server:
        port = server.port
    outbound, _ = guard()
    assert await failure(DependencyError, outbound, f"http://relay.example:{port}/") == "fetch_failed"
    outbound, _ = guard([])
    assert await failure(DependencyError, outbound, "http://relay.example/") == "host_unresolvable"

    async def unknown(_host: str, _port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    outbound, _ = guard(resolver=unknown)
    assert await failure(DependencyError, outbound, "http://relay.example/") == "host_unresolvable"


@pytest.mark.parametrize(
    "headers", [{"Host": "x"}, {"X": "a\r\nY: b"}, {"X y": "a"}, {"Content-Length": "0"}, {"X": "\u00fc"}]
)
async def test_headers_that_would_change_the_message_are_refused(headers):
    outbound, _ = guard()
    assert await failure(UsageError, outbound, "http://relay.example/", headers=headers) == "invalid_request"


@pytest.mark.parametrize("method", ["GET /x HTTP/1.1\r\nX:", "", "CONNECT"])
async def test_methods_that_would_change_the_message_are_refused(method):
    outbound, _ = guard()
    assert await failure(UsageError, outbound, "http://relay.example/", method=method) == "invalid_request"


async def test_a_scheme_that_is_no_http_is_vetted_but_not_fetched():
    outbound, _ = guard(allowed_schemes=frozenset({"wss"}))
    outbound.check_url("wss://relay.example/")
    assert await failure(UsageError, outbound, "wss://relay.example/") == "url_refused"


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    async with peer() as server, peer() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        outbound, _ = guard()
        await get(outbound, f"http://relay.example:{server.port}/")
    assert (server.connections, proxy.connections) == (1, 0)


def certificate(*names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts for a server that has a certificate for these names, and for a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    alternatives = [
        x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
    ]
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM).decode()
    return _serving(key, pem), ssl.create_default_context(cadata=pem)


def _serving(key: ec.EllipticCurvePrivateKey, pem: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder, "chain.pem")
        chain.write_text(private + pem, encoding="ascii")
        context.load_cert_chain(chain)
    return context


async def test_tls_is_checked_for_the_name_and_the_server_is_told_it():
    serving, trusting = certificate("relay.example")
    async with peer(tls=serving) as server:
        outbound, names = guard(ssl_context=trusting)
        got = await get(outbound, f"https://relay.example:{server.port}/")
        assert (got.status, got.address) == (200, "127.0.0.1")
        assert server.names == ["relay.example"]
        assert f"host: relay.example:{server.port}\r\n".encode() in server.seen[0]
        assert len(names.asked) == 1


async def test_a_certificate_for_another_name_is_refused():
    serving, trusting = certificate("relay.example", "127.0.0.1")  # the address it connects to does not count
    async with peer(tls=serving) as server:
        outbound, _ = guard(ssl_context=trusting)
        assert await failure(DependencyError, outbound, f"https://other.example:{server.port}/") == "fetch_failed"
        assert server.connections == 0


async def test_a_certificate_that_nobody_vouches_for_is_refused():
    serving, _ = certificate("relay.example")
    async with peer(tls=serving) as server:
        outbound, _ = guard()
        assert await failure(DependencyError, outbound, f"https://relay.example:{server.port}/") == "fetch_failed"
        assert server.connections == 0


async def test_an_address_in_the_url_is_checked_as_an_address():
    serving, trusting = certificate("127.0.0.1")
    async with peer(tls=serving) as server:
        outbound, names = guard(ssl_context=trusting)
        assert (await get(outbound, f"https://127.0.0.1:{server.port}/")).status == 200
        assert (server.names, names.asked) == ([None], [])


async def test_one_request_over_tls_does_not_ride_on_anothers_connection():
    serving, trusting = certificate("relay.example")
    async with peer(tls=serving) as server:
        outbound, _ = guard(ssl_context=trusting)
        await get(outbound, f"https://relay.example:{server.port}/")
        assert await failure(DependencyError, outbound, f"https://other.example:{server.port}/") == "fetch_failed"
        assert server.connections == 1


async def test_tls_does_not_fall_back_to_plain_text_by_redirect():
    serving, trusting = certificate("relay.example")
    async with peer() as plain, peer(to(f"http://relay.example:{plain.port}/"), tls=serving) as server:
        outbound, _ = guard(ssl_context=trusting)
        url = f"https://relay.example:{server.port}/"
        assert await failure(DependencyError, outbound, url, max_redirects=1) == "redirect_refused"
    assert plain.connections == 0


async def test_the_system_knows_its_own_name():
    assert await SystemResolver()("127.0.0.1", 80) == ["127.0.0.1"]
    outbound = OutboundGuard(allowed_private=[LOOPBACK, ipaddress.ip_network("::1/128")], allowed_ports=None)
    assert (await outbound.resolve("http://localhost:8080/x")).path == "/x"
