"""Every vendor's speech driver, by name, against a server that speaks that vendor's wire on a real port."""

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from random import Random
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.fakes.vendors.speech_vendor import KEY, Refusal, SpeechVendor, running, tone
from tests.fakes.vendors.speech_vendors import SPEECH_VENDORS
from tests.time_limits import time_limit
from vox.errors import DependencyError, UsageError
from vox.providers import _openai, registry
from vox.providers.contract import Deps
from vox.providers.tts import _vendor
from vox.providers.tts.contract import SpeechChunk
from vox.runtime.clock import SystemClock

SENTENCE = "Good morning, the café opens at nine o'clock."
SHORT_S = 0.3
"""A driver's deadline, where the test waits for it to pass."""

TLS = ssl.create_default_context()
"""Loading the certificates takes a tenth of a second, which each client would spend."""

OPENAI_COMPATIBLE = set(_openai.SPEECH)
UNSPEAKABLE = re.compile("[\x00\x1b\ud800]")

NAMES = sorted(SPEECH_VENDORS)
WITH_WORDS = [name for name in NAMES if SPEECH_VENDORS[name].gives_words]
ON_SOCKETS = [name for name in NAMES if SPEECH_VENDORS[name].is_socket]
WORD_BY_WORD = [name for name in NAMES if SPEECH_VENDORS[name].takes_words]
REPORTING = [name for name in NAMES if SPEECH_VENDORS[name].in_band]
STREAMING = [name for name in NAMES if SPEECH_VENDORS[name].streams]
WITH_KEY = [name for name in NAMES if SPEECH_VENDORS[name].key_variable]
WITH_WAV = [name for name in NAMES if SPEECH_VENDORS[name].speaks_wav]


def client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(verify=TLS)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def servers() -> AsyncGenerator[dict[str, SpeechVendor], None]:
    """All vendors, started once: to start and stop a server takes longer than most tests here."""
    async with AsyncExitStack() as stack:
        running_ones = [await stack.enter_async_context(running(vendor())) for vendor in SPEECH_VENDORS.values()]
        yield {vendor.provider: vendor for vendor in running_ones}


@pytest.fixture(params=NAMES)
def vendor(request, servers, monkeypatch) -> SpeechVendor:
    monkeypatch.setattr(_vendor, "RETRY_PAUSE_S", 0.01)
    server = servers[request.param]
    server.reset()
    return server


def environment(vendor: SpeechVendor, key: str = KEY) -> dict[str, str]:
    places = {"GCE_METADATA_HOST": "127.0.0.1:1", **vendor.more_environment}
    return {**places, vendor.key_variable: key} if vendor.key_variable else places


@asynccontextmanager
async def driver(vendor: SpeechVendor, *, key: str = KEY, **options: Any) -> AsyncGenerator[Any, None]:
    given = {"base_url": vendor.base_url, **vendor.options, **options}
    async with client() as http:
        deps = Deps(SystemClock(), http, environment=environment(vendor, key))
        async with registry.create("tts", vendor.provider, given, deps) as tts:
            yield tts


async def speak(vendor: SpeechVendor, text: str = SENTENCE, *, key: str = KEY, **options: Any) -> list[SpeechChunk]:
    async with time_limit(), driver(vendor, key=key, **options) as tts:
        return [chunk async for chunk in tts.synthesize(text)]


async def failure(vendor: SpeechVendor, **options: Any) -> DependencyError:
    with pytest.raises(DependencyError) as caught:
        await speak(vendor, **options)
    return caught.value


def audio(chunks: list[SpeechChunk]) -> bytes:
    return b"".join(chunk.pcm for chunk in chunks)


def spoken(vendor: SpeechVendor, text: str = SENTENCE) -> bytes:
    return b"".join(sound.pcm for sound in vendor.sounds(text))


async def test_the_sentence_comes_back_to_the_sample(vendor):
    chunks = await speak(vendor)
    assert audio(chunks) == spoken(vendor)
    assert len(vendor.seen) >= 1


@pytest.mark.parametrize("text", ["", "   ", "\n", "\x00"])
async def test_there_is_nothing_to_say_to_an_empty_text(vendor, text):
    assert await speak(vendor, text) == []
    assert vendor.seen == []


async def test_any_text_is_spoken_as_words(vendor):
    texts = [
        "-x --help",
        "<b>bold</b> & [[x]] `rm` $HOME",
        "nul \x00 esc \x1b",
        "日本 🎉 ok",
        "\ud800 half",
        "a 'b' \"c\"",
    ]
    async with time_limit(), driver(vendor) as tts:
        for text in texts:
            assert audio([chunk async for chunk in tts.synthesize(f"Say {text} now")])
    received = {" ".join(vendor.text_of(seen).split()) for seen in vendor.seen}
    assert received == {" ".join(UNSPEAKABLE.sub(" ", f"Say {text} now").split()) for text in texts}


async def test_pieces_of_odd_sizes_are_joined_to_samples(vendor):
    vendor.odd_pieces = True
    chunks = await speak(vendor)
    assert all(len(chunk.pcm) % 2 == 0 for chunk in chunks)
    assert audio(chunks) == spoken(vendor)


@pytest.mark.parametrize("vendor", WITH_WORDS, indirect=True)
async def test_words_have_their_times(vendor):
    chunks = await speak(vendor)
    expected = [(word.text, word.start_s) for sound in vendor.sounds(SENTENCE) for word in sound.words]
    words = [word for chunk in chunks for word in chunk.words]
    assert [SENTENCE[word.start : word.end] for word in words] == [text for text, _ in expected]
    assert [word.at_s for word in words] == pytest.approx([at_s for _, at_s in expected], abs=0.03)


@pytest.mark.parametrize("vendor", ["aws"], indirect=True)
async def test_words_that_are_known_before_the_audio_ends_are_told_once(vendor):
    vendor.gate_after = 2
    async with time_limit(), driver(vendor) as tts, aclosing(tts.synthesize(SENTENCE)) as speech:
        chunks = [await anext(speech)]
        asking = [task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__name__", "") == "_marks"]
        await asyncio.gather(*asking)
        vendor.gate.set()
        chunks += [chunk async for chunk in speech]
    words = [SENTENCE[word.start : word.end] for chunk in chunks for word in chunk.words]
    assert words == SENTENCE.split()


@pytest.mark.parametrize("vendor", STREAMING, indirect=True)
async def test_the_first_audio_comes_before_the_last_is_made(vendor):
    vendor.gate_after = 2
    async with time_limit(), driver(vendor) as tts, aclosing(tts.synthesize(SENTENCE)) as speech:
        first = await anext(speech)
        assert first.pcm
        assert not vendor.gate.is_set()
        vendor.gate.set()
        rest = [chunk async for chunk in speech]
    assert audio([first, *rest]) == spoken(vendor)


async def test_a_cut_sentence_ends_at_the_vendor(vendor):
    vendor.hang_after = 2
    async with time_limit(), driver(vendor) as tts:
        speech = tts.synthesize(SENTENCE)
        if vendor.streams:
            await anext(speech)
            await vendor.reached.wait()
            await speech.aclose()
        else:
            waiting = asyncio.create_task(anext(speech))
            await vendor.reached.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await vendor.hung_up.wait()
        vendor.hang_after = None
        assert audio([chunk async for chunk in tts.synthesize("Yes.")]) == spoken(vendor, "Yes.")


@pytest.mark.parametrize("status", [500, 503])
async def test_a_failure_that_may_pass_is_tried_again_once(vendor, status):
    vendor.refusals = [Refusal(status)]
    assert audio(await speak(vendor)) == spoken(vendor)
    vendor.refusals = [Refusal(status), Refusal(status)]
    error = await failure(vendor)
    assert (error.code, error.retryable) == ("provider_failed", True)
    assert "the vendor says" in str(error)


async def test_a_mistake_of_ours_is_not_repeated(vendor):
    vendor.refusals = [Refusal(400)]
    error = await failure(vendor)
    assert (error.code, error.retryable, len(vendor.seen)) == ("provider_failed", False, vendor.requests)
    assert "the vendor says 400" in str(error)


async def test_a_rate_limit_says_when_to_come_back(vendor):
    vendor.refusals = [Refusal(429, {"Retry-After": "7"})]
    error = await failure(vendor)
    assert (error.code, error.retryable, error.retry_after_s) == ("provider_rate_limited", True, 7.0)
    assert len(vendor.seen) == vendor.requests, "a caller does not wait seven seconds"


@pytest.mark.parametrize("vendor", WITH_KEY, indirect=True)
async def test_a_refused_key_names_where_it_stands(vendor):
    error = await failure(vendor, key="a-wrong-key")
    assert (error.code, error.retryable) == ("provider_refused_key", False)
    assert vendor.key_variable in str(error)
    assert f"api_keys.{vendor.key_name}" in str(error)
    assert "a-wrong-key" not in str(error)


@pytest.mark.parametrize("vendor", WITH_KEY, indirect=True)
async def test_a_missing_key_is_said_before_any_call(vendor):
    async with client() as http:
        places = environment(vendor)
        del places[vendor.key_variable]
        deps = Deps(SystemClock(), http, environment=places)
        with pytest.raises(UsageError) as caught:
            async with registry.create("tts", vendor.provider, dict(vendor.options), deps):
                pass
    assert caught.value.code == "missing_api_key"
    assert vendor.key_variable in str(caught.value)


async def test_a_connection_lost_in_mid_sentence_is_an_error(vendor):
    vendor.break_after = 3
    error = await failure(vendor, max_retries=0)
    assert (error.code, error.retryable) == ("provider_unreachable", True)


async def test_a_vendor_that_never_answers_has_a_deadline(vendor):
    vendor.is_silent = True
    error = await failure(vendor, timeout_s=SHORT_S)
    assert (error.code, error.retryable) == ("provider_timeout", True)
    assert len(vendor.seen) == vendor.requests, "the caller has waited long enough"


async def test_a_vendor_that_falls_silent_has_a_deadline(vendor):
    vendor.hang_after = 2
    error = await failure(vendor, timeout_s=SHORT_S)
    assert (error.code, error.retryable) == ("provider_timeout", True)
    async with time_limit():
        await vendor.hung_up.wait()


@pytest.mark.parametrize("vendor", REPORTING, indirect=True)
async def test_an_error_inside_an_answer_is_understood(vendor):
    vendor.garbage = vendor.in_band
    error = await failure(vendor, max_retries=0)
    assert (error.code, error.retryable) == ("provider_rate_limited", True)
    assert "slow down" in str(error)


GARBAGE = {
    "html": b"<html><body>Bad gateway</body></html>",
    "bytes": b"\x00\xff\xfe{{{",
    "wrong-types": b'{"audio_base64": 5, "data": "!!!", "audio": [1]}',
    "list": b"[]",
    "nothing": b"",
    "mp3": b"ID3\x04\x00mp3",
}
DAMAGED_ANSWERS = 12
CODES = {
    "",
    "provider_bad_answer",
    "provider_bad_audio",
    "provider_failed",
    "provider_rate_limited",
    "provider_refused_key",
    "provider_timeout",
    "provider_unreachable",
}
"""What a damaged answer may be: speech after all, or an error that names the vendor."""
NO_SAMPLES = ("nothing", "mp3")
"""What bare samples cannot be: they have no other form that could be wrong."""


@pytest.mark.parametrize(
    ("vendor", "garbage"),
    [(name, kind) for name in NAMES for kind in (NO_SAMPLES if SPEECH_VENDORS[name].is_raw else GARBAGE)],
    indirect=["vendor"],
)
async def test_garbage_is_never_played(vendor, garbage):
    vendor.garbage = GARBAGE[garbage]
    error = await failure(vendor, max_retries=0)
    assert error.code in {"provider_bad_answer", "provider_bad_audio", "provider_failed"}


async def outcome(tts) -> tuple[list[SpeechChunk], str]:
    """What is spoken of a sentence, and the code of the error that ends it, empty without one."""
    chunks: list[SpeechChunk] = []
    try:
        async for chunk in tts.synthesize("Two words."):
            chunks.append(chunk)  # noqa: PERF401  what comes before an error counts
    except DependencyError as error:
        return chunks, error.code
    return chunks, ""


async def test_a_damaged_answer_is_spoken_or_an_error_of_the_vendor(vendor):
    async with time_limit(), driver(vendor, max_retries=0, timeout_s=SHORT_S) as tts:
        for seed in range(DAMAGED_ANSWERS):
            vendor.damage = Random(seed)
            chunks, code = await outcome(tts)
            assert code in CODES, seed
            assert all(len(chunk.pcm) % 2 == 0 for chunk in chunks), seed
            assert all(0 <= word.start < word.end <= 10 for chunk in chunks for word in chunk.words), seed
        vendor.damage = None
        assert audio([chunk async for chunk in tts.synthesize("Yes.")]) == spoken(vendor, "Yes.")


@pytest.mark.parametrize("vendor", WITH_WAV, indirect=True)
async def test_speech_of_another_rate_is_refused(vendor):
    vendor.stated_rate = 11_025
    error = await failure(vendor)
    assert error.code == "provider_bad_audio"
    assert "11025" in str(error)


async def test_the_vendors_address_can_come_from_the_environment(vendor):
    async with time_limit(), client() as http:
        places = {**environment(vendor), vendor.address_variable: vendor.base_url}
        async with registry.create(
            "tts", vendor.provider, vendor.options, Deps(SystemClock(), http, {}, places)
        ) as tts:
            assert [chunk async for chunk in tts.synthesize("Yes.")]


async def test_sentences_at_once_do_not_mix(vendor):
    texts = ["One.", "Two words.", "Now three words.", "And these are a few more words."]
    async with time_limit(), driver(vendor) as tts:

        async def one(text: str) -> bytes:
            return audio([chunk async for chunk in tts.synthesize(text)])

        assert await asyncio.gather(*map(one, texts)) == [spoken(vendor, text) for text in texts]


@pytest.mark.parametrize("vendor", ON_SOCKETS, indirect=True)
async def test_a_socket_serves_one_sentence_after_the_other(vendor):
    async with time_limit(), driver(vendor) as tts:
        for text in ("One.", "Two words.", "Three."):
            assert audio([chunk async for chunk in tts.synthesize(text)]) == spoken(vendor, text)
    assert vendor.handshakes == 1


@pytest.mark.parametrize("vendor", ON_SOCKETS, indirect=True)
async def test_a_socket_that_the_vendor_closed_meanwhile_is_replaced(vendor):
    async with time_limit(), driver(vendor) as tts:
        assert [chunk async for chunk in tts.synthesize("One.")]
        vendor.break_after = 0
        with pytest.raises(DependencyError):
            await anext(tts.synthesize("Two."))
        vendor.break_after = None
        assert audio([chunk async for chunk in tts.synthesize("Three.")]) == spoken(vendor, "Three.")


class Written:
    """A sentence that is written part by part; the rest waits until `go_on` is set."""

    def __init__(self, *parts: str, waits_at: int | None = None) -> None:
        self.go_on = asyncio.Event()
        self._parts = list(parts)
        self._waits_at = waits_at

    async def __aiter__(self) -> AsyncGenerator[str, None]:
        for number, part in enumerate(self._parts):
            if number == self._waits_at:
                await self.go_on.wait()
            yield part


PARTS = ("Well, the kitchen ", "is open today ", "from noon ", "until ten at night.")


@pytest.mark.parametrize("vendor", WORD_BY_WORD, indirect=True)
async def test_a_sentence_that_is_still_written_is_heard_already(vendor):
    sentence = Written(*PARTS, waits_at=2)
    async with time_limit(), driver(vendor) as tts:
        assert tts.takes_words
        async with aclosing(tts.synthesize_stream(sentence)) as speech:
            chunks = [await anext(speech)]
            assert chunks[0].pcm
            sentence.go_on.set()
            chunks += [chunk async for chunk in speech]
    text = "".join(PARTS)
    assert audio(chunks) == spoken(vendor, text)
    if vendor.gives_words:
        words = [word for chunk in chunks for word in chunk.words]
        assert [text[word.start : word.end] for word in words] == text.split()


@pytest.mark.parametrize("vendor", WORD_BY_WORD, indirect=True)
async def test_a_written_sentence_that_is_cut_ends_at_the_vendor(vendor):
    async with time_limit(), driver(vendor) as tts:
        speech = tts.synthesize_stream(Written(*PARTS, waits_at=2))
        await anext(speech)
        await speech.aclose()
        assert audio([chunk async for chunk in tts.synthesize("Yes.")]) == spoken(vendor, "Yes.")


@pytest.mark.parametrize("vendor", WORD_BY_WORD, indirect=True)
async def test_a_written_sentence_that_failed_unheard_is_asked_for_as_a_whole(vendor):
    vendor.refusals = [Refusal(503)]
    async with time_limit(), driver(vendor) as tts:
        chunks = [chunk async for chunk in tts.synthesize_stream(Written(*PARTS))]
    assert audio(chunks) == spoken(vendor, "".join(PARTS))


@pytest.mark.parametrize("vendor", WORD_BY_WORD, indirect=True)
async def test_a_written_sentence_that_breaks_off_is_an_error(vendor):
    vendor.break_after = 2
    async with time_limit(), driver(vendor) as tts:
        with pytest.raises(DependencyError):
            _ = [chunk async for chunk in tts.synthesize_stream(Written(*PARTS))]


@pytest.mark.parametrize("vendor", WORD_BY_WORD, indirect=True)
async def test_words_are_not_taken_where_the_operator_says_so(vendor):
    async with driver(vendor, takes_words=False) as tts:
        assert not tts.takes_words


async def test_every_vendors_driver_is_played():
    drivers = {name for name in registry.names("tts") if _is_vendors(name)}
    assert drivers | OPENAI_COMPATIBLE == set(SPEECH_VENDORS)


def _is_vendors(name: str) -> bool:
    try:
        return issubclass(registry.load("tts", name).Config, _vendor.VendorOptions)
    except UsageError:
        return False


async def test_the_tone_is_audible():
    assert max(memoryview(tone(100)).cast("h")) > 7000
