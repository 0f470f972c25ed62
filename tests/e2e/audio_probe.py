"""Speech for tests: a voice that asks, and ears that tell which of some sentences was spoken."""

import asyncio
import re
import shutil
from collections.abc import Sequence
from typing import Any, cast

import httpx2

from tests.require import require
from vox.clients.audio_files import Recording
from vox.media.resample import resample
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.tts.contract import TextToSpeech
from vox.runtime.clock import SystemClock

RATE = 16_000


async def speak(text: str, *, lead_s: float = 0.0, tail_s: float = 0.0) -> Recording:
    """The text in a caller's voice, s16le at 16 kHz, between stretches of silence.

    It is flite's, which recognisers understand; the agents under test speak with espeak-ng's.
    """
    require(shutil.which("flite") is not None, "flite", "apt-get install flite")
    async with httpx2.AsyncClient() as http:
        driver = cast("TextToSpeech", registry.create("tts", "flite", {"voice": "rms"}, Deps(SystemClock(), http)))
        async with driver:
            speech = b"".join([chunk.pcm async for chunk in driver.synthesize(text)])
            pcm = resample(speech, driver.sample_rate, RATE)
    return Recording(bytes(int(lead_s * RATE) * 2) + pcm + bytes(int(tail_s * RATE) * 2), RATE)


async def which_sentence(pcm: bytes, sample_rate: int, sentences: Sequence[str]) -> str:
    """The one of these sentences that the audio sounds most like; empty where it sounds like none."""
    return await asyncio.to_thread(_decode, resample(pcm, sample_rate, RATE), sentences)


def _decode(pcm: bytes, sentences: Sequence[str]) -> str:
    import pocketsphinx

    said = {_spoken(sentence): sentence for sentence in sentences}
    rules = " | ".join(f"( {words} )" for words in said)
    # Wide beams, because the offline voice is hard to follow; the lattice's best path drops last words of a grammar.
    decoder: Any = pocketsphinx.Decoder(lm=None, loglevel="FATAL", beam=1e-80, pbeam=1e-80, wbeam=1e-60, bestpath=False)
    decoder.add_jsgf_string("sentences", f"#JSGF V1.0; grammar sentences; public <sentence> = {rules} ;")
    decoder.activate_search("sentences")
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    heard = decoder.hyp()
    return said.get(heard.hypstr.strip(), "") if heard else ""


def _spoken(sentence: str) -> str:
    return " ".join(re.findall(r"[a-z']+", sentence.lower()))
