"""The recognisers that upload whole utterances, by name, against a server that speaks each vendor's wire on a real port."""

import asyncio
import io
import wave
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import httpx2
import pytest
from starlette.responses import JSONResponse, Response

from tests.fakes.vendors.upload_vendor import UploadVendor
from tests.require import require
from tests.time_limits import WAIT_S, time_limit
from vox.errors import DependencyError
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.stt.contract import SttStream, Transcript
from vox.runtime.clock import SystemClock

LOUD = b"\x00\x40\x00\xc0"
SHORT_S = 0.3


@dataclass(frozen=True)
class Uploading:
    """A driver that uploads, and what it covers."""

    driver: str
    path: str
    key: str
    key_header: str
    file_field: str
    form: dict[str, str]
    answer: Callable[[str], dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    language: str = "en-IN"
    words: int = 0
    needs: str = ""
    untested: str = "accuracy, and the vendor's own latency"


ROWS = [
    Uploading(
        "camb", "/v1/transcribe", "camb", "x-api-key", "audio", {"language": "en-IN"}, lambda text: {"text": text}
    ),
    Uploading(
        "elevenlabs",
        "/v1/speech-to-text",
        "elevenlabs",
        "xi-api-key",
        "file",
        {"model_id": "scribe_v1", "language_code": "en", "tag_audio_events": "false"},
        lambda text: {
            "text": text,
            "language_code": "eng",
            "words": [
                {"text": word, "start": n * 0.2, "end": n * 0.2 + 0.2, "type": "word", "logprob": 0.0}
                for n, word in enumerate(text.split())
            ],
        },
        {"model": "scribe_v1"},
        language="eng",
        words=3,
    ),
    Uploading(
        "openai",
        "/audio/transcriptions",
        "openai",
        "authorization",
        "file",
        {"model": "whisper-1", "response_format": "json", "language": "en"},
        lambda text: {"text": text},
        language="en-IN",
        needs="openai",
    ),
    Uploading(
        "sarvam",
        "/speech-to-text",
        "sarvam",
        "api-subscription-key",
        "file",
        {"model": "saarika:v2.5", "language_code": "en-IN", "input_audio_codec": "wav"},
        lambda text: {"request_id": "r", "transcript": text, "language_code": "en-IN"},
        {"streaming": False},
    ),
]


@asynccontextmanager
async def calling(
    row: Uploading, partials: list[Transcript] | None = None, **options: Any
) -> AsyncGenerator[tuple[UploadVendor, SttStream], None]:
    if row.needs:
        require(find_spec(row.needs) is not None, row.needs, f"pip install '.[{row.needs}]'")
    async with AsyncExitStack() as stack:
        vendor = UploadVendor(row.path, row.answer)
        await stack.enter_async_context(vendor.serving())
        http = await stack.enter_async_context(httpx2.AsyncClient())
        deps = Deps(SystemClock(), http, {row.key: "k1"})
        given = {"base_url": vendor.url, "timeout_s": WAIT_S, **row.options, **options}
        driver = await stack.enter_async_context(registry.create("stt", row.driver, given, deps))
        stream = driver.open_stream((partials if partials is not None else []).append, language="en-IN")
        stack.push_async_callback(stream.aclose)
        yield vendor, stream


def say(stream: SttStream) -> None:
    stream.start(None)
    stream.push(LOUD * 8000)


@pytest.fixture(params=ROWS, ids=lambda row: row.driver)
def row(request: pytest.FixtureRequest) -> Uploading:
    return request.param


async def finish(stream: SttStream) -> Transcript:
    async with time_limit():
        return await stream.finish()


async def test_an_utterance_goes_up_as_a_wav_file(row):
    async with calling(row) as (vendor, stream):
        say(stream)
        transcript = await finish(stream)
        (seen,) = vendor.seen
    assert (transcript.text, transcript.language, len(transcript.words)) == ("book a table", row.language, row.words)
    assert seen.headers[row.key_header].removeprefix("Bearer ") == "k1"
    assert seen.form == row.form
    with wave.open(io.BytesIO(seen.files[row.file_field])) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16_000, 1, 16_000)
        assert file.readframes(16_000) == LOUD * 8000


async def test_a_pause_brings_the_text_and_the_turn_ends_by_it(row):
    partials: list[Transcript] = []
    async with calling(row, partials) as (vendor, stream):
        say(stream)
        stream.pause()
        async with time_limit():
            while not partials:  # noqa: ASYNC110  the driver calls a plain function
                await asyncio.sleep(0.01)
        assert (partials[0].text, partials[0].at_pause) == ("book a table", True)
        assert (await finish(stream)).text == "book a table"
        assert len(vendor.seen) == 1


async def test_a_cancel_ends_the_upload_at_the_vendor(row):
    async with calling(row) as (vendor, stream):
        vendor.hangs = True
        say(stream)
        stream.pause()
        async with time_limit():
            while not vendor.seen:  # noqa: ASYNC110  the server's side is another task
                await asyncio.sleep(0.01)
            stream.cancel()
            await vendor.hung_up.wait()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda: JSONResponse({"detail": "no"}, 401), "provider_refused_key"),
        (lambda: JSONResponse({"detail": "slow down"}, 429, {"Retry-After": "7"}), "provider_rate_limited"),
        (lambda: JSONResponse({"detail": "cannot decode"}, 400), "provider_failed"),
        (lambda: Response("<html>", 200), "provider_bad_answer"),
        (lambda: JSONResponse({"other": 1}), "provider_bad_answer"),
    ],
    ids=["refused", "rate limit", "error", "garbage", "no text"],
)
async def test_failures_are_told(row, answer, code):
    async with calling(row) as (vendor, stream):
        vendor.answers = [answer()]
        say(stream)
        with pytest.raises(DependencyError) as caught:
            await finish(stream)
        assert caught.value.code == code
        assert len(vendor.seen) == 1, "what does not pass at once is not tried again"
        if code == "provider_rate_limited":
            assert caught.value.retry_after_s == 7.0
        if code == "provider_refused_key":
            assert row.key.upper() in str(caught.value)


async def test_a_failure_that_may_pass_is_tried_again_at_once(row):
    async with calling(row) as (vendor, stream):
        vendor.answers = [Response("busy", 503)]
        say(stream)
        assert (await finish(stream)).text == "book a table"
        assert len(vendor.seen) == 2


async def test_a_connection_lost_in_an_upload_is_tried_again_once(row):
    async with calling(row) as (vendor, stream):
        vendor.breaks = 1
        say(stream)
        assert (await finish(stream)).text == "book a table"
        vendor.breaks = 2
        say(stream)
        with pytest.raises(DependencyError) as caught:
            await finish(stream)
        assert (caught.value.code, caught.value.retryable) == ("provider_unreachable", True)


async def test_silence_for_ever_ends_at_the_deadline(row):
    async with calling(row, timeout_s=SHORT_S) as (vendor, stream):
        vendor.hangs = True
        say(stream)
        with pytest.raises(DependencyError) as caught:
            await finish(stream)
        assert caught.value.code == "provider_timeout"
