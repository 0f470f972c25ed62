import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.unit.clients.evals.fake_server import SPEECH, FakeServer, station
from vox.clients.audio_files import write_wav
from vox.clients.evals.record import CallRecord
from vox.clients.evals.scenario import Scenario
from vox.clients.evals.spoken_call import run_spoken
from vox.errors import UsageError


async def run(server: FakeServer, clock: Any, *turns: dict[str, Any], heard: Any = (), **more: Any) -> CallRecord:
    given = {"turns": list(turns)} if turns else {}
    scenario = Scenario.model_validate({"name": "a", "transport": "ws", "silence_s": 0.5, **given, **more})
    return await run_spoken(scenario, station(server, clock, heard=heard, caller=reply))


async def reply(messages: Any) -> str:
    return "Bye. [hang up]" if messages[-1].content == "Two." else f"You said {messages[-1].content}"


async def test_a_client_hears_and_is_told_what_the_agent_says(virtual_clock):
    server = FakeServer("One.", "TOOL")
    record = await run(server, virtual_clock, {"say": "a"}, {"say": "b"})
    assert [(turn.label, turn.answer) for turn in record.turns] == [("", "Hello."), ("a", "One."), ("b", "closed")]
    assert record.turns[1].response_s == pytest.approx(0.3, abs=0.05)
    assert [use.name for use in record.turns[2].tools] == ["look_up"]
    assert record.prompt_tokens == 30
    assert record.audio is not None
    assert record.audio.sample_rate == 16_000
    assert abs(len(record.audio.caller) - len(record.audio.agent)) <= 640
    assert any(record.audio.agent)
    assert server.urls == ["ws://server.test:1/base/ws?format=protobuf"]
    assert (record.ended_by, record.failure) == ("caller", "")


async def test_recordings_keys_and_pauses(virtual_clock, tmp_path: Path):
    write_wav(tmp_path / "q.wav", [SPEECH.pcm], 8000)
    record = await run(
        FakeServer("One."), virtual_clock, {"audio": str(tmp_path / "q.wav")}, {"press": "1"}, {"wait_s": 3}
    )
    assert [turn.label for turn in record.turns] == ["", "(q.wav)", "(presses 1)", "(waits 3 s)"]
    assert record.turns[2].answer == "One."
    with pytest.raises(UsageError, match=r"none\.wav"):
        await run(FakeServer(), virtual_clock, {"audio": str(tmp_path / "none.wav")})


async def test_by_phone_a_recogniser_hears_the_agent(virtual_clock):
    server = FakeServer()
    heard = [(0.2, "hello"), (2.5, "we are open"), (2.9, "")]
    record = await run(
        server,
        virtual_clock,
        {"say": "a", "expect": {"contains": "open"}},
        heard=heard,
        transport="twilio",
        agent="desk",
    )
    assert [turn.answer for turn in record.turns] == ["hello", "we are open"]
    assert server.urls == ["ws://server.test:1/base/telephony/ws/desk"]
    assert record.turns[1].response_s == pytest.approx(0.3, abs=0.05)
    assert record.audio is not None
    assert record.audio.sample_rate == 8000


async def test_by_phone_a_barge_in_is_counted_and_nothing_is_recognised_without_need(virtual_clock):
    record = await run(
        FakeServer(),
        virtual_clock,
        {"say": "a"},
        {"say": "b", "barge_in_s": 0.2},
        heard=[(0.1, "x")],
        transport="twilio",
    )
    assert record.interruptions == 1
    assert record.turns[2].silenced_s == pytest.approx(0.02, abs=0.1)
    assert record.agent_words() == ""


@pytest.mark.parametrize(
    ("code", "failure"), [(1000, ""), (1011, "the server closed the connection with 1011 the agent left")]
)
async def test_an_agent_may_hang_up(virtual_clock, code: int, failure: str):
    record = await run(FakeServer("BYE", close_code=code), virtual_clock, {"say": "a"}, {"say": "b"})
    assert (record.ended_by, record.failure, len(record.turns)) == ("agent", failure, 2)


async def test_a_model_may_play_the_caller(virtual_clock):
    record = await run(FakeServer("One.", "Two."), virtual_clock, caller={"goal": "g"})
    assert [turn.label for turn in record.turns] == ["", "You said Hello.", "You said One.", "Bye."]
    assert record.ended_by == "caller"


async def test_a_model_may_play_the_caller_by_phone(virtual_clock):
    record = await run(FakeServer(), virtual_clock, heard=[(0.1, "Two.")], transport="twilio", caller={"goal": "g"})
    assert [turn.label for turn in record.turns] == ["", "Bye."]


async def test_a_cancelled_call_is_hung_up(virtual_clock):
    server = FakeServer()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3.0):
            await run(server, virtual_clock, {"say": "a"}, answer_timeout_s=60)
    assert server.open_calls == 0
