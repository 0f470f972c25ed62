"""Which recogniser a call gets, with recognisers that do nothing."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from tests.fakes.clock import FakeClock
from vox.providers.contract import Deps
from vox.providers.stt import offline
from vox.providers.stt.contract import Transcript
from vox.runtime.metrics import Metrics

ROOMY = (2, 8_000_000_000)


class Recogniser:
    """Opens streams that say whose they are."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_up = True

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> Any:
        async def aclose() -> None:
            """Nothing to end."""

        return SimpleNamespace(name=self.name, aclose=aclose)


class World:
    def __init__(self, tmp_path, **options: Any) -> None:
        self.metrics = Metrics()
        deps = Deps(
            FakeClock(),
            cast("httpx2.AsyncClient", None),
            environment={"VOX_MODELS_FOLDER": str(tmp_path)},
            metrics=self.metrics,
        )
        self.driver = offline.OfflineRecognition(offline.Config(**options), deps, lambda: ROOMY)
        self.driver._light = cast("Any", Recogniser("pocketsphinx"))

    def with_whisper(self) -> "World":
        self.driver._whisper = cast("Any", Recogniser("whisper"))
        return self

    def open(self) -> tuple[str, Any]:
        """A new call's driver, and its stream."""
        name = self.driver.current
        return name, self.driver.open_stream(lambda _: None)


def test_without_whisper_every_call_is_heard_by_pocketsphinx(tmp_path):
    world = World(tmp_path)
    name, stream = world.open()
    assert (name, stream.name) == ("pocketsphinx", "pocketsphinx")
    assert world.driver.has_room


async def test_calls_beyond_the_capacity_are_heard_by_pocketsphinx_until_one_ends(tmp_path):
    world = World(tmp_path).with_whisper()
    opened = [world.open() for _ in range(7)]
    assert [name for name, _ in opened] == ["whisper"] * 5 + ["pocketsphinx"] * 2
    assert world.driver.has_room
    for _ in range(2):
        await opened[0][1].aclose()  # the second time counts nothing
    assert [world.open()[0] for _ in range(2)] == ["whisper", "pocketsphinx"]
    text = world.metrics.render().decode()
    assert 'vox_stt_calls_total{driver="whisper"} 6.0' in text
    assert 'vox_stt_calls_total{driver="pocketsphinx"} 3.0' in text


def test_calls_beyond_the_capacity_are_refused_where_that_is_configured(tmp_path):
    world = World(tmp_path, when_busy="refuse").with_whisper()
    for _ in range(4):
        world.open()
    assert world.driver.has_room
    world.open()
    assert not world.driver.has_room


def test_a_whisper_without_a_process_gets_no_calls(tmp_path):
    world = World(tmp_path).with_whisper()
    cast("Any", world.driver._whisper).is_up = False
    assert world.open()[0] == "pocketsphinx"


@pytest.mark.parametrize("machine", [(1, 8_000_000_000), (8, 100_000_000)])
async def test_a_small_machine_is_left_to_pocketsphinx(tmp_path, monkeypatch, machine):
    world = World(tmp_path)
    world.driver._machine = lambda: machine
    monkeypatch.setattr(offline.whisper, "missing", lambda *_: None)
    await world.driver._look()
    assert world.driver.current == "pocketsphinx"


def test_this_machine_has_a_core_and_some_memory():
    cores, free = offline.this_machine()
    assert cores >= 1
    assert free > 0
