"""The fake synthesiser on virtual time."""

import pytest

from vox.errors import DependencyError
from vox.providers.tts.fake import Config, FakeTextToSpeech, tone


async def spoken(text: str, **options):
    return [chunk async for chunk in FakeTextToSpeech(Config(**options)).synthesize(text)]


async def test_a_sentence_lasts_as_long_as_told():
    chunks = await spoken("Hello there", duration_s=0.5, sample_rate=8000)
    assert [len(chunk.pcm) for chunk in chunks] == [3200, 3200, 1600]


async def test_a_longer_sentence_lasts_longer():
    assert len(await spoken("word " * 30)) > len(await spoken("word"))


async def test_words_are_spread_by_their_letters():
    text = "ab cd  éf"
    chunks = await spoken(text, duration_s=0.9, block_s=0.3)
    words = [[(text[word.start : word.end], round(word.at_s, 3)) for word in chunk.words] for chunk in chunks]
    assert words == [[("ab", 0.0)], [("cd", 0.3)], [("éf", 0.7)]]


async def test_the_first_chunk_waits(virtual_loop):
    began = virtual_loop.time()
    speech = FakeTextToSpeech(Config(first_delay_s=0.25)).synthesize("Hello")
    await anext(speech)
    assert virtual_loop.time() - began == pytest.approx(0.25)
    await speech.aclose()


async def test_whole_blocks_are_one_and_the_same():
    chunks = await spoken("Hello", duration_s=2.0)
    assert all(chunk.pcm is chunks[0].pcm for chunk in chunks), "300 calls must not cost a synthesis each"


async def test_a_failing_one_fails():
    with pytest.raises(DependencyError):
        await spoken("Hello", failing=True)


def test_the_tone_has_no_click_at_the_seam():
    samples = memoryview(tone(441.0, 0.2, 16_000) * 2).cast("h")
    steps = [abs(samples[n + 1] - samples[n]) for n in range(len(samples) - 1)]
    assert steps[3199] <= max(steps[:3199])
