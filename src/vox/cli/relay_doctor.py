"""The relay's part of `vox doctor`: the engine, the ports for signalling and media, what clients are told, and the way there.

It looks at this machine and asks the relay's public address as a client does. Each check returns findings and changes nothing; a
check that cannot run is a finding, too. What no machine can see of itself, whether UDP passes the firewall in front of it, is said
as what was tried.
"""

import os
import secrets
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from vox.cli.findings import Finding, check_certificate
from vox.errors import VoxError

if TYPE_CHECKING:
    from vox.relay.settings import RelaySettings

TIMEOUT_S: Final = 5.0
ECHO_TIMEOUT_S: Final = 1.0
MAX_BYTES: Final = 1 << 16
SOCKET_BUFFER: Final = 4 << 20
"""What the engine asks for at each media socket; Linux gives no more than net.core.rmem_max."""
_STUN_COOKIE: Final = bytes.fromhex("2112a442")
_STUN_OK: Final = b"\x01\x01"
_XOR_MAPPED_ADDRESS: Final = 0x0020
_ANY: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  compared with, not listened on


def examine_relay(environment: Mapping[str, str]) -> Iterator[Finding]:
    """All findings about the relay, in the order in which a reader should see to them."""
    from vox.relay.opening import REMEDY, is_engine_installed
    from vox.relay.settings import load

    named = environment.get("VOX_RELAY_CONFIG", "")
    file = Path(named) if named else Path("relay.json")
    is_there = bool(named) or file.exists()
    has_engine = is_engine_installed()
    if has_engine:
        yield Finding("media engine", "ok", "vox_native is installed")
    else:
        detail = "vox_native is not installed: no `vox relay`, no voice rooms of our own"
        yield Finding("media engine", "fail" if is_there else "off", detail, REMEDY)
    if not is_there and not any(environment.get(name) for name in ("VOX_RELAY_API_KEY", "VOX_RELAY_PUBLIC_URL")):
        yield Finding("relay", "off", "no relay.json here, so no relay is checked", "see docs/how-to/run-a-relay.md")
        return
    try:
        loaded = load(file if is_there else None, environment)
    except VoxError as error:
        yield Finding(
            "relay", "fail", f"{error.args[0]} [{error.code}]", error.hint or "see docs/operations/settings.md"
        )
        return
    settings = loaded.settings
    for text in loaded.warnings:
        yield Finding("relay", "warn", text, "see docs/operations/settings.md")
    listen = settings.listen
    runs = bool(listen.port) and is_relay(settings.bind_host, listen.port, is_tls=bool(listen.tls_cert_file))
    yield check_signalling_port(settings, runs=runs)
    if listen.tls_cert_file:
        found = check_certificate(listen.tls_cert_file, listen.tls_key_file)
        yield Finding("relay certificate", found.status, found.detail, found.remedy)
    yield from check_media_ports(settings, runs=runs)
    yield check_socket_buffers()
    yield from check_public_addresses(settings, runs=runs)
    yield from check_path(settings)


def is_relay(host: str, port: int, *, is_tls: bool) -> bool:
    """Whether what listens there answers `/_health` as a relay does."""
    address = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared, not bound
    connection = (
        HTTPSConnection(address, port, timeout=TIMEOUT_S, context=ssl._create_unverified_context())  # noqa: S323, SLF001
        if is_tls
        else HTTPConnection(address, port, timeout=TIMEOUT_S)
    )
    try:
        connection.request("GET", "/_health")
        answer = connection.getresponse()
        return answer.read(MAX_BYTES).strip() == b"OK"
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def check_signalling_port(settings: "RelaySettings", *, runs: bool) -> Finding:
    """Whether clients' WebSockets can be taken where the settings say."""
    shown = f"{settings.bind_host or '*'}:{settings.listen.port}"
    if runs:
        return Finding("signalling port", "ok", f"{shown}/tcp: the relay itself runs there")
    why = _bound(settings.bind_host, settings.listen.port, socket.SOCK_STREAM)
    if why:
        return Finding("signalling port", "fail", f"{shown}/tcp: {why}", "stop what listens there, or set listen.port")
    return Finding("signalling port", "ok", f"{shown}/tcp is free")


def check_media_ports(settings: "RelaySettings", *, runs: bool) -> Iterator[Finding]:
    """Whether the ports for media can be had: UDP for each media thread, and TCP for clients without UDP."""
    media, host = settings.media, settings.media_host
    threads = media.threads or max(1, (os.cpu_count() or 2) - 1)
    ports = range(media.udp_port, media.udp_port + threads)
    shown = f"{host}:{ports[0]}" + (f"-{ports[-1]}" if threads > 1 else "")
    if not media.udp_port:
        yield Finding("media over UDP", "warn", "any free port", "set media.udp_port, so that a firewall can let it in")
    elif runs:
        yield Finding("media over UDP", "ok", f"{shown}/udp, held by the relay")
    else:
        taken = {port: why for port in ports if (why := _bound(host, port, socket.SOCK_DGRAM))}
        if taken:
            port, why = next(iter(taken.items()))
            remedy = "stop what holds it, or set media.udp_port"
            yield Finding("media over UDP", "fail", f"{host}:{port}/udp: {why}", remedy)
        else:
            yield Finding("media over UDP", "ok", f"{shown}/udp can be had; let it through the firewall")
    if media.tcp_port < 0:
        remedy = "set media.tcp_port, unless a TURN server on port 443 does the same"
        yield Finding("media over TCP", "off", "clients whose UDP is blocked cannot connect", remedy)
    elif runs or not (why := _bound(host, media.tcp_port, socket.SOCK_STREAM)):
        yield Finding("media over TCP", "ok", f"{host}:{media.tcp_port}/tcp")
    else:
        remedy = "stop what listens there, or set media.tcp_port"
        yield Finding("media over TCP", "fail", f"{host}:{media.tcp_port}/tcp: {why}", remedy)


def check_socket_buffers(file: Path = Path("/proc/sys/net/core/rmem_max")) -> Finding:
    """Whether the system lets a media socket hold what arrives while its thread is busy."""
    try:
        most = int(file.read_text())
    except (OSError, ValueError):
        return Finding("socket buffers", "off", "this system does not say how large they may be")
    if most < SOCKET_BUFFER:
        remedy = f"sysctl -w net.core.rmem_max={SOCKET_BUFFER} net.core.wmem_max={SOCKET_BUFFER}"
        return Finding("socket buffers", "warn", f"at most {most} bytes; bursts of many rooms overflow them", remedy)
    return Finding("socket buffers", "ok", f"up to {most} bytes")


def check_public_addresses(settings: "RelaySettings", *, runs: bool) -> Iterator[Finding]:
    """Which addresses clients are told for media, whether they are public, and whether a packet to them comes back in."""
    media, host = settings.media, settings.media_host
    addresses = list(media.public_addresses) or ([host] if host not in _ANY else _own_addresses())
    shown = ", ".join(addresses) or "none"
    is_public = any(ip_address(one).is_global for one in addresses)
    if is_public:
        yield Finding("public address", "ok", f"clients are told {shown}")
    else:
        remedy = "set media.public_addresses to the address that the internet knows this machine by"
        yield Finding("public address", "warn", f"clients are told {shown}, which only this network reaches", remedy)
    for url in settings.turn.stun_urls:
        yield _compare_with_stun(url, addresses)
    for address in addresses:
        if media.udp_port and not runs:
            yield _echo(host, media.udp_port, address)
        if media.tcp_port > 0 and runs:
            yield _reached(address, media.tcp_port)


def check_path(settings: "RelaySettings") -> Iterator[Finding]:
    """Whether the public address leads here, through whatever stands before it, and speaks the clients' protocol."""
    url = settings.listen.public_url
    if not url:
        yield Finding(
            "path to the relay", "off", "no public address is set", "set listen.public_url to what clients use"
        )
        return
    parts = urlsplit(url)
    is_tls = parts.scheme in {"wss", "https"}
    if not is_tls:
        remedy = "use wss://: browsers give a microphone to secure pages only, and those connect to wss:// only"
        yield Finding("path to the relay", "warn", f"{url} is not encrypted", remedy)
    try:
        health, _, took_s = _ask(url, "/_health")
        validate, body, _ = _ask(url, "/rtc/validate")
    except (OSError, HTTPException) as error:
        remedy = "start the relay; check the name, the proxy and the certificate"
        yield Finding("path to the relay", "fail", f"{url}: {_reason(error)}", remedy)
        return
    if health != 200:  # noqa: PLR2004  HTTP's OK
        yield Finding("path to the relay", "fail", f"{url}/_health answers {health}", "is it the relay that answers?")
    elif validate == 404:  # noqa: PLR2004  HTTP's not found
        remedy = "pass /rtc on to the relay, with WebSocket upgrades"
        yield Finding("path to the relay", "fail", f"{url}/rtc/validate answers {validate}: {body[:80]}", remedy)
    else:
        yield Finding("path to the relay", "ok", f"{url} answers in {took_s * 1000:.0f} ms")


def _ask(url: str, path: str) -> tuple[int, str, float]:
    """Status, body and seconds of one request to the relay's public address."""
    from vox.runtime.clock import SystemClock

    parts = urlsplit(url)
    host = parts.hostname or ""
    is_tls = parts.scheme in {"wss", "https"}
    kind = HTTPSConnection if is_tls else HTTPConnection
    connection = kind(host, parts.port or (443 if is_tls else 80), timeout=TIMEOUT_S)
    clock = SystemClock()
    began_s = clock.now()
    try:
        connection.request("GET", parts.path.rstrip("/") + path)
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_BYTES).decode("utf-8", "replace").strip(), clock.now() - began_s
    finally:
        connection.close()


def _bound(host: str, port: int, kind: socket.SocketKind) -> str:
    """Why a socket cannot be bound; empty where it can."""
    address = {"": "0.0.0.0", "localhost": "127.0.0.1"}.get(host, host)  # noqa: S104  as the relay binds
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


def _own_addresses() -> list[str]:
    """The address by which this machine reaches others, found without sending anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ["127.0.0.1"]
        return [str(probe.getsockname()[0])]


def _echo(host: str, port: int, address: str) -> Finding:
    """Whether a packet sent to an address that clients are told arrives at the media port of this machine."""
    token = secrets.token_bytes(16)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bind = host if host not in _ANY else ("::" if family is socket.AF_INET6 else "0.0.0.0")  # noqa: S104  as the relay binds
    with ExitStack() as stack:
        inside = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        outside = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        try:
            inside.bind((bind, port))
            inside.settimeout(ECHO_TIMEOUT_S)
            outside.sendto(token, (address, port))
            arrived = inside.recv(64) == token
        except OSError:
            arrived = False
    if arrived:
        return Finding(
            "UDP to this machine", "ok", f"a packet to {address}:{port} arrived; a firewall outside was not passed"
        )
    remedy = f"let UDP {port} in; some routers send a network's own packets not back, so test from outside, too"
    return Finding("UDP to this machine", "warn", f"a packet to {address}:{port} did not arrive", remedy)


def _reached(address: str, port: int) -> Finding:
    """Whether the running relay takes TCP connections for media at an address that clients are told."""
    try:
        socket.create_connection((address, port), timeout=ECHO_TIMEOUT_S).close()
    except OSError as error:
        remedy = f"let TCP {port} in; some routers send a network's own packets not back, so test from outside, too"
        return Finding("TCP to the relay", "warn", f"{address}:{port}: {_reason(error)}", remedy)
    return Finding("TCP to the relay", "ok", f"{address}:{port} takes connections")


def _compare_with_stun(url: str, announced: list[str]) -> Finding:
    """Whether the address that a STUN server sees is one that clients are told."""
    host, _, port = url.removeprefix("stun:").partition(":")
    try:
        seen = stun_address(host, int(port or 3478))
    except (OSError, ValueError) as error:
        return Finding("STUN", "warn", f"{url}: {_reason(error)}", "check turn.stun_urls; clients ask it, too")
    if seen in announced:
        return Finding("STUN", "ok", f"{url} sees {seen}")
    remedy = f"set media.public_addresses to {seen}, and let the router pass the media ports on"
    return Finding("STUN", "warn", f"{url} sees {seen}, and clients are told {', '.join(announced)}", remedy)


def stun_address(host: str, port: int) -> str:
    """The address that a STUN server sees this machine under.

    Raises:
        OSError: no answer in time.
        ValueError: the answer is none of STUN's.
    """
    transaction = secrets.token_bytes(12)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(ECHO_TIMEOUT_S)
        asking.sendto(b"\x00\x01\x00\x00" + _STUN_COOKIE + transaction, (host, port))
        answer = asking.recv(1500)
    if answer[:2] != _STUN_OK or answer[8:20] != transaction:
        raise ValueError("the answer is none of STUN's")
    at = 20
    while at + 4 <= len(answer):
        kind, length = int.from_bytes(answer[at : at + 2]), int.from_bytes(answer[at + 2 : at + 4])
        value = answer[at + 4 : at + 4 + length]
        if kind == _XOR_MAPPED_ADDRESS and len(value) >= 8:  # noqa: PLR2004  family, port and an IPv4 address
            return str(ip_address(bytes(a ^ b for a, b in zip(value[4:8], _STUN_COOKIE, strict=True))))
        at += 4 + length + -length % 4
    raise ValueError("the answer has no address")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
