import asyncio

import pytest

from tests.unit.clients.fake_agent import FakeAgent, tone
from vox.clients.audio_files import Recording
from vox.clients.carrier_lines import open_line
from vox.clients.phone import place_call
from vox.clients.script import Say, Wait, WaitForAgent

SPEECH = Recording(tone(0.5, frequency=300.0), 8000)
SCRIPT = [Say(SPEECH), WaitForAgent(silence_s=0.5)]


class FakeSocket:
    """The caller's end of a socket whose other end is an agent in memory."""

    backlog_bytes = 0
    write_frames = None

    def __init__(self, listener, *, closes_after_s=None, garbles_after_s=None):
        self.is_open = True
        self._listener = listener
        loop = asyncio.get_running_loop()
        self._agent = FakeAgent(lambda message: loop.call_soon(listener.received, message), answer_s=0.5)
        if closes_after_s is not None:
            loop.call_later(closes_after_s, self._end, 1001, "server is closing")
        if garbles_after_s is not None:
            loop.call_later(garbles_after_s, listener.received, "{")

    def send(self, message):
        self._agent.receive(message)

    def pause_reading(self):
        raise AssertionError("a caller reads on")

    resume_reading = pause_reading

    def close(self, code=1000, reason=""):
        if self.is_open:
            self._end(code, reason)

    def _end(self, code, reason):
        self.is_open = False
        self._agent.stop()
        asyncio.get_running_loop().call_soon(self._listener.closed, code, reason)


def connecting(**options):
    async def connect(url, listener, *, headers, connect_timeout_s):
        assert url == "ws://server.test/telephony/ws"
        assert headers == [("X-Key", "1")]
        assert connect_timeout_s == 10.0
        socket = FakeSocket(listener, **options)
        listener.opened(socket)
        return socket

    return connect


async def call(clock, script, **options):
    return await place_call(
        "ws://server.test/telephony/ws", script, clock, headers=[("X-Key", "1")], connect=connecting(**options)
    )


async def test_a_call_runs_its_script_in_real_time_and_hangs_up(virtual_clock):
    began = virtual_clock.now()
    outcome = await call(virtual_clock, [*SCRIPT, Wait(1.0)])
    assert outcome.report.turns[1].response_s == pytest.approx(0.3, abs=0.021)
    assert outcome.close_code == 1000
    assert outcome.failure is None
    assert virtual_clock.now() - began == pytest.approx(outcome.report.duration_s, abs=0.05)


async def test_a_server_that_closes_ends_the_call(virtual_clock):
    outcome = await call(virtual_clock, [Wait(60.0)], closes_after_s=2.0)
    assert (outcome.close_code, outcome.close_reason) == (1001, "server is closing")
    assert outcome.report.duration_s == pytest.approx(2.0, abs=0.05)


async def test_a_server_that_breaks_the_protocol_is_hung_up_on(virtual_clock):
    outcome = await call(virtual_clock, [Wait(60.0)], garbles_after_s=1.0)
    assert outcome.failure is not None
    assert outcome.report.duration_s == pytest.approx(1.0, abs=0.05)


async def test_a_script_may_decide_its_steps_while_it_runs(virtual_clock):
    spoken = []

    def script():
        for number in range(2):
            spoken.append(number)
            yield Say(SPEECH)
            yield WaitForAgent(silence_s=0.5)

    url, headers = "ws://server.test/telephony/ws", [("X-Key", "1")]
    line = open_line("twilio")
    outcome = await place_call(url, script(), virtual_clock, line=line, headers=headers, connect=connecting())
    assert spoken == [0, 1]
    assert sum(turn.response_s is not None for turn in outcome.report.turns) == 2
