"""A phone call through a real server whose voice is a vendor's: what is heard first was sent before the sentence was made."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agents import FAKES, agent_server
from tests.fakes.vendors.speech_vendor import KEY, Seen, SpeechVendor, running
from tests.fakes.vendors.speech_vendors import SPEECH_VENDORS
from tests.time_limits import time_limit
from vox.clients.audio_files import sample_question
from vox.clients.phone import place_call
from vox.clients.script import HangUp, Say, WaitForAgent
from vox.http.sockets import Socket, SocketListener
from vox.http.websocket import open_socket
from vox.runtime.clock import SystemClock

GREETING = "Good morning and welcome to the little café at the corner."


class Caller:
    """A caller's connection that opens the vendor's gate at the first audio that arrives."""

    def __init__(self, vendor: SpeechVendor) -> None:
        self._vendor = vendor
        self._listener: SocketListener | None = None
        self.heard_while_closed = 0
        self.asked_before_heard: list[Seen] = []

    async def connect(
        self, url: str, listener: SocketListener, *, headers: Sequence[tuple[str, str]], connect_timeout_s: float
    ) -> Socket:
        self._listener = listener
        return await open_socket(url, self, headers=headers, connect_timeout_s=connect_timeout_s)

    def opened(self, socket: Socket) -> None:
        assert self._listener is not None
        self._listener.opened(socket)

    def received(self, message: str | bytes) -> None:
        assert self._listener is not None
        if isinstance(message, str) and '"media"' in message:
            self.heard_while_closed += not self._vendor.gate.is_set()
            self.asked_before_heard = self.asked_before_heard or list(self._vendor.seen)
            self._vendor.gate.set()
        self._listener.received(message)

    def closed(self, code: int, reason: str) -> None:
        assert self._listener is not None
        self._listener.closed(code, reason)


def config(vendor: SpeechVendor, **more: Any) -> dict[str, Any]:
    return {
        **FAKES,
        "greeting": GREETING,
        "tts_provider": vendor.provider,
        "tts_options": {"base_url": vendor.base_url, "timeout_s": 60},
        "api_keys": {vendor.key_name: KEY},
        **more,
    }


@pytest.mark.parametrize("name", ["elevenlabs"])
async def test_a_vendors_voice_greets_a_caller_while_it_is_still_being_made(tmp_path: Path, name: str):
    vendor = SPEECH_VENDORS[name]()
    async with running(vendor):
        vendor.gate_after = 3
        caller = Caller(vendor)
        async with time_limit(120), agent_server(tmp_path, config(vendor), VOXRAY_LOG_LEVEL="debug") as agent:
            script = [WaitForAgent(silence_s=0.4), HangUp()]
            outcome = await place_call(agent.phone, script, SystemClock(), connect=caller.connect)
            (line,) = await agent.logged("conversation")
    assert caller.heard_while_closed == 1
    assert [vendor.text_of(seen) for seen in vendor.seen] == [GREETING]
    assert [message["content"] for message in line["pii.messages"] if message["role"] == "assistant"] == [GREETING]
    assert outcome.failure is None


@pytest.mark.parametrize("name", ["elevenlabs", "cartesia"])
async def test_a_caller_who_cuts_in_ends_the_sentence_at_the_vendor(tmp_path: Path, name: str):
    vendor = SPEECH_VENDORS[name]()
    async with running(vendor):
        vendor.hang_after = 14  # 1.4 s of speech, then nothing as long as the request lasts
        answer = {"llm_options": {"responses": ["Yes."]}}
        async with time_limit(120), agent_server(tmp_path, config(vendor, **answer), VOXRAY_LOG_LEVEL="debug") as agent:
            script = [Say(sample_question(), into_agent_s=0.6), WaitForAgent(silence_s=0.4), HangUp()]
            call = asyncio.create_task(place_call(agent.phone, script, SystemClock()))
            await vendor.hung_up.wait()
            assert not call.done(), "the caller's words ended it, not the end of the call"
            await call
            (line,) = await agent.logged("conversation")
    said = [message["content"] for message in line["pii.messages"] if message["role"] == "assistant"]
    assert [vendor.text_of(seen) for seen in vendor.seen] == [GREETING, "Yes."]
    assert said[1:] == ["Yes."]
    assert GREETING.startswith(said[0])
    assert 0 < len(said[0]) <= GREETING.index(" at the corner"), "what was heard of it"


async def test_an_answer_is_heard_while_the_model_still_writes_it(tmp_path: Path):
    vendor = SPEECH_VENDORS["cartesia"]()
    answer = "One two three four five six seven eight nine ten eleven twelve."
    async with running(vendor):
        model = {"llm_options": {"responses": [answer], "delay_s": 0.3}, "greeting": ""}
        caller = Caller(vendor)
        async with time_limit(120), agent_server(tmp_path, config(vendor, **model), VOXRAY_LOG_LEVEL="debug") as agent:
            script = [Say(sample_question()), WaitForAgent(silence_s=1.0), HangUp()]
            await place_call(agent.phone, script, SystemClock(), connect=caller.connect)
            (line,) = await agent.logged("conversation")
    assert caller.asked_before_heard
    assert all(seen.json["continue"] for seen in caller.asked_before_heard), "the vendor had not got all of it"
    assert "".join(seen.json["transcript"] for seen in vendor.seen) == answer
    assert [message["content"] for message in line["pii.messages"] if message["role"] == "assistant"] == [answer]
