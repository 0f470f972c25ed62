"""`vox fleet` as it is typed: what it refuses, and what it runs."""

import asyncio
from pathlib import Path

import pytest

from vox.cli.fleet import _restarting
from vox.cli.main import main
from vox.errors import DependencyError, UsageError


def test_nginx_prints_the_site_for_the_workers(capsys: pytest.CaptureFixture[str]):
    assert main(["fleet", "nginx", "8001-8002", "10.0.0.2:8001", "--server-name", "calls.example.com"]) == 0
    site = capsys.readouterr().out
    for worker in ("127.0.0.1:8001", "127.0.0.1:8002", "10.0.0.2:8001"):
        assert site.count(f"server {worker} ") == 3
    assert "server_name calls.example.com;" in site


def test_without_workers_it_is_those_of_this_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VOXCORE_WORKERS", "6")
    assert main(["fleet", "nginx"]) == 0
    assert "server 127.0.0.1:8006 " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nginx", "many"], "'many' names no worker"),
        (["restart", "9-1"], "'9-1' names no worker"),
        (["status", ""], "'' names no worker"),
        (["supervise"], "there is no command to run"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["fleet", *arguments]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1


def test_a_number_of_workers_that_is_none_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VOXCORE_WORKERS", "four")
    assert main(["fleet", "nginx"]) == 2
    assert "VOXCORE_WORKERS is 'four'" in capsys.readouterr().err


def test_a_restart_runs_the_command_with_the_worker_filled_in(tmp_path: Path):
    asyncio.run(_restarting(f"touch {tmp_path}/{{number}}-{{host}}-{{port}}")("10.0.0.2:8003"))
    assert [each.name for each in tmp_path.iterdir()] == ["3-10.0.0.2-8003"]


@pytest.mark.parametrize(
    ("template", "kind", "code"),
    [
        ("false", DependencyError, "restart_failed"),
        ("vox-no-such-program", UsageError, "bad_command"),
        ("echo {pid}", UsageError, "bad_command"),
        ("echo {", UsageError, "bad_command"),
        ("echo 'open", UsageError, "bad_command"),
        ("", UsageError, "bad_command"),
    ],
)
def test_a_command_that_fails_or_cannot_be_run_is_told_apart(template: str, kind: type[Exception], code: str):
    with pytest.raises(kind) as failed:
        asyncio.run(_restarting(template)("127.0.0.1:8001"))
    assert getattr(failed.value, "code", "") == code
