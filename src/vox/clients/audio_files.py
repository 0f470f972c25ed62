"""WAV files of simulated callers: any common encoding in, 16-bit tracks out.

Telephone recordings are often µ-law or A-law, which the standard library's reader refuses; that is why the container is
read here. Only the encodings that speech comes in are known: PCM of 8, 16, 24 and 32 bits, 32-bit float, µ-law, A-law.
"""

import struct
import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from io import BytesIO
from pathlib import Path

import numpy as np

from vox.errors import UsageError
from vox.media.channels import mono
from vox.media.g711 import alaw_decode, mulaw_decode
from vox.media.resample import Resampler

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_HIGHEST_16 = 32767.0
_RIFF_HEAD, _FORMAT_CHUNK, _EXTENSIBLE_CHUNK = 12, 16, 26  # bytes


@dataclass(frozen=True, slots=True)
class Recording:
    """Speech as s16le mono; `sample_rate` in Hz."""

    pcm: bytes
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return len(self.pcm) / 2 / self.sample_rate

    def at(self, sample_rate: int) -> "Recording":
        """The same speech at another rate (Hz)."""
        if sample_rate == self.sample_rate:
            return self
        return Recording(Resampler(self.sample_rate, sample_rate).process(self.pcm, last=True), sample_rate)


def sample_question() -> Recording:
    """A 3.5 s question spoken by espeak-ng (16 kHz), the same for every measurement."""
    return Recording(mulaw_decode(resources.files("vox.clients").joinpath("question.ulaw").read_bytes()), 16_000)


def read_wav(path: Path) -> Recording:
    """Reads a WAV file, mixing its channels to one; `UsageError` names the file and what is wrong with it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", code="bad_audio_file") from error
    return parse_wav(content, str(path))


def write_wav(path: Path, tracks: Sequence[bytes], sample_rate: int) -> None:
    """Writes s16le tracks of any lengths side by side, the shorter ones padded with silence; UsageError where it cannot."""
    samples = max((len(track) // 2 for track in tracks), default=0)
    frames = np.zeros((samples, len(tracks)), np.int16)
    for channel, track in enumerate(tracks):
        frames[: len(track) // 2, channel] = np.frombuffer(track, "<i2", len(track) // 2)
    content = BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(len(tracks))
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(frames.tobytes())
    try:
        path.write_bytes(content.getbuffer())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", code="bad_audio_file") from error


def parse_wav(content: bytes, name: str) -> Recording:
    """Reads a WAV file's bytes; `name` is what an error calls it."""
    if len(content) < _RIFF_HEAD or content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise _bad(name, "it is not a WAV file")
    encoding = channels = rate = bits = 0
    at = _RIFF_HEAD
    while at + 8 <= len(content):
        tag, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        chunk = content[at + 8 : at + 8 + length]
        if tag == b"fmt " and len(chunk) >= _FORMAT_CHUNK:
            encoding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
            if encoding == _EXTENSIBLE and len(chunk) >= _EXTENSIBLE_CHUNK:
                encoding = int.from_bytes(chunk[24:26], "little")
        elif tag == b"data":
            if not channels or not rate:
                raise _bad(name, "its format chunk is missing or broken")
            return Recording(_mixed(_to_pcm(chunk, encoding, bits, name), channels), rate)
        at += 8 + length + length % 2
    raise _bad(name, "it has no data chunk")


def _to_pcm(data: bytes, encoding: int, bits: int, name: str) -> bytes:
    decoder = _DECODERS.get((encoding, bits))
    if decoder is None:
        raise _bad(name, f"its encoding {encoding} with {bits} bits is not one of PCM, float, µ-law, A-law")
    return decoder(data)


def _from_float(data: bytes) -> bytes:
    samples = np.nan_to_num(np.frombuffer(data, "<f4", len(data) // 4))
    return (np.clip(samples, -1.0, 1.0) * _HIGHEST_16).astype("<i2").tobytes()


def _from_unsigned_8(data: bytes) -> bytes:
    return ((np.frombuffer(data, np.uint8).astype(np.int16) - 128) << 8).astype("<i2").tobytes()


def _upper_16_of(width: int) -> Callable[[bytes], bytes]:
    def convert(data: bytes) -> bytes:
        samples = np.frombuffer(data, np.uint8, len(data) // width * width).reshape(-1, width)
        return np.ascontiguousarray(samples[:, -2:]).tobytes()

    return convert


def _mixed(pcm: bytes, channels: int) -> bytes:
    whole = len(pcm) // (2 * channels) * (2 * channels)  # a file may end within a frame
    return mono(pcm[:whole], channels)


def _bad(name: str, problem: str) -> UsageError:
    return UsageError(
        f"cannot use {name}: {problem}", code="bad_audio_file", hint="give a PCM, µ-law or A-law WAV file"
    )


_DECODERS: Mapping[tuple[int, int], Callable[[bytes], bytes]] = {
    (_PCM, 8): _from_unsigned_8,
    (_PCM, 16): lambda data: data[: len(data) & ~1],
    (_PCM, 24): _upper_16_of(3),
    (_PCM, 32): _upper_16_of(4),
    (_FLOAT, 32): _from_float,
    (_ALAW, 8): alaw_decode,
    (_MULAW, 8): mulaw_decode,
}
