"""`vox chat doctor`: whether a community's server can be reached as its clients will reach it, and whether its parts are sound.

It asks a running server from outside, through whatever stands before it, and looks at database, files and clock itself. As in
`vox doctor`, each check returns findings, none changes anything, and a check that cannot run is a finding, too.
"""

import asyncio
import ipaddress
import os
import secrets
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vox.cli.doctor import Finding
from vox.errors import VoxError

if TYPE_CHECKING:
    from vox.chat.config.settings import ChatSettings

TIMEOUT_S: Final = 5.0
MAX_SKEW_S: Final = 2.0
MAX_BYTES: Final = 1 << 16
FORGED: Final = ("198.51.100.7", "203.0.113.77")
"""Addresses of documentation (RFC 5737), which no client has."""
LIMITED: Final = "/api/v1/gateway"
"""A public route whose answer has the headers of the rate limits."""
REMAINING: Final = "x-ratelimit-remaining"


def examine_chat(environment: Mapping[str, str], given: Mapping[str, Any]) -> Iterator[Finding]:
    """All findings, in the order in which a reader should see to them."""
    from vox.chat.config.settings import load_chat_settings
    from vox.runtime.clock import SystemClock

    try:
        loaded = load_chat_settings(environment, given)
    except VoxError as error:
        yield _failed("configuration", error)
        return
    settings, now = loaded.settings, SystemClock().wall()
    for text in loaded.warnings:
        yield Finding("configuration", "warn", text, "see docs/operations/settings.md")
    gateway_url, database = check_database(settings, now)
    yield from database
    yield check_storage(settings)
    yield from check_public_address(gateway_url or settings.gateway_url, now)
    yield check_local_proxy(settings)


def check_database(settings: "ChatSettings", now: datetime) -> tuple[str, list[Finding]]:
    """The address of the gateway that administrators set, and whether the tables are this version's and their times plausible."""
    from vox.chat.config.queries import read_value
    from vox.chat.database.migrations.revisions import HEAD
    from vox.chat.database.snowflakes import time_of, unix_ms
    from vox.chat.database.transfer.tables import revision
    from vox.chat.database.worker_lease import largest_number
    from vox.stores.sql import Connection, SqlDatabase

    database = SqlDatabase(settings.database_url.get_secret_value(), readers=1)
    if database.is_in_memory or (database.file is not None and not database.file.exists()):
        return "", [Finding("database", "off", "there is none yet", "start the server, or `vox chat migrate`")]

    def look(connection: Connection) -> tuple[str | None, int, str, float | None]:
        found = revision(connection)
        if found != HEAD:
            return found, 0, "", None
        given = "" if settings.is_given("gateway_url") else read_value(connection, key="gateway_url")
        there: float | None = None
        if not database.is_sqlite:
            there = float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())
        return found, largest_number(connection), given or "", there

    database.open()
    with closing(database):
        try:
            found, largest, gateway_url, there = database.run_sync(look)
        except VoxError as error:
            return "", [_failed("database", error)]
    if found != HEAD:
        remedy = "start this version's server, or `vox chat migrate`; a later version's tables need that version"
        return "", [Finding("migrations", "warn", f"the tables are of revision {found}, this version's {HEAD}", remedy)]
    findings = [Finding("database", "ok", "it answers"), Finding("migrations", "ok", f"revision {HEAD}")]
    ahead_s = (time_of(largest) - unix_ms(now)) / 1000
    if ahead_s > MAX_SKEW_S:
        detail = f"the newest message is {ahead_s:,.0f} s ahead of this machine's clock"
        findings.append(Finding("clock", "warn", detail, "set the clock by NTP: `timedatectl set-ntp true`"))
    elif there is not None:
        findings.append(_clock("PostgreSQL", there - now.timestamp()))
    return gateway_url, findings


def check_storage(settings: "ChatSettings") -> Finding:
    """Whether a file can be stored, read and deleted."""
    from vox.chat.storage.limits import open_storage

    async def round_trip() -> None:
        key = f"doctor-{secrets.token_hex(8)}"
        await storage.put(key, _pieces(b"vox"), content_type="text/plain")
        try:
            found = b"".join([piece async for piece in storage.open(key)])
        finally:
            await storage.delete(key)
        if found != b"vox":
            raise OSError("what was read is not what was stored")

    place = settings.storage_path if settings.storage_backend == "local" else f"bucket {settings.s3_bucket}"
    try:
        storage = open_storage(settings)
        storage.prepare()
        asyncio.run(round_trip())
    except VoxError as error:
        return _failed("storage", error)
    except OSError as error:
        return Finding("storage", "fail", f"{place}: {error}", "look at the disk or the bucket")
    return Finding("storage", "ok", f"{place}: a file was stored, read and deleted")


def check_public_address(gateway_url: str, now: datetime) -> Iterator[Finding]:
    """Whether clients reach the server by the address that they are given, its socket too, and what a proxy makes of addresses."""
    parts = urlsplit(gateway_url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        remedy = "set VOX_SERVER_GATEWAY_URL=wss://your.host/gateway"
        yield Finding("public address", "fail", f"{gateway_url} is no address of a gateway", remedy)
        return
    origin = f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"
    is_local = _is_loopback(parts.hostname)
    try:
        status, headers, body = ask(origin, "/health")
    except (OSError, HTTPException) as error:
        remedy = "start the server and the proxy; look at DNS, firewall and certificate"
        yield Finding("public address", "warn" if is_local else "fail", f"{origin}/health: {error}", remedy)
        return
    if status != 200 or b'"status":"ok"' not in body.replace(b" ", b""):  # noqa: PLR2004  OK
        yield Finding(
            "public address", "fail", f"{origin}/health answers {status}", "let the proxy pass it to the chat server"
        )
        return
    if is_local:
        remedy = "set VOX_SERVER_GATEWAY_URL=wss://your.host/gateway, which clients on other machines are given"
        yield Finding("public address", "warn", f"{origin} answers, on this machine only", remedy)
    elif parts.scheme == "ws":
        yield Finding("public address", "warn", f"{origin} answers without TLS", "put a proxy with TLS before it")
    else:
        yield Finding("public address", "ok", f"{origin} answers")
    if date := headers.get("date"):
        yield _clock(origin, parsedate_to_datetime(date).timestamp() - now.timestamp(), exactness_s=1.0)
    yield check_websocket(gateway_url)
    yield check_forged_address(origin, is_local=is_local)
    if not is_local:
        yield check_metrics_are_private(origin)


def check_websocket(gateway_url: str) -> Finding:
    """Whether the upgrade passes and the first frame comes back."""
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    try:
        with connect(gateway_url, open_timeout=TIMEOUT_S, close_timeout=1, max_size=MAX_BYTES, proxy=None) as socket:
            first = socket.recv(timeout=TIMEOUT_S)
    except (OSError, WebSocketException, ValueError) as error:
        remedy = "pass the headers Upgrade and Connection on /gateway, with HTTP/1.1: deploy/nginx/vox.conf shows how"
        return Finding("websocket", "fail", f"{gateway_url}: {error}", remedy)
    if '"hello"' not in str(first):
        return Finding(
            "websocket", "fail", f"{gateway_url}: another server answers", "pass /gateway to the chat server"
        )
    return Finding("websocket", "ok", f"{gateway_url}: the server said hello")


def check_forged_address(origin: str, *, is_local: bool) -> Finding:
    """Whether a client can choose the address by which it is limited, through the proxy."""
    try:
        counts = [_remaining(origin, address) for address in (FORGED[0], FORGED[0], FORGED[1])]
    except (OSError, HTTPException) as error:
        return Finding("proxy headers", "fail", f"{origin}{LIMITED}: {error}", "let the proxy pass /api to the server")
    first, second, other = counts
    if first is None or second is None or other is None:
        return Finding("proxy headers", "off", "the server sends no rate limits (VOX_RATE_LIMIT_SCALE=0)")
    if other <= second:
        return Finding("proxy headers", "ok", "an address that a client makes up is not believed")
    if is_local:
        return Finding("proxy headers", "off", "this machine may name addresses; ask through the public address")
    remedy = "let the proxy append: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for"
    return Finding("proxy headers", "fail", "clients choose their address by X-Forwarded-For, and evade limits", remedy)


def check_local_proxy(settings: "ChatSettings") -> Finding:
    """Whether the server believes a proxy on this machine; else all users behind it share one address's limits."""
    check, origin = "local proxy", f"http://127.0.0.1:{settings.http_port}"
    if settings.http_host not in {"127.0.0.1", "localhost", "0.0.0.0", "::", ""}:  # noqa: S104  compared, not bound
        return Finding(check, "off", f"the server listens on {settings.http_host}, not on this machine's own address")
    try:
        first, other = _remaining(origin, FORGED[0]), _remaining(origin, FORGED[1])
        again = _remaining(origin, FORGED[1])
    except (OSError, HTTPException) as error:
        return Finding(check, "off", f"{origin} does not answer here: {error}", "start the server, or set VOX_PORT")
    if first is None or other is None or again is None:
        return Finding(check, "off", "the server sends no rate limits (VOX_RATE_LIMIT_SCALE=0)")
    if again < other <= first + 1 and other != first - 1:
        return Finding(check, "ok", "X-Forwarded-For of this machine is believed")
    remedy = "name the proxy in VOX_TRUSTED_PROXIES, such as 127.0.0.1"
    return Finding(
        check, "warn", "a proxy on this machine is not believed: its users share one address's limits", remedy
    )


def check_metrics_are_private(origin: str) -> Finding:
    """Whether strangers can read the metrics."""
    try:
        status, _, _ = ask(origin, "/metrics")
    except (OSError, HTTPException):
        status = 0
    if status == 200:  # noqa: PLR2004  OK
        remedy = "answer 404 for /metrics in the proxy, and let Prometheus ask the server's own port"
        return Finding("metrics", "warn", f"{origin}/metrics is open to everyone", remedy)
    return Finding("metrics", "ok", "not readable from outside")


def ask(origin: str, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case and the beginning of the body of a GET.

    Raises:
        OSError: nothing answers, or its certificate is not valid.
        HTTPException: it does not speak HTTP.
    """
    parts = urlsplit(origin)
    host, port = parts.hostname or "", parts.port
    connection = (
        HTTPSConnection(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
        if parts.scheme == "https"
        else HTTPConnection(host, port, timeout=TIMEOUT_S)
    )
    with closing(connection):
        connection.request("GET", path, headers=dict(headers or {}))
        answer: HTTPResponse = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read(MAX_BYTES)


def _remaining(origin: str, address: str) -> int | None:
    _, headers, _ = ask(origin, LIMITED, {"X-Forwarded-For": address})
    found = headers.get(REMAINING, "")
    return int(found) if found.isdigit() else None


def _clock(whose: str, ahead_s: float, exactness_s: float = 0.0) -> Finding:
    if abs(ahead_s) > MAX_SKEW_S + exactness_s:
        direction = "ahead of" if ahead_s > 0 else "behind"
        detail = f"{whose} is {abs(ahead_s):,.1f} s {direction} this machine"
        return Finding("clock", "warn", detail, "set both clocks by NTP: `timedatectl set-ntp true`")
    return Finding("clock", "ok", f"the same as that of {whose}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _failed(check: str, error: VoxError) -> Finding:
    return Finding(check, "fail", f"{error.args[0]} [{error.code}]", error.hint or "see docs/operations/errors.md")


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


def run_chat_doctor(given: Mapping[str, Any], *, is_json: bool) -> int:
    """Runs every check and prints the report; the exit code is 1 if one failed."""
    from vox.cli.doctor import as_json, as_table
    from vox.runtime.logging import configure

    configure("error")  # to standard error: standard output is the report
    findings = list(examine_chat(dict(os.environ), given))
    print(as_json(findings) if is_json else as_table(findings))
    return 1 if any(finding.status == "fail" for finding in findings) else 0
