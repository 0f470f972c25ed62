"""What the chat server makes of the front door's own refusals, and of a database that is away."""

import errno
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.http.asgi import Sent, request
from vox.chat import app as chat_app
from vox.chat.api.policy import ChatPolicy
from vox.chat.app import ChatApp, make_app
from vox.chat.config.settings import load_chat_settings
from vox.chat.server import Parts
from vox.errors import DependencyError, PeerError, UsageError, VoxError
from vox.http.routing import MethodNotAllowed, RouteNotFound
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.runtime.pages import ClientPages

SECRET = "postgresql://user:secret@db"


@pytest.fixture
def client_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the app looks for the built web client; empty, whatever stands on this machine."""
    folder = tmp_path / "client"
    folder.mkdir()
    monkeypatch.setattr(chat_app, "ClientPages", partial(ClientPages, folder=folder))
    return folder


@pytest.fixture
def app(tmp_path: Path, client_folder: Path) -> Iterator[ChatApp]:
    clock = FakeClock()
    given = {"database_url": f"sqlite:///{tmp_path / 'chat.db'}", "storage_path": str(tmp_path / "uploads")}
    settings = load_chat_settings({}, given).settings
    app = make_app(settings, Parts(clock, Metrics(), Lifecycle(clock, 9.0)))
    yield app
    if app.server.is_open:
        app.server.close()


def body_of(sent: Sent) -> Any:
    return json.loads(sent.body)


async def test_readiness_names_the_database_that_cannot_be_opened(app: ChatApp, monkeypatch: pytest.MonkeyPatch):
    def away() -> None:
        raise DependencyError(SECRET, code="database_unreachable")

    monkeypatch.setattr(app.server, "open", away)
    sent = await request(app, "GET", "/ready")
    assert sent.status == 503
    assert body_of(sent) == {"status": "unavailable", "checks": {"database": "database_unreachable"}}
    assert (await request(app, "GET", "/health")).status == 200


async def test_readiness_names_the_database_that_went_away(app: ChatApp, monkeypatch: pytest.MonkeyPatch):
    sent = await request(app, "GET", "/ready")
    assert (sent.status, body_of(sent)) == (200, {"status": "ok"})

    async def away() -> None:
        raise OSError(SECRET)

    monkeypatch.setattr(app.server, "check", away)
    sent = await request(app, "GET", "/ready")
    assert (sent.status, body_of(sent)) == (503, {"status": "unavailable", "checks": {"database": "OSError"}})


@pytest.mark.parametrize("is_built", [True, False])
async def test_the_address_shows_a_page_to_browsers_and_nothing_to_clients(
    app: ChatApp, client_folder: Path, is_built: bool
):
    if is_built:
        (client_folder / "index.html").write_text("<!doctype html>the client")
    page = await request(app, "GET", "/", headers=[(b"accept", b"text/html"), (b"host", b"chat.example.com")])
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    expected = b"<!doctype html>the client" if is_built else b"chat.example.com/api/v1/auth/register"
    assert expected in page.body
    for method, headers in (
        ("GET", []),
        ("GET", [(b"accept", b"application/json")]),
        ("POST", [(b"accept", b"text/html")]),
    ):
        sent = await request(app, method, "/", headers=headers)
        assert (sent.status, body_of(sent)) == (404, {"error": {"code": "UNKNOWN", "message": "Not Found"}})


async def test_a_draining_server_says_when_to_come_back(app: ChatApp):
    app.server.lifecycle.drain()
    sent = await request(app, "GET", "/ready")
    assert (sent.status, body_of(sent), sent.headers["retry-after"]) == (503, {"status": "draining"}, "9")


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_probes_answer_every_method_and_never_meet_the_limiter(app: ChatApp, method: str):
    for _ in range(20):
        sent = await request(app, method, "/health")
        assert (sent.status, set(sent.headers)) == (200, {"content-type", "content-length"})


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RouteNotFound(), 404, "UNKNOWN"),
        (UsageError("too long", code="body_too_large"), 413, "PAYLOAD_TOO_LARGE"),
        (UsageError("query: limit", code="query_invalid"), 422, "VALIDATION_ERROR"),
        (PeerError("the client left", code="body_incomplete"), 422, "VALIDATION_ERROR"),
        (PeerError("no body", code="body_timeout"), 422, "VALIDATION_ERROR"),
        (DependencyError(SECRET, code="database_away"), 500, "INTERNAL_ERROR"),
        (DependencyError(SECRET, code="busy", retryable=True), 503, "UNAVAILABLE"),
    ],
)
def test_refusals_of_the_front_door_have_codes_of_this_api(app: ChatApp, error: VoxError, status: int, code: str):
    found, body, headers = policy_of(app).refused(error, {"type": "http", "method": "GET", "headers": []})
    assert (found, json.loads(body)["error"]["code"]) == (status, code)
    assert (b"cache-control", b"private, no-store") in headers
    assert SECRET.encode() not in body


async def test_another_method_is_told_which_there_are(app: ChatApp):
    with pytest.raises(MethodNotAllowed) as caught:
        app.router.find("PUT", "/api/v1/server")
    status, body, headers = policy_of(app).refused(caught.value, {"type": "http", "method": "PUT", "headers": []})
    assert (status, json.loads(body)["error"]["code"]) == (405, "UNKNOWN")
    assert dict(headers)[b"allow"].decode() == caught.value.allow


def policy_of(app: ChatApp) -> ChatPolicy:
    assert isinstance(app._policy, ChatPolicy)
    return app._policy


async def test_readiness_names_a_database_whose_file_is_gone_or_that_takes_no_writes(
    app: ChatApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert (await request(app, "GET", "/ready")).status == 200
    clock = cast("FakeClock", app.chat.clock)
    file = tmp_path / "chat.db"
    kept = file.rename(tmp_path / "kept.db")
    clock.advance(1.0)
    sent = await request(app, "GET", "/ready")
    assert (sent.status, body_of(sent)["checks"]) == (503, {"database": "database_lost"})
    kept.rename(file)
    assert (await request(app, "GET", "/ready")).status == 200
    clock.advance(1.0)
    app.chat.database.run_sync(lambda connection: connection.exec_driver_sql("DELETE FROM meta"))
    sent = await request(app, "GET", "/ready")
    assert (sent.status, body_of(sent)["checks"]) == (503, {"database": "database_damaged"})


async def test_a_community_whose_database_is_lost_does_not_begin_anew(app: ChatApp, tmp_path: Path):
    assert (await request(app, "GET", "/ready")).status == 200
    app.server.close()
    (tmp_path / "chat.db").write_bytes(b"")
    with pytest.raises(UsageError, match="restore a backup"):
        app.server.open()


@pytest.mark.parametrize(
    ("number", "status", "code"), [(errno.ENOSPC, 507, "INSUFFICIENT_STORAGE"), (errno.EIO, 503, "UNAVAILABLE")]
)
def test_errors_of_the_disk_are_no_fault_of_the_server(app: ChatApp, number: int, status: int, code: str):
    found, body, headers = policy_of(app).failed(OSError(number, "x"), {"headers": [], "type": "http"})
    assert (found, json.loads(body)["error"]["code"]) == (status, code)
    assert b"retry-after" in dict(headers)


@pytest.mark.parametrize(("directory", "may"), [("", False), ("https://directory.example", True)])
async def test_the_client_may_reach_relays_that_a_directory_chooses(
    tmp_path: Path, client_folder: Path, directory: str, may: bool
):
    (client_folder / "index.html").write_text("<!doctype html>")
    clock = FakeClock()
    given = {"database_url": f"sqlite:///{tmp_path / 'chat.db'}", "storage_path": str(tmp_path / "uploads")}
    settings = load_chat_settings({}, {**given, "media_directory_url": directory}).settings
    app = make_app(settings, Parts(clock, Metrics(), Lifecycle(clock, 9.0)))
    page = await request(app, "GET", "/", headers=[(b"accept", b"text/html")])
    assert (" wss:" in page.headers["content-security-policy"]) is may
