import argparse
import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.time_limits import time_limit
from vox.cli import up
from vox.errors import DependencyError, UsageError, VoxError
from vox.runtime.clock import SystemClock
from vox.runtime.lifecycle import Lifecycle


def parse(*argv):
    parser = argparse.ArgumentParser()
    up.register(parser.add_subparsers(dest="command"))
    return parser.parse_args(["up", *argv])


class FakePart:
    """A part without a network, that notes what happens to it."""

    def __init__(self, name: str, events: list[str], error: VoxError | None = None, at: str = "start") -> None:
        self.name, self.events, self.error, self.at = name, events, error, at
        self.lifecycle = Lifecycle(SystemClock(), 60)

    @property
    def part(self) -> up.Part:
        return up.Part(self.name, "a fake", self._plan)

    def _plan(self, choices: up.Choices) -> up.Plan:
        if self.error is not None and self.at == "settings":
            raise self.error
        return up.Plan(self._serve, (), "error", json_logs=False)

    @asynccontextmanager
    async def _serve(self) -> AsyncGenerator[up.Running]:
        if self.error is not None:
            raise self.error
        self.lifecycle.ready()
        self.events.append(f"{self.name} opens")
        try:
            yield up.Running(f"http://{self.name}", self.lifecycle, self._end)
        finally:
            self.events.append(f"{self.name} closes")

    async def _end(self) -> None:
        self.events.append(f"{self.name} ends")


@pytest.fixture
def choices(tmp_path: Path) -> up.Choices:
    return up.Choices({}, tmp_path)


async def is_draining(*parts: FakePart) -> None:
    while not all(each.lifecycle.is_draining for each in parts):  # noqa: ASYNC110  a signal has no event of its own
        await asyncio.sleep(0)


async def test_a_signal_drains_all_parts_and_none_closes_before_the_last_has_ended(choices: up.Choices):
    events: list[str] = []
    first, second = FakePart("first", events), FakePart("second", events)
    serving = asyncio.create_task(up.serve_parts([first.part, second.part], choices))
    async with time_limit():
        while len(events) < 2:  # noqa: ASYNC110  parts note it themselves
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        with first.lifecycle.hold():
            os.kill(os.getpid(), signal.SIGTERM)
            await is_draining(first, second)
            os.kill(os.getpid(), signal.SIGTERM)  # shortens nothing
            while "second ends" not in events:  # noqa: ASYNC110  see above
                await asyncio.sleep(0)
            assert "second closes" not in events
            assert not serving.done()
        assert await serving == 0
    assert events[2:] == ["second ends", "first ends", "second closes", "first closes"]


async def test_a_part_that_cannot_start_is_named_and_the_others_are_closed(choices: up.Choices):
    events: list[str] = []
    taken = UsageError("127.0.0.1:8090 is already in use", code="address_in_use", hint="stop the other program")
    parts = [FakePart("first", events).part, FakePart("second", events, taken).part]
    with pytest.raises(UsageError, match=r"the second cannot start: 127\.0\.0\.1:8090 is already in use") as raised:
        await up.serve_parts(parts, choices)
    assert raised.value.code == "address_in_use"
    assert "--port 0" in raised.value.hint
    assert "--only" in raised.value.hint
    assert events == ["first opens", "first closes"]


async def test_settings_of_all_parts_are_read_before_any_starts(choices: up.Choices):
    events: list[str] = []
    wrong = DependencyError("no such thing", code="odd")
    parts = [FakePart("first", events).part, FakePart("second", events, wrong, at="settings").part]
    with pytest.raises(DependencyError, match="the second cannot start: no such thing"):
        await up.serve_parts(parts, choices)
    assert events == []


def test_the_banner_says_where_each_part_is(tmp_path: Path, choices: up.Choices):
    running = [
        (part, up.Running(f"http://localhost:{n}", Lifecycle(SystemClock(), 1))) for n, part in enumerate(up.PARTS)
    ]
    text = up.banner(running, tmp_path)
    assert "Open http://localhost:0/ and talk" in text
    assert "ws://localhost:0/telephony/ws" in text
    assert "directory" in text
    assert "http://localhost:1 " in text
    assert str(tmp_path) in text
    assert "talk" not in up.banner(running[1:], tmp_path)


@pytest.mark.parametrize("text", ["agnet", "", "agent,chatter"])
def test_unknown_parts_are_refused_with_the_list(text: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        parse("--only", text)
    assert "agent, relay, chat, directory" in capsys.readouterr().err


def test_only_takes_several():
    assert parse("--only", "agent, directory").only == ["agent", "directory"]


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"XDG_DATA_HOME": "/srv/data"}, Path("/srv/data/vox")),
        ({"XDG_DATA_HOME": "relative"}, Path.home() / ".local/share/vox"),  # the XDG rules say: ignore it
        ({}, Path.home() / ".local/share/vox"),
    ],
)
def test_state_is_in_the_users_data_folder(environment: dict[str, str], folder: Path):
    assert up._usual_data(environment) == folder


async def test_a_data_folder_that_cannot_be_made_is_said_in_words(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    chat = next(part for part in up.PARTS if part.name == "chat")
    with pytest.raises(UsageError, match="cannot be created: File exists") as caught:
        async with chat.plan(up.Choices({}, file, port=0)).serve():
            pass
    assert caught.value.code == "database_unusable"
