"""The tool that writes messages down."""

import asyncio
import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from vox.agent.tools import message_tool
from vox.agent.tools.contract import Toolbox
from vox.agent.tools.message_tool import take_message_tool
from vox.providers.llm.contract import ToolCall

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def toolbox(file: Path) -> Toolbox:
    tool = take_message_tool(file, FakeClock(wall=AT))
    return Toolbox({tool.spec.name: tool})


def call(**arguments: object) -> ToolCall:
    return ToolCall("1", "take_message", json.dumps(arguments))


async def test_a_message_is_a_line_with_its_time(tmp_path: Path):
    file = tmp_path / "new" / "messages.jsonl"
    box = toolbox(file)
    assert await box.run(call(caller="Zoë", urgent=True)) == '{"status":"written down"}'
    await box.run(call(caller="Ada", number="+44"))
    first, second = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    assert first == {"at": "2026-11-20T12:00:00+00:00", "caller": "Zoë", "urgent": True}
    assert second["number"] == "+44"


async def test_only_the_owner_may_read_them(tmp_path: Path):
    file = tmp_path / "messages.jsonl"
    await toolbox(file).run(call(caller="Ada"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_messages_at_once_do_not_mix(tmp_path: Path):
    box = toolbox(tmp_path / "messages.jsonl")
    await asyncio.gather(*(box.run(call(message=str(number) * 500)) for number in range(9)))
    lines = [json.loads(line)["message"] for line in (tmp_path / "messages.jsonl").read_text().splitlines()]
    assert sorted(lines) == [str(number) * 500 for number in range(9)]


async def test_what_cannot_be_written_down_is_an_error_for_the_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    box = toolbox(tmp_path / "messages.jsonl")
    assert "error" in json.loads(await box.run(call(message="x" * 20_000)))
    (tmp_path / "file").write_text("")
    assert "messages_file" in await toolbox(tmp_path / "file" / "messages.jsonl").run(call(caller="Ada"))
    monkeypatch.setattr(message_tool, "MAX_FILE_BYTES", 100)
    answers = [json.loads(await box.run(call(caller="Ada"))) for _ in range(3)]
    assert "full" in answers[-1]["error"]
    assert (tmp_path / "messages.jsonl").stat().st_size <= 100
