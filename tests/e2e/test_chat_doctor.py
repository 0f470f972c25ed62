"""`vox chat doctor` beside a running server: alone, behind a good proxy's like, and behind a careless one."""

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.chats import chat_server
from tests.e2e.nginx_proxy import nginx_in_front_of
from tests.free_ports import free_port
from vox.cli import chat_doctor
from vox.cli import main as command_line
from vox.cli.doctor import Finding

LIMITED = {"VOX_RATE_LIMIT_SCALE": "1"}


def environment(folder: Path, port: int, gateway_port: int | None = None) -> dict[str, str]:
    return {
        "VOX_DATABASE_URL": f"sqlite:///{folder / 'vox.db'}",
        "VOX_STORAGE_PATH": str(folder / "uploads"),
        "VOX_PORT": str(port),
        "VOX_SERVER_GATEWAY_URL": f"ws://127.0.0.1:{gateway_port or port}/gateway",
    }


async def findings(given: dict[str, str]) -> dict[str, Finding]:
    found = await asyncio.to_thread(lambda: list(chat_doctor.examine_chat(given, {})))
    return {finding.check: finding for finding in found}


async def test_a_running_server_is_asked_as_its_clients_ask_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with chat_server(tmp_path, environment=LIMITED) as chat:
        found = await findings(environment(tmp_path, chat.port))
        assert {name: finding.status for name, finding in found.items()} == {
            "database": "ok", "migrations": "ok", "storage": "ok", "public address": "warn", "clock": "ok", "websocket": "ok",
            "proxy headers": "off", "local proxy": "ok",
        }  # fmt: skip
    found = await findings(environment(tmp_path, chat.port))
    assert found["public address"].status == "warn"
    assert "start the server" in found["public address"].remedy


async def test_a_proxy_that_lets_clients_choose_their_address_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(chat_doctor, "_is_loopback", lambda _host: False)  # as if the address were public
    async with (
        chat_server(tmp_path, environment={**LIMITED, "VOX_METRICS": "true"}) as chat,
        nginx_in_front_of(tmp_path, [chat.port]) as port,
    ):
        found = await findings(environment(tmp_path, chat.port, port))
        assert found["websocket"].status == "ok"
        assert found["proxy headers"].status == "fail"
        assert "proxy_add_x_forwarded_for" in found["proxy headers"].remedy
        assert found["metrics"].status == "warn"
        assert found["public address"].status == "warn"  # no TLS


async def test_a_server_that_does_not_believe_its_proxy_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chat_doctor, "_is_loopback", lambda _host: False)
    async with chat_server(tmp_path, environment={**LIMITED, "VOX_TRUSTED_PROXIES": "10.0.0.1"}) as chat:
        found = await findings(environment(tmp_path, chat.port))
        assert found["local proxy"].status == "warn"
        assert "VOX_TRUSTED_PROXIES" in found["local proxy"].remedy
        assert found["proxy headers"].status == "ok"
        assert found["metrics"].status == "ok"


async def test_what_answers_there_but_is_no_chat_server(tmp_path: Path):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await findings(environment(tmp_path, free_port(), port))
    assert found["public address"].status == "fail"
    assert found["database"].status == "off"
    assert found["local proxy"].status == "off"


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"VOX_SERVER_GATEWAY_URL": "https://x.y"}, "public address"),
        ({"VOX_STORAGE_PATH": "/dev/null/x"}, "storage"),
        ({"VOX_REGISTRATION": "maybe"}, "configuration"),
        ({"VOX_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, "database"),
    ],
)
async def test_each_fault_is_named_with_a_remedy(changes: dict[str, str], check: str, tmp_path: Path):
    found = await findings({**environment(tmp_path, free_port()), **changes})
    assert found[check].status == "fail"
    assert found[check].remedy


def test_old_tables_and_a_clock_behind_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    for name, value in environment(tmp_path, free_port()).items():
        monkeypatch.setenv(name, value)
    assert command_line.main(["chat", "migrate"]) == 0
    database = sqlite3.connect(tmp_path / "vox.db", isolation_level=None)
    database.execute("INSERT INTO audit_log (id, event_type, timestamp) VALUES (?, 'x', 1)", ((1 << 63) - 1,))
    capsys.readouterr()
    assert command_line.main(["chat", "doctor", "--json"]) == 0
    report = {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert "ahead of this machine's clock" in report["clock"]["detail"]
    database.execute("UPDATE alembic_version SET version_num = '5d0c3e1f7a42'")
    database.close()
    assert command_line.main(["chat", "doctor"]) == 0
    assert "vox chat migrate" in capsys.readouterr().out
