"""Every vendor's streaming recogniser, by name, against a server that speaks the vendor's wire on a real port.

`stt_vendors.py` has a row for each driver that says what is covered.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from tests.contract.providers.stt_vendors import STREAMING, Streaming
from tests.fakes.vendors.socket_vendor import Refusal, SocketVendor, running
from tests.time_limits import WAIT_S, time_limit
from vox.errors import DependencyError, UsageError
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.stt.contract import SpeechHints, SttStream, Transcript
from vox.runtime.clock import SystemClock

LOUD = b"\x00\x40\x00\xc0"
SHORT_S = 0.3
"""A deadline that is meant to be missed."""


@dataclass
class Call:
    """One call's stream, with what it told."""

    row: Streaming
    vendor: SocketVendor
    stt: Any
    stream: SttStream
    partials: list[Transcript] = field(default_factory=list[Transcript])
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, seconds: float = 1.0) -> None:
        """Loud audio, in pieces of 20 ms."""
        self._push(LOUD * int(seconds * self.stt.sample_rate / 2))

    def rest(self, seconds: float = 0.3) -> None:
        """Silence."""
        self._push(bytes(int(seconds * self.stt.sample_rate) * 2))

    def _push(self, pcm: bytes) -> None:
        size = self.stt.sample_rate // 50 * 2
        for start in range(0, len(pcm), size):
            self.stream.push(pcm[start : start + size])

    async def until(self, condition: Any) -> None:
        """Waits for interim texts of which something holds."""
        async with time_limit():
            while not condition():
                self.told.clear()
                await self.told.wait()

    async def finish(self) -> Transcript:
        async with time_limit():
            return await self.stream.finish()


@asynccontextmanager
async def calling(row: Streaming, language: str | None = "en", **options: Any) -> AsyncGenerator[Call]:
    async with AsyncExitStack() as stack:
        vendor = row.vendor()
        await stack.enter_async_context(running(vendor))
        http = await stack.enter_async_context(httpx2.AsyncClient())
        deps = Deps(SystemClock(), http, row.keys)
        patience = {"timeout_s": WAIT_S, "connect_timeout_s": WAIT_S}
        given = {"base_url": vendor.url, **patience, **row.options, **options}
        stt = await stack.enter_async_context(registry.create("stt", row.driver, given, deps))
        call: Call

        def partial(transcript: Transcript) -> None:
            call.partials.append(transcript)
            call.told.set()

        call = Call(row, vendor, stt, stt.open_stream(partial, language=language))
        stack.push_async_callback(call.stream.aclose)
        yield call


@pytest.fixture(params=STREAMING, ids=lambda row: row.driver)
def row(request: pytest.FixtureRequest) -> Streaming:
    return request.param


async def test_texts_stream_while_the_caller_speaks(row):
    async with calling(row) as call:
        call.stream.start(None)
        call.say()
        if row.has_interims:
            await call.until(lambda: call.partials and call.partials[-1].text == "book a table")
            assert call.partials[0].text in {"book", "book a", "book a table"}
            assert not any(partial.is_final or partial.at_pause for partial in call.partials)
        transcript = await call.finish()
        assert (transcript.text, transcript.is_final) == ("book a table", True)
        assert transcript.confidence == (pytest.approx(row.confidence) if row.confidence else None)
        assert transcript.language == (row.language or "en")
        if row.word_s:
            assert [word.text for word in transcript.words] == ["book", "a", "table"]
            assert (transcript.words[1].start_s, transcript.words[1].end_s) == pytest.approx(row.word_s)


async def test_the_vendor_gets_the_audio_whole_and_the_key(row):
    async with calling(row) as call:
        call.stream.start(None)
        call.say(0.7)
        call.rest(0.1)
        await call.finish()
        seen = call.vendor.connections[-1]
        assert bytes(seen.audio) == LOUD * int(0.35 * call.stt.sample_rate) + bytes(int(0.1 * call.stt.sample_rate) * 2)
        carried = str(seen.query) if call.vendor.key_header == "query" else seen.headers[call.vendor.key_header]
        assert next(iter(row.keys.values())) in carried


async def test_a_pause_brings_the_text_and_the_turn_ends_by_it(row):
    async with calling(row) as call:
        call.stream.start(None)
        call.say()
        call.stream.pause()
        await call.until(lambda: any(partial.at_pause for partial in call.partials))
        assert call.partials[-1].text == "book a table"
        call.rest()
        flushes = sum(seen.flushes for seen in call.vendor.connections)
        assert (await call.finish()).text == "book a table"
        assert sum(seen.flushes for seen in call.vendor.connections) == flushes, "the text was known"


async def test_speech_that_goes_on_behind_a_pause_joins_the_text(row):
    async with calling(row) as call:
        call.vendor.texts = ["book a table", "for two"]
        call.stream.start(None)
        call.say()
        call.stream.pause()
        await call.until(lambda: any(partial.at_pause for partial in call.partials))
        call.rest(0.2)
        call.say()
        assert (await call.finish()).text == "book a table for two"


async def test_an_utterance_behind_another_begins_anew(row):
    async with calling(row) as call:
        call.vendor.texts = ["book a table", "thank you"]
        for text in call.vendor.texts:
            call.stream.start(None)
            call.say()
            assert (await call.finish()).text == text
        assert len(call.vendor.connections) == (2 if row.options.get("idle_s") == 0 else 1)


@pytest.mark.parametrize("row", [row for row in STREAMING if row.word_s], ids=lambda row: row.driver)
async def test_words_count_from_the_beginning_of_their_utterance(row):
    async with calling(row) as call:
        transcripts: list[Transcript] = []
        for _ in range(2):
            call.stream.start(None)
            call.say()
            transcripts.append(await call.finish())
        assert all(word.start_s >= 0 for word in transcripts[1].words)


@pytest.mark.parametrize("row", [row for row in STREAMING if row.finds_phrases], ids=lambda row: row.driver)
async def test_expected_phrases_reach_the_vendor(row):
    async with calling(row, keyterms=["Voxray"]) as call:
        call.stream.start(SpeechHints(phrases=("Anna Bell", "Voxray", "yes?")))
        call.say()
        await call.finish()
        assert row.finds_phrases(call.vendor) == ["Voxray", "Anna Bell", "yes"]


async def test_a_cancel_ends_the_utterance_at_the_vendor(row):
    async with calling(row) as call:
        call.stream.start(None)
        call.say()
        await call.vendor.until(lambda: call.vendor.connections and call.vendor.connections[-1].audio)
        call.stream.cancel()
        async with time_limit():
            await call.vendor.connections[-1].closed.wait()
        call.partials.clear()
        call.stream.start(None)
        call.say()
        assert (await call.finish()).text == "book a table"


async def test_a_cancelled_finish_leaves_no_trace(row):
    async with calling(row) as call:
        call.vendor.faults = ["silent"]
        call.stream.start(None)
        call.say()
        waiting = asyncio.create_task(call.stream.finish())
        await call.vendor.until(lambda: call.vendor.connections and call.vendor.connections[0].flushes)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        call.stream.start(None)
        call.say()
        assert (await call.finish()).text == "book a table"


async def test_the_end_of_the_call_ends_the_connection(row):
    async with calling(row) as call:
        call.stream.start(None)
        call.say()
        await call.vendor.until(lambda: call.vendor.connections and call.vendor.connections[-1].audio)
        async with time_limit():
            await call.stream.aclose()
            await call.stream.aclose()
            await call.vendor.connections[-1].closed.wait()


async def test_a_short_noise_is_no_speech(row):
    async with calling(row) as call:
        call.stream.start(None)
        call.say(0.05)
        assert (await call.finish()).text == ""


async def failed(call: Call, code: str) -> DependencyError:
    call.stream.start(None)
    call.say()
    with pytest.raises(DependencyError) as caught:
        await call.finish()
    assert caught.value.code == code, caught.value
    return caught.value


async def test_a_refused_key_is_named(row):
    async with calling(row, idle_s=0) as call:
        call.vendor.refusals = [Refusal(401)] * 2
        error = await failed(call, "provider_refused_key")
        assert row.key_words in str(error)
        assert not error.retryable
        assert not any(key in str(error) for key in row.keys.values())


async def test_a_rate_limit_says_when_to_come_back(row):
    async with calling(row, idle_s=0) as call:
        call.vendor.refusals = [Refusal(429, {"Retry-After": "7"})] * 2
        error = await failed(call, "provider_rate_limited")
        assert (error.retryable, error.retry_after_s) == (True, 7.0 if row.has_retry_after else None)
        if row.has_retry_after:
            assert len(call.vendor.refusals) == 1, "a caller does not wait for seven seconds"


async def test_a_reported_error_is_told_in_the_vendors_words(row):
    async with calling(row, idle_s=0) as call:
        call.vendor.faults = ["failure"] * 2
        call.stream.start(None)
        call.say()
        with pytest.raises(DependencyError, match="cannot decode") as caught:
            await call.finish()
        assert caught.value.code == "provider_failed"


async def test_a_connection_that_breaks_in_mid_sentence_is_made_anew(row):
    async with calling(row, idle_s=0) as call:
        call.vendor.faults = ["disconnect"]
        call.stream.start(None)
        call.say()
        assert (await call.finish()).text == "book a table"
        assert bytes(call.vendor.connections[-1].audio) == LOUD * (call.stt.sample_rate // 2), "it got all of it again"


async def test_a_connection_that_breaks_again_is_a_failure(row):
    async with calling(row, idle_s=0) as call:
        call.vendor.faults = ["disconnect"] * 2
        assert (await failed(call, "provider_unreachable")).retryable
        call.stream.start(None)
        call.say()
        assert (await call.finish()).text == "book a table", "the next utterance has a new chance"


async def test_garbage_is_a_failure(row):
    async with calling(row, idle_s=0) as call:
        call.vendor.faults = ["garbage"]
        await failed(call, "provider_bad_answer")


@pytest.mark.parametrize("fault", ["mute", "never_ready"])
async def test_silence_for_ever_ends_at_the_deadline(row, fault):
    async with calling(row, timeout_s=SHORT_S, idle_s=0) as call:
        call.vendor.faults = [fault] * 3
        await failed(call, "provider_timeout")


async def test_nothing_listens(row):
    async with calling(row, base_url=row.nothing_listens, idle_s=0) as call:
        await failed(call, "provider_unreachable")


@pytest.mark.parametrize(
    "row", [row for row in STREAMING if row.driver not in {"aws", "google"}], ids=lambda row: row.driver
)
async def test_a_missing_key_is_named(row):
    async with httpx2.AsyncClient() as http:
        with pytest.raises(UsageError) as caught:
            registry.create("stt", row.driver, {}, Deps(SystemClock(), http))
    assert row.key_words in str(caught.value)


async def test_missing_google_credentials_and_projects_are_named_at_start():
    async with httpx2.AsyncClient() as http:
        for keys, missing in (({"google": "k1"}, "GOOGLE_CLOUD_PROJECT"), ({}, "GOOGLE_APPLICATION_CREDENTIALS")):
            environment = {"GCE_METADATA_HOST": "127.0.0.1:9"}
            driver = registry.create("stt", "google", {}, Deps(SystemClock(), http, keys, environment))
            with pytest.raises(UsageError, match=missing):
                await driver.__aenter__()


async def test_missing_aws_credentials_are_named_at_start():
    environment = {"AWS_EC2_METADATA_DISABLED": "true"}
    async with httpx2.AsyncClient() as http:
        driver = registry.create("stt", "aws", {}, Deps(SystemClock(), http, environment=environment))
        with pytest.raises(UsageError, match="AWS_SECRET_ACCESS_KEY"):
            await driver.__aenter__()
