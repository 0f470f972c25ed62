import argparse
import re
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from tests.time_limits import WAIT_S
from vox.cli import chat
from vox.cli import main as command_line
from vox.errors import DependencyError, UsageError

HEAVY = ("asyncio", "httpx2", "numpy", "onnxruntime", "picows", "pydantic", "starlette", "structlog", "uvicorn")


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch):
    """Puts a command in the place of `doctor` that returns, or raises, what it is given."""

    def install(outcome: Any) -> None:
        module = ModuleType("vox.cli.doctor")

        def register(subparsers: Any) -> None:
            subparsers.add_parser("doctor", help="pretends").add_argument("--depth", type=int, default=0)

        def run(args: argparse.Namespace) -> int:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome + args.depth

        vars(module).update(register=register, run=run)
        monkeypatch.setattr(command_line, "load_command", lambda _: module)

    return install


def test_the_exit_code_is_the_commands(pretend):
    pretend(7)
    assert command_line.main(["doctor", "--depth", "2"]) == 9


def test_wrong_input_is_one_line_and_exit_2(pretend, capsys: pytest.CaptureFixture[str]):
    pretend(UsageError("port 80 is taken", code="port_taken", hint="choose another"))
    assert command_line.main(["doctor"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "vox doctor: port 80 is taken (choose another) [port_taken]\n"
    assert captured.out == ""


def test_any_other_error_of_ours_is_exit_1(pretend):
    pretend(DependencyError("no answer", code="vendor_down"))
    assert command_line.main(["doctor"]) == 1


def test_an_interrupt_is_exit_130(pretend):
    pretend(KeyboardInterrupt())
    assert command_line.main(["doctor"]) == 130


def test_a_defect_keeps_its_traceback(pretend):
    pretend(ZeroDivisionError("a defect"))
    with pytest.raises(ZeroDivisionError):
        command_line.main(["doctor"])


@pytest.mark.parametrize("arguments", [[], ["--port", "9000"], ["--database-url", "sqlite://", "--host", "::1"]])
def test_without_a_command_it_is_the_chat_server(monkeypatch: pytest.MonkeyPatch, arguments: list[str]):
    given: list[argparse.Namespace] = []
    monkeypatch.setattr(chat, "run", lambda args: given.append(args) or 0)
    assert command_line.main(arguments) == 0
    assert given[0].port == (9000 if "--port" in arguments else None)
    assert given[0].database_url == ("sqlite://" if "--database-url" in arguments else None)


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="0"):
        command_line.main(["--help"])
    assert "doctor" in capsys.readouterr().out


def test_an_unknown_command_is_refused_with_the_list(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        command_line.main(["agnet"])
    assert "doctor" in capsys.readouterr().err


@pytest.mark.parametrize("name", command_line.COMMANDS)
def test_every_command_is_there_and_says_the_same_of_itself(name: str):
    module = command_line.load_command(name)
    subparsers = argparse.ArgumentParser().add_subparsers()
    module.register(subparsers)
    [choice] = subparsers._choices_actions
    assert (choice.dest, choice.help) == (name, command_line.COMMANDS[name])


def test_help_imports_nothing_heavy():
    """Help comes at once because only the module of a given command is imported."""
    program = (
        "import sys, vox.cli.main as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print(sorted(set({HEAVY}) & sys.modules.keys()), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=WAIT_S)
    assert result.stderr.strip() == "[]"
    assert [name for name in command_line.COMMANDS if not re.search(rf"\n    {name}\s", result.stdout)] == []
