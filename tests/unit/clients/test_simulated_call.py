import asyncio

import numpy as np
import pytest

from tests.unit.clients.fake_agent import FakeAgent, tone
from vox.clients.audio_files import Recording
from vox.clients.carrier_lines import LINES, open_line
from vox.clients.script import HangUp, Press, Say, Wait, WaitForAgent
from vox.clients.simulated_call import TICK_S, SimulatedCall, TurnKind
from vox.protocols.media_stream import DigitPressed

SPEECH = Recording(tone(0.6, frequency=300.0) + bytes(1600), 8000)  # its last 0.1 s are silent
CARRIERS = ("twilio", "telnyx", "plivo", "exotel")


async def converse(loop, script, *, carrier="twilio", agent_type=FakeAgent, **agent_options):
    """Runs a call against an agent in memory, on virtual time; returns the report and the agent."""
    call = SimulatedCall(open_line(carrier), script, call_id="call", stream_id="stream", parameters={"plan": "gold"})

    def from_agent(message):
        for answer in call.receive(message, loop.time()):
            agent.receive(answer)

    agent = agent_type(from_agent, carrier=carrier, **agent_options)
    for message in call.open(loop.time()):
        agent.receive(message)
    began = loop.time()
    for tick in range(10_000):
        await asyncio.sleep(max(0.0, began + tick * TICK_S - loop.time()))
        for message in call.tick(loop.time()):
            agent.receive(message)
        if call.is_over:
            break
    agent.stop()
    return call.report(), agent


def level(track, begin_s, end_s, rate=8000):
    samples = np.frombuffer(track, "<i2")[int(begin_s * rate) : int(end_s * rate)].astype(float)
    return np.sqrt((samples**2).mean()) / 32768


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_every_turn_gets_its_latency_from_the_callers_last_sound(virtual_loop, carrier):
    script = [Say(SPEECH), WaitForAgent(silence_s=0.5)] * 3
    report, agent = await converse(virtual_loop, script, carrier=carrier, after_s=0.3)
    assert [turn.kind for turn in report.turns] == [TurnKind.GREETING, *[TurnKind.SPEECH] * 3]
    assert [turn.response_s for turn in report.turns[1:]] == [pytest.approx(0.3, abs=0.021)] * 3
    assert agent.started is not None
    assert agent.started.call_id == "call"
    assert agent.started.parameters.get("plan") == "gold"
    assert report.has_answered
    assert agent.is_stopped


async def test_marks_come_back_when_the_caller_has_heard_what_was_before_them(virtual_loop):
    report, agent = await converse(virtual_loop, [Say(SPEECH), WaitForAgent(silence_s=0.5)], answer_s=1.0)
    assert agent.marks_reached == ["answer-1"]
    assert report.marks == ["answer-1"]


async def test_both_tracks_share_one_clock(virtual_loop):
    report, _ = await converse(virtual_loop, [Wait(0.5), Say(SPEECH), WaitForAgent(silence_s=0.5)], answer_s=1.0)
    assert abs(len(report.caller_track) - len(report.agent_track)) <= 320
    assert level(report.caller_track, 0.0, 0.48) == 0
    assert level(report.caller_track, 0.5, 1.1) > 0.1
    assert level(report.agent_track, 0.0, 1.35) == 0
    assert level(report.agent_track, 1.45, 2.4) > 0.1
    assert level(report.agent_track, 2.5, report.duration_s) == 0


async def test_a_greeting_is_a_turn_of_its_own(virtual_loop):
    report, _ = await converse(virtual_loop, [WaitForAgent(silence_s=0.5), Say(SPEECH), HangUp()], greeting_s=1.0)
    assert report.turns[0].response_s == pytest.approx(0.0, abs=0.021)
    assert report.turns[1].began_s == pytest.approx(1.5, abs=0.06)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_barge_in_is_timed_by_ear_and_clears_what_was_queued(virtual_loop, carrier):
    script = [
        Say(SPEECH),
        Say(SPEECH, into_agent_s=0.4),
        WaitForAgent(silence_s=0.5),
    ]
    report, agent = await converse(virtual_loop, script, carrier=carrier, answer_s=3.0)
    barge_in = report.turns[2]
    assert barge_in.kind is TurnKind.BARGE_IN
    answered_s = report.turns[1].ended_s + (report.turns[1].response_s or 0.0)
    assert barge_in.began_s - answered_s == pytest.approx(0.4, abs=0.05)
    assert barge_in.silenced_s is not None
    assert barge_in.silenced_s <= 0.04
    assert barge_in.response_s == pytest.approx(0.3, abs=0.021)
    assert agent.interruptions == 1
    assert report.clears == [pytest.approx(barge_in.began_s, abs=0.03)]


class HastyAgent(FakeAgent):
    """Sends a whole answer at once, as agents without pacing do."""

    async def _play(self, seconds, number):
        from vox.media import g711

        pcm = tone(seconds)
        for at in range(0, len(pcm), 320):
            self._send(self.codec.audio(g711.encode(pcm[at : at + 320], "mulaw")))
        self._send(self.codec.mark(f"answer-{number}"))


async def test_audio_sent_all_at_once_is_still_heard_in_real_time(virtual_loop):
    report, agent = await converse(
        virtual_loop, [Say(SPEECH), WaitForAgent(silence_s=0.5)], agent_type=HastyAgent, answer_s=2.0
    )
    assert report.turns[1].response_s == pytest.approx(0.3, abs=0.021)
    assert level(report.agent_track, 1.0, 2.8) > 0.1
    assert report.duration_s == pytest.approx(0.58 + 0.3 + 2.0 + 0.5, abs=0.1)
    assert agent.marks_reached == ["answer-1"]


async def test_an_agent_that_never_speaks_is_noticed(virtual_loop):
    report, _ = await converse(virtual_loop, [Say(SPEECH), WaitForAgent(begin_timeout_s=2.0)], after_s=1000.0)
    assert not report.has_answered
    assert report.turns[1].response_s is None
    assert report.duration_s == pytest.approx(0.7 + 2.0, abs=0.1)


async def test_keys_are_a_turn(virtual_loop):
    pressed = []

    class Listening(FakeAgent):
        def receive(self, message):
            pressed.extend(event.digit for event in self.codec.receive(message) if isinstance(event, DigitPressed))

    report, _ = await converse(virtual_loop, [Press("12#"), Wait(0.1)], agent_type=Listening)
    assert pressed == ["1", "2", "#"]
    assert report.turns[1].kind is TurnKind.DIGITS


@pytest.mark.parametrize("name", LINES)
def test_every_line_opens_speaks_and_hangs_up(name):
    call = SimulatedCall(open_line(name), [Say(SPEECH)], call_id="c", stream_id="s")
    sent = [*call.open(0.0)]
    for tick in range(60):
        sent += call.tick(tick * TICK_S)
    assert call.is_over
    assert len(sent) >= 35
    assert call.report().duration_s == pytest.approx(0.7, abs=0.05)


def test_a_protobuf_agents_audio_is_heard_at_its_own_rate():
    from vox.protocols.agent_protobuf import encode_client_audio

    call = SimulatedCall(open_line("protobuf"), [Wait(1.0)], call_id="c", stream_id="s")
    call.open(0.0)
    call.receive(encode_client_audio(tone(0.5, 24_000), 24_000), 0.0)
    for tick in range(51):
        call.tick(tick * TICK_S)
    track = call.report().agent_track
    assert level(track, 0.02, 0.48, 16_000) > 0.1
    assert level(track, 0.52, 1.0, 16_000) == 0


def test_a_call_goes_on_at_another_stream_with_its_script_and_tracks():
    agent_audio = '{"event":"media","media":{"payload":"' + "gAAA" * 40 + '"}}'
    call = SimulatedCall(open_line("twilio"), [Wait(0.06), Press("5"), Wait(1)], call_id="CA1", stream_id="")
    call.open(0.0)
    call.tick(0.0)
    opened = call.reconnect(open_line("twilio"), stream_id="MZ1", parameters={"token": "a"})
    assert '"streamSid":"MZ1"' in str(opened[1])
    assert '"callSid":"CA1"' in str(opened[1])
    call.receive(agent_audio, 0.02)
    assert call.queued_s > 0
    call.tick(0.02)
    again = call.reconnect(open_line("twilio"), stream_id="MZ2", parameters={})
    assert '"streamSid":"MZ2"' in str(again[1])
    assert call.queued_s == 0
    assert '"event":"stop"' in str(call.farewell("moved")[0])
    sent = [message for tick in range(2, 5) for message in call.tick(tick * TICK_S)]
    assert any('"event":"dtmf"' in str(message) for message in sent)
    assert len(call.report().caller_track) == len(call.report().agent_track) == 5 * 320


def test_queued_audio_survives_a_reconnection_where_the_carrier_keeps_it():
    call = SimulatedCall(open_line("twilio"), [Wait(1)], call_id="CA1", stream_id="")
    call.open(0.0)
    call.receive('{"event":"media","media":{"payload":"' + "gAAA" * 40 + '"}}', 0.0)
    before = call.queued_s
    call.reconnect(open_line("twilio"), stream_id="MZ2", parameters={}, keeps_queue=True)
    assert call.queued_s == before > 0


def test_tracks_keep_their_first_seconds_only():
    call = SimulatedCall(open_line("twilio"), [Wait(9)], call_id="CA1", stream_id="", max_track_s=0.1)
    call.open(0.0)
    for tick in range(50):
        call.tick(tick * TICK_S)
    assert len(call.report().caller_track) == len(call.report().agent_track) == 1600
    assert call.heard_at_s is None
