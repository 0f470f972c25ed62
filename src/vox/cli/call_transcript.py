"""What both sides of a recorded call said, as a recogniser hears it.

The tracks are cut at silences; each piece is one utterance.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vox.media.levels import rms
from vox.media.resample import Resampler
from vox.providers.stt.contract import SpeechToText, Transcript

PAUSE_S: Final = 0.7
"""A silence this long ends an utterance."""
DEADLINE_S: Final = 30.0
_FRAME_S: Final = 0.02
_SILENT_RMS: Final = 0.01
_MARGIN_FRAMES: Final = 10


@dataclass(frozen=True, slots=True)
class Utterance:
    """One thing said; `began_s` counts from the beginning of the call."""

    speaker: str
    began_s: float
    text: str


async def transcribe(tracks: dict[str, bytes], sample_rate: int, recogniser: SpeechToText) -> list[Utterance]:
    """The utterances of all tracks in the order of time; an empty text where nothing was understood.

    Args:
        tracks: speech by speaker, s16le mono, beginning at the same time.
        sample_rate: of the tracks, in Hz.
        recogniser: opened.
    """
    found: list[Utterance] = []
    for speaker, pcm in tracks.items():
        for began_s, piece in utterances(pcm, sample_rate):
            found.append(Utterance(speaker, began_s, await _recognise(piece, sample_rate, recogniser)))
    return sorted(found, key=lambda one: one.began_s)


def utterances(pcm: bytes, sample_rate: int) -> Iterator[tuple[float, bytes]]:
    """The pieces of a track between silences, each with the time of its first sound and a little silence around it."""
    size = int(sample_rate * _FRAME_S) * 2
    loud = [index for index, at in enumerate(range(0, len(pcm), size)) if rms(pcm[at : at + size]) > _SILENT_RMS]
    gap = round(PAUSE_S / _FRAME_S)
    begin = 0
    for position, index in enumerate(loud):
        if position + 1 == len(loud) or loud[position + 1] - index > gap:
            first = loud[begin]
            start, end = max(0, first - _MARGIN_FRAMES), index + 1 + _MARGIN_FRAMES
            yield first * _FRAME_S, pcm[start * size : end * size]
            begin = position + 1


async def _recognise(pcm: bytes, sample_rate: int, recogniser: SpeechToText) -> str:
    stream = recogniser.open_stream(_ignore)
    try:
        stream.start(None)
        stream.push(Resampler(sample_rate, recogniser.sample_rate).process(pcm, last=True))
        async with asyncio.timeout(DEADLINE_S):
            return (await stream.finish()).text
    finally:
        await stream.aclose()


def _ignore(_partial: Transcript) -> None:
    """Interim transcripts are of no use here."""
