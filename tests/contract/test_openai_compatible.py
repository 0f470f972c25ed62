"""The OpenAI-compatible drivers against a server that speaks the vendor's wire format on a real port."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.fakes.openai_server import Failure, OpenAiServer, chunk, openai_server, say, speech, tool_piece, wav_head
from tests.time_limits import time_limit
from vox.errors import DependencyError, UsageError
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.llm.contract import LlmRequest, TextDelta, ToolCall, ToolSpec, Usage
from vox.providers.stt.contract import SpeechHints, Transcript
from vox.runtime.clock import SystemClock

REQUEST = LlmRequest(({"role": "user", "content": "Hi"},))
LOUD = b"\x00\x40\x00\xc0" * 1600  # 0.2 s at 16 kHz
QUIET = bytes(6400)


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    async with openai_server() as running:
        yield running


@pytest.fixture
async def deps() -> AsyncIterator[Deps]:
    async with httpx2.AsyncClient() as http:
        yield Deps(SystemClock(), http, api_keys={"openai": "k1"}, environment={"GROQ_API_KEY": "k2"})


async def answer(deps, server, name="openai", request=REQUEST, **options):
    async with registry.create("llm", name, {"base_url": server.base_url, **options}, deps) as llm:
        return [event async for event in llm.respond(request)]


async def test_chat_streams_text_and_usage(deps, server):
    events = await answer(deps, server, temperature=0.5, max_tokens=9)
    assert events == [TextDelta("Hello"), TextDelta(" there"), Usage(7, 2)]
    (seen,) = server.seen
    assert seen.key == "k1"
    assert seen.json["model"] == "gpt-3.5-turbo"
    assert seen.json["messages"] == [{"role": "user", "content": "Hi"}]
    assert (seen.json["temperature"], seen.json["max_tokens"]) == (0.5, 9)
    assert seen.json["stream_options"] == {"include_usage": True}
    assert "tools" not in seen.json


async def test_a_row_brings_its_own_key_and_model(deps, server):
    await answer(deps, server, "groq")
    assert server.seen[0].key == "k2"
    assert server.seen[0].json["model"] == "llama-3.1-8b-instant"


async def test_a_vendor_that_knows_no_stream_options_is_not_sent_any(deps, server):
    await answer(deps, server, "mistral")
    assert "stream_options" not in server.seen[0].json


async def test_an_environment_variable_moves_a_vendor(server):
    async with httpx2.AsyncClient() as http:
        deps = Deps(SystemClock(), http, environment={"OLLAMA_BASE_URL": server.base_url})
        async with registry.create("llm", "ollama", {}, deps) as llm:
            assert await anext(llm.respond(REQUEST)) == TextDelta("Hello")


async def test_tool_calls_are_put_together_by_index(deps, server):
    server.chunks = [
        chunk({"content": "One moment."}),
        tool_piece(0, id="a", name="book", arguments=""),
        tool_piece(1, id="b", name="weather", arguments='{"ci'),
        tool_piece(0, arguments='{"n": 2}'),
        tool_piece(1, arguments='ty": "Rome"}'),
        chunk({}, "tool_calls"),
    ]
    tools = (ToolSpec("book", "Books.", {"type": "object"}), ToolSpec("weather", "Tells.", {"type": "object"}))
    events = await answer(deps, server, request=LlmRequest(REQUEST.messages, tools, "book"))
    assert events == [
        TextDelta("One moment."),
        ToolCall("a", "book", '{"n": 2}'),
        ToolCall("b", "weather", '{"city": "Rome"}'),
    ]
    assert server.seen[0].json["tools"][1]["function"] == {
        "name": "weather",
        "description": "Tells.",
        "parameters": {"type": "object"},
    }
    assert server.seen[0].json["tool_choice"] == {"type": "function", "function": {"name": "book"}}


async def test_a_rate_limit_tells_when_to_come_back(deps, server):
    server.failures = [Failure(429, {"Retry-After": "7"})]
    with pytest.raises(DependencyError) as caught:
        await answer(deps, server)
    assert (caught.value.code, caught.value.retryable, caught.value.retry_after_s) == (
        "provider_rate_limited",
        True,
        7.0,
    )
    assert len(server.seen) == 1, "a caller does not wait seven seconds"


async def test_a_failure_that_may_pass_is_tried_again(deps, server):
    server.failures = [Failure(503)]
    assert (await answer(deps, server))[0] == TextDelta("Hello")
    assert len(server.seen) == 2


async def test_retries_end(deps, server):
    server.failures = [Failure(500) for _ in range(3)]
    with pytest.raises(DependencyError) as caught:
        await answer(deps, server, max_retries=1)
    assert caught.value.code == "provider_failed"
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("status", "code"), [(401, "provider_refused_key"), (403, "provider_refused_key"), (400, "provider_failed")]
)
async def test_a_refusal_is_final(deps, server, status, code):
    server.failures = [Failure(status)]
    with pytest.raises(DependencyError) as caught:
        await answer(deps, server)
    assert (caught.value.code, caught.value.retryable) == (code, False)
    assert "k1" not in str(caught.value)
    assert len(server.seen) == 1


async def test_an_streambroken_off_is_an_error_after_what_was_said(deps, server):
    server.break_after = 2
    async with registry.create("llm", "openai", {"base_url": server.base_url}, deps) as llm:
        stream = llm.respond(REQUEST)
        said = [await anext(stream)]
        with pytest.raises(DependencyError) as caught:
            await anext(stream)
    assert said == [TextDelta("Hello")]
    assert caught.value.code == "provider_unreachable"


async def test_a_connection_lost_behind_the_last_event_is_no_failure(deps, server):
    server.chunks = [*say("Hello"), b"[DONE]", b"never sent"]
    server.break_after = len(server.chunks) - 1
    assert await answer(deps, server) == [TextDelta("Hello"), Usage(7, 2)]


async def test_half_a_tool_call_does_not_run(deps, server):
    server.chunks = [tool_piece(0, id="a", name="pay", arguments='{"amount": 1')]
    with pytest.raises(DependencyError) as caught:
        await answer(deps, server)
    assert caught.value.code == "provider_answer_cut"


@pytest.mark.parametrize("garbage", [b"{nonsense", b'"text"', b"\xff\xfe"])
async def test_garbage_is_the_vendors_fault(deps, server, garbage):
    server.chunks = [garbage]
    with pytest.raises(DependencyError) as caught:
        await answer(deps, server)
    assert caught.value.code in {"provider_bad_answer", "provider_answer_cut"}


async def test_a_field_of_another_shape_ends_no_answer(deps, server):
    server.chunks = [b'{"choices": [{"delta": 5}], "usage": "none"}', *say("Hello")]
    assert await answer(deps, server) == [TextDelta("Hello"), Usage(7, 2)]


async def test_an_answer_leaves_its_connection_for_the_next(deps, server):
    for _ in range(2):
        assert (await answer(deps, server))[0] == TextDelta("Hello")
    assert len({seen.client for seen in server.seen}) == 1


@pytest.mark.parametrize(
    ("body", "content_type", "heard"),
    [
        (b'{"text": "hello", "segments": null, "words": 5}', "application/json", "hello"),
        (b'{"text": null}', "application/json", ""),
        (b'{"segments": [{"text": " good"}, {"text": " day"}]}', "application/json", "good day"),
        (b'{"results": {"transcripts": [{"transcript": "x"}]}, "text": "hello"}', "application/json", "hello"),
        (b'"hello"', "application/json", "hello"),
        (b"hello\n", "text/plain", "hello"),
        ("\ufeffhello".encode(), "text/plain; charset=utf-8", "hello"),
        (b"[laughs] hello", "text/plain", "[laughs] hello"),
    ],
)
async def test_a_transcript_is_read_in_every_form(deps, server, body, content_type, heard):
    server.transcript = body, content_type
    stream = listen(deps, server)
    stream.start(None)
    stream.push(LOUD)
    assert (await stream.finish()).text == heard
    await stream.aclose()


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b'{"error": {"message": "slow down", "code": 429}}', "application/json", "provider_rate_limited"),
        (b"<html>hello</html>", "text/html", "provider_bad_answer"),
        (b'{"id": 1}', "application/json", "provider_bad_answer"),
        (b"{nonsense", "application/json", "provider_bad_answer"),
    ],
)
async def test_an_answer_without_a_transcript(deps, server, body, content_type, code):
    server.transcript = body, content_type
    stream = listen(deps, server, max_retries=0)
    stream.start(None)
    stream.push(LOUD)
    with pytest.raises(DependencyError) as caught:
        await stream.finish()
    assert caught.value.code == code
    await stream.aclose()


async def test_wav_in_place_of_samples_is_read(deps, server):
    server.speech = wav_head(len(speech())) + speech(), "audio/pcm"
    assert b"".join((await speak(deps, server))[1]) == speech()


async def test_samples_under_a_wrong_content_type_are_played(deps, server):
    server.speech = speech(), "audio/mpeg"
    assert b"".join((await speak(deps, server))[1]) == speech()


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"ID3\x04" + bytes(400), "audio/mpeg", "provider_bad_audio"),
        (b"\xff\xf3" + bytes(400), "audio/mpeg", "provider_bad_audio"),
        (b"OggS" + bytes(400), "application/octet-stream", "provider_bad_audio"),
        (b'{"error": {"message": "no such voice", "code": 400}}', "application/json", "provider_failed"),
        (b"<html>login</html>", "text/html", "provider_bad_answer"),
    ],
)
async def test_what_is_no_speech_is_not_played(deps, server, body, content_type, code):
    server.speech = body, content_type
    with pytest.raises(DependencyError) as caught:
        await speak(deps, server)
    assert caught.value.code == code


async def test_closing_the_streamhangs_up(deps, server):
    server.hang = True
    async with registry.create("llm", "openai", {"base_url": server.base_url}, deps) as llm:
        stream = llm.respond(REQUEST)
        assert await anext(stream) == TextDelta("Hello")
        await stream.aclose()
        async with time_limit():
            await server.hung_up.wait()


async def test_a_vendor_that_says_nothing_times_out(deps, server):
    server.hang, server.chunks = True, say()
    with pytest.raises(DependencyError) as caught:
        await answer(deps, server, timeout_s=0.2)
    assert caught.value.code == "provider_timeout"


async def test_nobody_there(deps):
    async with registry.create("llm", "openai", {"base_url": "http://127.0.0.1:9/v1", "max_retries": 0}, deps) as llm:
        with pytest.raises(DependencyError) as caught:
            [event async for event in llm.respond(REQUEST)]
    assert (caught.value.code, caught.value.retryable) == ("provider_unreachable", True)


@pytest.mark.parametrize("kind", ["stt", "llm", "tts"])
async def test_a_missing_key_is_named(kind):
    async with httpx2.AsyncClient() as http:
        with pytest.raises(UsageError) as caught:
            registry.create(kind, "groq", {}, Deps(SystemClock(), http))
    assert caught.value.code == "missing_api_key"
    assert "api_keys.groq" in str(caught.value)
    assert "GROQ_API_KEY" in str(caught.value)


def listen(deps, server, on_partial=lambda _: None, **options):
    driver = registry.create("stt", "openai", {"base_url": server.base_url, **options}, deps)
    return driver.open_stream(on_partial, language="en-GB")


async def test_an_utterance_is_uploaded_as_wav(deps, server):
    stream = listen(deps, server)
    stream.start(SpeechHints(phrases=("Vox", "relay")))
    stream.push(LOUD)
    transcript = await stream.finish()
    await stream.aclose()
    assert (transcript.text, transcript.is_final) == ("hello", True)
    (seen,) = server.seen
    assert seen.form == {"model": "whisper-1", "response_format": "json", "language": "en", "prompt": "Vox, relay"}
    with wave.open(io.BytesIO(seen.files["file"])) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.readframes(file.getnframes()) == LOUD


async def test_whisper_is_a_server_where_one_is_named(server):
    async with httpx2.AsyncClient() as http:
        environment = {"WHISPER_BASE_URL": server.base_url, "OPENAI_API_KEY": "openais-key"}
        deps = Deps(SystemClock(), http, environment=environment)
        stream = registry.create("stt", "whisper", {}, deps).open_stream(lambda _: None)
        stream.start(None)
        stream.push(LOUD)
        assert (await stream.finish()).text == "hello"
        await stream.aclose()
        here = registry.create("stt", "whisper", {}, Deps(SystemClock(), http, environment={"OPENAI_API_KEY": "k"}))
    assert type(here).__name__ == "Whisper", "on this machine"
    assert server.seen[0].form["model"] == "whisper-1"
    assert server.seen[0].key == "none", "OpenAI's key is for OpenAI"


async def test_the_upload_begins_at_the_pause_and_serves_the_end(deps, server):
    stream = listen(deps, server)
    stream.start(None)
    stream.push(LOUD)
    stream.pause()
    stream.push(QUIET)
    assert (await stream.finish()).text == "hello"
    await stream.aclose()
    assert len(server.seen) == 1
    assert LOUD in server.seen[0].files["file"]


async def test_the_text_up_to_a_pause_is_told_while_the_caller_may_go_on(deps, server):
    told: asyncio.Queue[Transcript] = asyncio.Queue()
    stream = listen(deps, server, told.put_nowait)
    stream.start(None)
    stream.push(LOUD)
    stream.pause()
    async with time_limit():
        transcript = await told.get()
    assert (transcript.text, transcript.is_final, transcript.at_pause) == ("hello", False, True)
    assert (await stream.finish()).text == "hello"
    assert told.empty()
    await stream.aclose()


async def test_speech_that_goes_on_takes_the_upload_back(deps, server):
    server.hang = True
    stream = listen(deps, server)
    stream.start(None)
    stream.push(LOUD)
    stream.pause()
    await server.has_seen(1)
    stream.push(LOUD)
    async with time_limit():
        await server.hung_up.wait()
    server.hang = False
    assert (await stream.finish()).text == "hello"
    await stream.aclose()
    assert LOUD * 2 in server.seen[-1].files["file"]


async def test_a_failed_early_upload_is_done_again(deps, server):
    server.failures = [Failure(400)]
    stream = listen(deps, server)
    stream.start(None)
    stream.push(LOUD)
    stream.pause()
    await server.has_seen(1)
    while not stream._upload.done():  # noqa: ASYNC110  white-box: the upload belongs to the stream
        await asyncio.sleep(0.001)
    assert (await stream.finish()).text == "hello"
    assert len(server.seen) == 2
    await stream.aclose()


async def test_a_click_is_not_uploaded(deps, server):
    stream = listen(deps, server)
    stream.start(None)
    stream.push(LOUD[:320])
    assert (await stream.finish()).text == ""
    await stream.aclose()
    assert server.seen == []


async def test_an_utterance_is_bounded(deps, server):
    stream = listen(deps, server, max_utterance_s=1)
    stream.start(None)
    for _ in range(20):
        stream.push(LOUD)
    await stream.finish()
    await stream.aclose()
    assert len(server.seen[0].files["file"]) == 44 + 32_000


async def speak(deps, server, name="openai", **options):
    async with registry.create("tts", name, {"base_url": server.base_url, **options}, deps) as tts:
        return tts.sample_rate, [
            chunk.pcm async for chunk in tts.synthesize("Good morning.", voice=options.get("voice"))
        ]


async def test_speech_is_streamed_as_pcm(deps, server):
    rate, pieces = await speak(deps, server)
    assert rate == 24_000
    assert b"".join(pieces) == speech()
    assert all(len(piece) % 2 == 0 for piece in pieces)
    assert server.seen[0].json == {
        "model": "tts-1",
        "voice": "alloy",
        "input": "Good morning.",
        "response_format": "pcm",
    }


async def test_a_vendor_with_wav_only(deps, server):
    rate, pieces = await speak(deps, server, "groq")
    assert (rate, b"".join(pieces)) == (24_000, speech())
    assert server.seen[0].json["response_format"] == "wav"
    assert server.seen[0].json["model"] == "canopylabs/orpheus-v1-english"


async def test_another_rate_than_announced_is_no_speech(deps, server):
    with pytest.raises(DependencyError) as caught:
        await speak(deps, server, "groq", sample_rate=16_000)
    assert caught.value.code == "provider_bad_audio"
    assert "24000" in str(caught.value)


async def test_speech_broken_off(deps, server):
    server.break_after = 5
    with pytest.raises(DependencyError) as caught:
        await speak(deps, server)
    assert caught.value.code == "provider_unreachable"


async def test_speech_refused(deps, server):
    server.failures = [Failure(429, {"Retry-After": "3"})]
    with pytest.raises(DependencyError) as caught:
        await speak(deps, server)
    assert (caught.value.code, caught.value.retry_after_s) == ("provider_rate_limited", 3.0)


async def test_closing_the_speech_hangs_up(deps, server):
    server.hang = True
    async with registry.create("tts", "openai", {"base_url": server.base_url}, deps) as tts:
        stream = tts.synthesize("Good morning.")
        await anext(stream)
        await stream.aclose()
        async with time_limit():
            await server.hung_up.wait()
