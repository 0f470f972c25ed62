import asyncio
from typing import Any

import pytest

from tests.unit.clients.evals.fake_server import FakeServer, station
from vox.clients.evals.record import CallRecord
from vox.clients.evals.scenario import Scenario
from vox.clients.evals.typed_call import run_typed
from vox.errors import DependencyError


async def run(server: FakeServer, clock: Any, *turns: dict[str, Any], **more: Any) -> CallRecord:
    given = {"turns": list(turns)} if turns else {}
    return await run_typed(
        Scenario.model_validate({"name": "a", **given, **more}),
        station(server, clock, caller=more.get("caller") and reply),
    )


async def reply(messages: Any) -> str:
    return "What is it?" if len(messages) < 5 else "Bye. [hang up]"


async def test_each_turn_has_its_answer_and_its_latency(virtual_clock):
    server = FakeServer("One.", "Two.")
    record = await run(server, virtual_clock, {"say": "a"}, {"say": "b"}, parameters={"x": "1 2"}, agent="desk")
    assert [(turn.label, turn.answer) for turn in record.turns] == [("", "Hello."), ("a", "One."), ("b", "Two.")]
    assert all(turn.response_s == pytest.approx(0.0, abs=0.01) for turn in record.turns)
    assert (record.ended_by, record.failure, record.prompt_tokens, record.completion_tokens) == ("caller", "", 30, 6)
    assert server.urls == ["ws://server.test:1/base/ws?x=1+2&agent=desk&rtvi=1"]
    assert [one["data"]["options"]["audio_response"] for one in server.received[1:]] == [False, False]


async def test_a_turn_lasts_as_long_as_its_tools(virtual_clock):
    record = await run(FakeServer("TOOL", "Two."), virtual_clock, {"say": "a"}, {"say": "b"})
    assert [turn.answer for turn in record.turns[1:]] == ["closed", "Two."]
    assert [(use.name, use.arguments, use.result) for use in record.turns[1].tools] == [
        ("look_up", {"day": "Sunday"}, "closed")
    ]
    assert record.turns[2].began_s == pytest.approx(5.3, abs=0.1)


async def test_keys_are_pressed_and_waits_are_waited(virtual_clock):
    server = FakeServer("One.")
    record = await run(server, virtual_clock, {"press": "42#"}, {"wait_s": 20})
    assert server.received[1]["data"] == {"buttons": ["4", "2", "#"]}
    assert record.duration_s == pytest.approx(20.6, abs=0.5)
    assert record.turns[2].response_s is None


async def test_an_agent_that_does_not_answer_is_waited_for_only_so_long(virtual_clock):
    record = await run(FakeServer(), virtual_clock, {"say": "a"}, answer_timeout_s=7)
    assert (record.turns[1].response_s, record.turns[1].answer) == (None, "")
    assert record.duration_s == pytest.approx(7.0, abs=0.5)


@pytest.mark.parametrize(
    ("code", "failure"), [(1000, ""), (1011, "the server closed the connection with 1011 the agent left")]
)
async def test_an_agent_may_hang_up(virtual_clock, code: int, failure: str):
    record = await run(FakeServer("BYE", close_code=code), virtual_clock, {"say": "a"}, {"say": "b"})
    assert (record.ended_by, record.failure, len(record.turns)) == ("agent", failure, 2)


async def test_a_server_without_an_agent_is_an_error(virtual_clock):
    with pytest.raises(DependencyError) as error:
        await run(FakeServer(is_mute=True), virtual_clock, {"say": "a"})
    assert error.value.code == "call_broken"


async def test_a_model_may_play_the_caller(virtual_clock):
    record = await run(FakeServer("One.", "Two."), virtual_clock, caller={"goal": "g", "opens_with": "Hi"})
    assert [turn.label for turn in record.turns] == ["", "Hi", "What is it?", "Bye."]
    assert record.ended_by == "caller"


async def test_a_cancelled_call_is_hung_up(virtual_clock):
    server = FakeServer()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3.0):
            await run(server, virtual_clock, {"say": "a"}, answer_timeout_s=60)
    assert server.open_calls == 0
