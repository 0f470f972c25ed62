import argparse
import io
from pathlib import Path

import pytest
from sqlalchemy import select

from vox.chat.database.schema import role_members, users
from vox.cli import main as command_line
from vox.stores.sql import SqlDatabase


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path / 'vox.db'}"
    monkeypatch.setenv("VOX_DATABASE_URL", url)
    monkeypatch.setenv("VOX_PASSWORD_MEMORY_KIB", "64")
    return url


def test_an_administrator_is_made_from_a_shell(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    assert command_line.main(["chat", "admin", "create", "root"]) == 0
    assert "root" in capsys.readouterr().out
    opened = SqlDatabase(database)
    opened.open()
    try:
        rows = opened.run_sync(
            lambda connection: connection.execute(
                select(users.c.username, role_members.c.role_id).join(role_members)
            ).all()
        )
    finally:
        opened.close()
    assert [tuple(row) for row in rows] == [("root", 2)]


def test_a_password_that_is_too_short_makes_nobody(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert command_line.main(["chat", "admin", "create", "root"]) == 2
    assert "password" in capsys.readouterr().err


def test_a_backup_is_restored_and_moved_from_a_shell_and_overwrites_nothing(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("VOX_STORAGE_PATH", str(tmp_path / "uploads"))
    assert command_line.main(["chat", "migrate"]) == 0
    backup = tmp_path / "backup.tar.zst"
    assert command_line.main(["chat", "backup", str(backup)]) == 0
    assert backup.stat().st_mode & 0o777 == 0o600
    assert command_line.main(["chat", "backup", str(backup)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert command_line.main(["chat", "restore", str(backup)]) == 2
    assert "is there already" in capsys.readouterr().err
    monkeypatch.setenv("VOX_DATABASE_URL", f"sqlite:///{tmp_path / 'restored.db'}")
    assert command_line.main(["chat", "restore", str(backup)]) == 0
    move = ["chat", "move-database", f"sqlite:///{tmp_path / 'restored.db'}", f"sqlite:///{tmp_path / 'moved.db'}"]
    assert command_line.main(move) == 0
    shown = capsys.readouterr()
    assert "Set VOX_DATABASE_URL to the new one" in shown.out
    assert "copy: 100%, 1 of 1" in shown.err
    assert command_line.main(move) == 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VOX_DATABASE_URL", "mysql://localhost/vox"),
        ("VOX_REGISTRATION", "maybe"),
        ("VOX_PORT", "eighty"),
        ("VOX_LIMIT_NAME_MAX", "1"),
    ],
)
def test_a_wrong_setting_is_named_at_start(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv(variable, value)
    assert command_line.main(["chat", "migrate"]) == 2
    assert (variable if variable != "VOX_DATABASE_URL" else "neither SQLite nor PostgreSQL") in capsys.readouterr().err


def test_the_flags_of_the_original_are_known(monkeypatch: pytest.MonkeyPatch):
    given: list[argparse.Namespace] = []
    monkeypatch.setattr("vox.cli.chat.run", lambda args: given.append(args) or 0)
    assert command_line.main(["--host", "0.0.0.0", "--port", "1", "--database-url", "sqlite://", "--reload"]) == 0
    (args,) = given
    assert (args.host, args.port, args.database_url, args.reload) == ("0.0.0.0", 1, "sqlite://", True)
