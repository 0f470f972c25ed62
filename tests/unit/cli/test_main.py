import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from vox.cli import main as command_line
from vox.errors import DependencyError, UsageError

HEAVY = ("numpy", "onnxruntime", "pydantic", "starlette", "uvicorn", "httpx2", "picows")


def command_that(outcome: Any) -> ModuleType:
    module = ModuleType("vox.cli.pretend")

    def register(subparsers: Any) -> None:
        subparsers.add_parser("pretend", help="pretends")

    def run(_args: Any) -> int:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    vars(module).update(register=register, run=run)
    return module


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch):
    def install(outcome: Any) -> None:
        monkeypatch.setattr(command_line, "_load_commands", lambda: {"pretend": command_that(outcome)})

    return install


def test_the_exit_code_is_the_commands(pretend):
    pretend(7)
    assert command_line.main(["pretend"]) == 7


def test_wrong_input_is_one_line_and_exit_2(pretend, capsys: pytest.CaptureFixture[str]):
    pretend(UsageError("port 80 is taken", code="port_taken", hint="choose another"))
    assert command_line.main(["pretend"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "vox pretend: port 80 is taken (choose another) [port_taken]\n"
    assert captured.out == ""


def test_any_other_error_of_ours_is_exit_1(pretend):
    pretend(DependencyError("no answer", code="vendor_down"))
    assert command_line.main(["pretend"]) == 1


def test_an_interrupt_is_exit_130(pretend):
    pretend(KeyboardInterrupt())
    assert command_line.main(["pretend"]) == 130


def test_a_defect_keeps_its_traceback(pretend):
    pretend(ZeroDivisionError("a defect"))
    with pytest.raises(ZeroDivisionError):
        command_line.main(["pretend"])


def test_without_a_command_the_help_is_shown(pretend, capsys: pytest.CaptureFixture[str]):
    pretend(0)
    assert command_line.main([]) == 2
    assert "pretends" in capsys.readouterr().out


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="0"):
        command_line.main(["--help"])
    shown = capsys.readouterr().out
    assert [name for name in command_line._load_commands() if f"\n    {name} " not in shown] == []


def test_help_imports_nothing_heavy():
    """Help is instant because the commands import what they need only when they run."""
    program = f"import sys, vox.cli.main as m; m._build_parser(m._load_commands()); print({HEAVY} & sys.modules.keys())"
    program = program.replace(f"{HEAVY}", f"set({HEAVY})")
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20)
    assert result.stdout.strip() == "set()"
