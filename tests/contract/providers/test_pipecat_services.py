"""Services of Pipecat as drivers, in a real worker under a Python with Pipecat: what every driver of their kind promises, and their failures.

The services are played (`tests/fakes/pipecat_services`), on Pipecat's own classes; everything else is Pipecat itself.
"""

import asyncio
from array import array
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
import psutil
import pytest
import pytest_asyncio

from tests.pipecat_python import PYTHON, hosted
from tests.time_limits import WAIT_S, time_limit
from vox.errors import DependencyError, UsageError
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.llm.contract import LlmRequest, TextDelta, ToolCall, ToolSpec, Usage
from vox.providers.pipecat import messages as wire
from vox.providers.stt.contract import Transcript
from vox.providers.workers.process import WorkerProcess
from vox.runtime.clock import SystemClock

pytestmark = pytest.mark.asyncio(loop_scope="module")

SENTENCE = "Good morning, the café opens at nine o'clock."
RATE = 16_000
WORD_S = 0.2
SHORT_S = 0.5
"""A deadline that is meant to be missed."""
NORMAL, REFUSED_KEY, TOO_MANY, BROKEN, SILENT, EXIT, UNFINALIZED = (
    16_000,
    16_001,
    16_002,
    16_003,
    16_004,
    16_005,
    16_006,
)
"""The loudness that makes the played recogniser do what its name says."""


@asynccontextmanager
async def driver(kind: Any, options: dict[str, Any], deps: dict[str, Any] | None = None) -> AsyncGenerator[Any]:
    async with httpx2.AsyncClient() as http:
        opened = registry.create(kind, "pipecat", options, Deps(SystemClock(), http, **(deps or {})))
        async with opened:
            yield opened


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stt() -> AsyncGenerator[Any]:
    options = hosted("StreamingRecogniser", timeout_s=WAIT_S, connect_timeout_s=WAIT_S)
    async with driver("stt", options) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def tts() -> AsyncGenerator[Any]:
    async with driver("tts", hosted("ToneVoice", timeout_s=WAIT_S)) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def llm() -> AsyncGenerator[Any]:
    async with driver("llm", hosted("ParrotModel", timeout_s=WAIT_S, model="a-model")) as opened:
        yield opened


class Call:
    """One call's stream, with what it told."""

    def __init__(self, stt: Any, language: str | None = "en"):
        self.partials: list[Transcript] = []
        self._told = asyncio.Event()
        self.stream = stt.open_stream(self._partial, language=language)

    def say(self, seconds: float = 1.0, loudness: int = NORMAL) -> None:
        self._push(array("h", (loudness, -loudness)) * int(seconds * RATE / 2))

    def rest(self, seconds: float = 0.3) -> None:
        self._push(array("h", (0,)) * int(seconds * RATE))

    def _push(self, samples: "array[int]") -> None:
        for start in range(0, len(samples), 320):
            self.stream.push(samples[start : start + 320].tobytes())

    async def until(self, condition: Any) -> None:
        async with time_limit():
            while not condition():
                self._told.clear()
                await self._told.wait()

    async def finish(self) -> Transcript:
        async with time_limit():
            return await self.stream.finish()

    def _partial(self, transcript: Transcript) -> None:
        self.partials.append(transcript)
        self._told.set()


@asynccontextmanager
async def calling(stt: Any, language: str | None = "en") -> AsyncGenerator[Call]:
    call = Call(stt, language)
    try:
        yield call
    finally:
        async with time_limit():
            await call.stream.aclose()
            await call.stream.aclose()


async def test_texts_stream_while_the_caller_speaks(stt):
    async with calling(stt, "de-CH") as call:
        call.stream.start(None)
        call.say()
        await call.until(lambda: call.partials and call.partials[-1].text == "book a table")
        assert not any(partial.is_final or partial.at_pause for partial in call.partials)
        transcript = await call.finish()
        assert (transcript.text, transcript.is_final, transcript.language) == ("book a table", True, "de-CH")


async def test_a_pause_brings_the_text_and_speech_may_go_on(stt):
    async with calling(stt) as call:
        call.stream.start(None)
        call.say()
        call.stream.pause()
        await call.until(lambda: any(partial.at_pause for partial in call.partials))
        assert call.partials[-1].text == "book a table"
        call.rest()
        call.say()
        assert (await call.finish()).text == "book a table book a table"


async def test_an_utterance_behind_another_begins_anew_with_the_same_service(stt):
    async with calling(stt) as call:
        for _ in range(3):
            call.stream.start(None)
            call.say()
            call.stream.pause()
            call.rest()
            assert (await call.finish()).text == "book a table"


async def test_a_service_that_does_not_say_which_text_is_the_last_is_waited_for(stt):
    async with calling(stt) as call:
        call.stream.start(None)
        call.say(loudness=UNFINALIZED)
        assert (await call.finish()).text == "book a table"


async def test_calls_do_not_wait_for_each_other(stt):
    calls = [Call(stt) for _ in range(8)]
    for call in calls:
        call.stream.start(None)
        call.say()
    assert {transcript.text for transcript in await asyncio.gather(*(call.finish() for call in calls))} == {
        "book a table"
    }
    for call in calls:
        await call.stream.aclose()


async def test_a_cancelled_utterance_leaves_no_trace(stt):
    async with calling(stt) as call:
        call.stream.start(None)
        call.say(loudness=SILENT)
        call.stream.cancel()
        call.stream.start(None)
        call.say()
        assert (await call.finish()).text == "book a table"


async def test_nothing_is_heard_in_silence(stt):
    async with calling(stt) as call:
        call.stream.start(None)
        call.rest()
        assert (await call.finish()).text == ""
        call.stream.start(None)
        assert (await call.finish()).text == ""


@pytest.mark.parametrize(
    ("loudness", "code", "retryable", "after_s"),
    [
        (REFUSED_KEY, "provider_refused_key", False, None),
        (TOO_MANY, "provider_rate_limited", True, 7.0),
        (BROKEN, "provider_failed", True, None),
    ],
)
async def test_a_recognisers_failure_is_told_as_the_vendors(stt, loudness, code, retryable, after_s):
    async with calling(stt) as call:
        call.stream.start(None)
        call.say(loudness=loudness)
        with pytest.raises(DependencyError) as caught:
            await call.finish()
        assert (caught.value.code, caught.value.retryable, caught.value.retry_after_s) == (code, retryable, after_s)
        assert "StreamingRecogniser" in str(caught.value)
        call.stream.start(None)
        call.say()
        assert (await call.finish()).text == "book a table"


async def test_a_recogniser_that_says_nothing_is_not_waited_for_without_end(stt):
    async with calling(stt) as call:
        call.stream.start(None)
        call.say(loudness=SILENT)
        assert (await call.finish()).text == ""


async def test_a_worker_that_dies_is_replaced_and_its_calls_go_on():
    options = hosted("StreamingRecogniser", timeout_s=WAIT_S, connect_timeout_s=WAIT_S)
    async with driver("stt", options) as stt, calling(stt) as call:
        call.stream.start(None)
        call.say(loudness=EXIT)
        with pytest.raises(DependencyError) as caught:
            await call.finish()
        assert (caught.value.code, caught.value.retryable) == ("provider_unreachable", True)
        async with time_limit():
            with pytest.raises(DependencyError):
                await stt.check()
            await stt._recogniser._host._workers[0].process.ready.wait()
            await stt.check()
        call.stream.start(None)
        call.say()
        assert (await call.finish()).text == "book a table"


async def test_a_service_for_recordings_gets_an_utterance_as_one():
    options = hosted("RecordingRecogniser", timeout_s=WAIT_S, connect_timeout_s=WAIT_S)
    async with driver("stt", options) as stt, calling(stt) as call:
        call.stream.start(None)
        call.say()
        call.stream.pause()
        await call.until(lambda: any(partial.at_pause for partial in call.partials))
        call.rest()
        assert (await call.finish()).text == "hello"
        call.stream.start(None)
        call.rest()
        assert (await call.finish()).text == "", "a recording without speech has no text, and is not waited for"


async def speak(tts: Any, text: str = SENTENCE, **how: Any) -> list[Any]:
    async with time_limit():
        return [chunk async for chunk in tts.synthesize(text, **how)]


def pcm(chunks: list[Any]) -> bytes:
    return b"".join(chunk.pcm for chunk in chunks)


async def test_a_sentence_is_spoken_whole_with_the_times_of_its_words(tts):
    for _ in range(2):
        chunks = await speak(tts)
        assert len(pcm(chunks)) == round(8 * WORD_S * tts.sample_rate) * 2
        words = [word for chunk in chunks for word in chunk.words]
        assert [SENTENCE[word.start : word.end] for word in words] == SENTENCE.split()
        assert [word.at_s for word in words] == pytest.approx([number * WORD_S for number in range(8)], abs=0.001)


@pytest.mark.parametrize("text", ["", "  ", "\n", "\x00"])
async def test_there_is_nothing_to_say_to_an_empty_text(tts, text):
    assert await speak(tts, text) == []


@pytest.mark.parametrize("text", ["-x --help", "<b>bold</b> & [[x]]", "nul \x00 esc \x1b", "日本 🎉 ok", "\ud800 half"])
async def test_any_text_is_spoken_as_words(tts, text):
    assert pcm(await speak(tts, f"Say {text} now"))


async def test_a_voice_is_what_the_service_is_told(tts):
    low, high = await speak(tts), await speak(tts, voice="high")
    assert len(pcm(low)) == len(pcm(high))
    assert pcm(low) != pcm(high)


async def test_a_cut_sentence_ends_and_the_next_one_is_whole(tts):
    speech = tts.synthesize("One two [hang] three")
    async with time_limit():
        assert (await anext(speech)).pcm
        await speech.aclose()
    assert len(pcm(await speak(tts, "Yes."))) == round(WORD_S * tts.sample_rate) * 2


async def test_a_voice_that_falls_silent_has_a_deadline():
    async with driver("tts", hosted("ToneVoice", timeout_s=SHORT_S)) as tts:
        with pytest.raises(DependencyError) as caught:
            await speak(tts, "One [hang] two")
        assert (caught.value.code, caught.value.retryable) == ("provider_timeout", True)


async def test_sentences_at_once_do_not_mix(tts):
    texts = ["One.", "Two words.", "Now three words.", "And these are four."]
    spoken = await asyncio.gather(*(speak(tts, text) for text in texts))
    assert [round(len(pcm(each)) / 2 / tts.sample_rate / WORD_S) for each in spoken] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "code"),
    [("[401]", "provider_refused_key"), ("[429/7]", "provider_rate_limited"), ("[503]", "provider_failed")],
)
async def test_a_synthesisers_failure_is_told_as_the_vendors(tts, text, code):
    with pytest.raises(DependencyError) as caught:
        await speak(tts, f"Say {text} now")
    assert caught.value.code == code
    assert pcm(await speak(tts, "Yes."))


async def test_services_that_have_ended_leave_nothing_in_the_worker(tts):
    (worker,) = tts._host._workers
    process = psutil.Process(worker.process.pid)
    for number in range(100):
        await speak(tts, "Yes.", voice=f"voice {number}")
    before = process.memory_info().rss
    for number in range(100, 300):
        await speak(tts, "Yes.", voice=f"voice {number}")
    assert process.memory_info().rss - before < 20e6, "200 services; each of them once left 0.15 MB"
    assert len(worker.sessions) <= 50


async def test_speech_of_another_rate_is_refused_with_the_remedy():
    options = hosted("ToneVoice", args={"word_times": False, "rate": 22_050}, timeout_s=WAIT_S)
    async with driver("tts", options) as tts:
        with pytest.raises(DependencyError, match=r"22050 Hz.*sample_rate"):
            await speak(tts, "Yes.")
    async with driver("tts", {**options, "sample_rate": 22_050}) as tts:
        chunks = await speak(tts, "Two words.")
        assert len(pcm(chunks)) == round(2 * WORD_S * 22_050) * 2
        assert not any(chunk.words for chunk in chunks), "it knows no times"


def asked(text: str, *tools: ToolSpec) -> LlmRequest:
    return LlmRequest(({"role": "system", "content": "Be brief."}, {"role": "user", "content": text}), tools)


async def answer(llm: Any, request: LlmRequest) -> list[Any]:
    async with time_limit():
        return [event async for event in llm.respond(request)]


def text_of(events: list[Any]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_an_answer_streams_and_its_tokens_are_counted(llm):
    for _ in range(2):
        events = await answer(llm, asked("Say this, please"))
        assert [event.text for event in events if isinstance(event, TextDelta)] == ["Say ", "this, ", "please "]
        assert [event for event in events if isinstance(event, Usage)] == [Usage(7, 3)]


async def test_the_model_of_the_configuration_is_the_services(llm):
    assert text_of(await answer(llm, asked("[model]"))) == "a-model "


async def test_a_tool_call_is_handed_on_and_not_run(llm):
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    events = await answer(llm, asked("use the tool", ToolSpec("weather", "Tells the weather", parameters)))
    assert [event for event in events if isinstance(event, ToolCall)] == [
        ToolCall("call-1", "weather", '{"city": "x"}')
    ]


async def test_a_tools_result_goes_back_to_the_model(llm):
    call: Any = {"id": "call-1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages: Any = (
        {"role": "user", "content": "the weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call-1", "content": "sunny"},
    )
    assert text_of(await answer(llm, LlmRequest(messages))) == "sunny "


async def test_an_answer_can_be_stopped_and_the_next_one_is_its_own(llm):
    for _ in range(2):
        response = llm.respond(asked("one [hang] two"))
        async with time_limit():
            assert (await anext(response)).text == "one "
            await response.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(response)
        assert text_of(await answer(llm, asked("three"))) == "three "


async def test_answers_at_once_do_not_mix(llm):
    texts = [f"answer {number}" for number in range(12)]
    assert [
        text_of(one).strip() for one in await asyncio.gather(*(answer(llm, asked(text)) for text in texts))
    ] == texts


@pytest.mark.parametrize(
    ("text", "code", "after_s"),
    [
        ("[401]", "provider_refused_key", None),
        ("[429/7]", "provider_rate_limited", 7.0),
        ("[503]", "provider_failed", None),
        ("so far [503]", "provider_failed", None),
    ],
)
async def test_a_models_failure_is_told_as_the_vendors(llm, text, code, after_s):
    with pytest.raises(DependencyError) as caught:
        await answer(llm, asked(text))
    assert (caught.value.code, caught.value.retry_after_s) == (code, after_s)
    assert text_of(await answer(llm, asked("again"))) == "again "


async def test_a_model_that_hangs_has_a_deadline_and_further_answers_wait_no_longer():
    async with driver("llm", hosted("ParrotModel", timeout_s=SHORT_S, max_sessions=1)) as llm:
        with pytest.raises(DependencyError) as caught:
            await answer(llm, asked("[hang]"))
        assert (caught.value.code, caught.value.retryable) == ("provider_timeout", True)
        first = llm.respond(asked("one [hang]"))
        async with time_limit():
            await anext(first)
        with pytest.raises(DependencyError) as caught:
            await answer(llm, asked("two"))
        assert caught.value.code == "provider_timeout"
        await first.aclose()
        assert text_of(await answer(llm, asked("three"))) == "three "


REFUSALS = [
    ("played_services.NoSuchVoice", {}, "invalid_provider_option", "ToneVoice"),
    ("no_such_module.Voice", {}, "invalid_provider_option", "check the options service and folder"),
    ("played_services.ParrotModel", {}, "invalid_provider_option", "TTSService"),
    ("played_services.ToneVoice", {"wird": 1}, "invalid_provider_option", "wird"),
    ("played_services.ToneVoice", {"api_key": "wrong"}, "invalid_provider_option", "has a bad form"),
    ("played_services.ToneVoice", {"settings": {"vioce": "x"}}, "invalid_provider_option", "vioce"),
    ("pipecat.services.google.tts.GoogleTTSService", {}, "provider_not_installed", "pipecat-ai[google]"),
]


async def test_what_is_wrong_in_the_configuration_is_said_by_the_worker_at_start():
    options = hosted("ToneVoice")
    answers: asyncio.Queue[Any] = asyncio.Queue()
    process = WorkerProcess(
        "vox.providers.pipecat.worker.main",
        (),
        on_message=lambda body: answers.put_nowait(wire.from_worker.decode(body)),
        on_down=lambda: answers.put_nowait(None),
        python=options["python"],
    )
    running = asyncio.create_task(process.run())
    try:
        async with time_limit():
            assert await answers.get() == wire.Started()
            for service, args, code, words in REFUSALS:
                process.send(wire.Configure("tts", service, args, [], "", options["folder"], 24_000, 0.0, 10.0))
                refused = await answers.get()
                assert (type(refused), refused.code) == (wire.Refused, code), service
                assert words in refused.reason + refused.hint, refused
                assert "'wrong'" not in refused.reason, "a key is not repeated"
    finally:
        process.close()
        await asyncio.gather(running)


async def refusal(options: dict[str, Any], deps: dict[str, Any] | None = None) -> UsageError:
    with pytest.raises(UsageError) as caught:
        async with driver("tts", options, deps):
            pass
    return caught.value


async def test_a_refused_configuration_stops_the_start():
    error = await refusal(hosted("NoSuchVoice"))
    assert error.code == "invalid_provider_option"


async def test_a_python_without_pipecat_is_named_with_the_remedy(tmp_path):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{PYTHON}" -S "$@"\n')
    bare.chmod(0o755)
    error = await refusal(hosted("ToneVoice", python=str(bare)))
    assert error.code == "provider_not_installed"
    assert f"{bare} -m pip install 'pipecat-ai>=1.14' msgspec" in str(error)


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/echo"])
async def test_a_python_that_is_none_is_named(python):
    error = await refusal(hosted("ToneVoice", python=python))
    assert (error.code, python in str(error)) == ("provider_not_installed", True)


async def test_a_key_comes_from_where_keys_stand():
    options = hosted("ToneVoice", keys={"api_key": "TONE_KEY"})
    error = await refusal(options)
    assert (error.code, "api_keys.TONE_KEY" in str(error)) == ("missing_api_key", True)
    error = await refusal(options, {"environment": {"TONE_KEY": "wrong"}})
    assert "has a bad form" in str(error)
    assert "'wrong'" not in str(error)
    async with driver("tts", options, {"api_keys": {"TONE_KEY": "right"}}) as tts:
        assert pcm(await speak(tts, "Yes."))


async def test_the_messages_fit_what_the_pipe_carries():
    message = wire.Spoken(1, b"\x00" * (1 << 20), [("word", 0.5)])
    assert wire.from_worker.decode(msgspec.msgpack.encode(message)) == message
