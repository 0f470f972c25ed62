"""Reads speech out of a WAV file that is still arriving."""

import struct

from vox.errors import DependencyError

_MAX_HEADER = 4096  # vendors put a short LIST chunk in front of the audio at most
_RIFF = 12
_CHUNK = 8
_PCM = 1
_EXTENSIBLE = 0xFFFE


class WavReader:
    """Takes a WAV file in pieces and gives the s16le mono audio in it.

    A header's own length is not believed: those who stream a file do not know it yet. Chunks behind the audio are
    therefore audible, and no vendor known here sends any.
    """

    def __init__(self) -> None:
        self.sample_rate = 0
        self._head = bytearray()
        self._in_audio = False

    def feed(self, data: bytes) -> bytes:
        """The audio in this piece; raises `DependencyError` (`provider_bad_audio`) for anything but s16le mono WAV."""
        if self._in_audio:
            return data
        self._head += data
        position = _RIFF
        if len(self._head) >= _RIFF and not (self._head.startswith(b"RIFF") and self._head.startswith(b"WAVE", 8)):
            raise _bad("it is no WAV file")
        while len(self._head) >= position + _CHUNK:
            name, size = struct.unpack_from("<4sI", self._head, position)
            body = position + _CHUNK
            if name == b"data":
                if not self.sample_rate:
                    raise _bad("its format is not said")
                self._in_audio = True
                return bytes(self._head[body:])
            if body + size > _MAX_HEADER:
                raise _bad("its header is too long")
            if len(self._head) < body + size:
                break
            if name == b"fmt ":
                self._read_format(bytes(self._head[body : body + size]))
            position = body + size + (size & 1)
        return b""

    def _read_format(self, body: bytes) -> None:
        if len(body) < struct.calcsize("<HHIIHH"):
            raise _bad("its format is cut")
        encoding, channels, rate, _bytes_per_s, _block, bits = struct.unpack_from("<HHIIHH", body)
        if encoding not in {_PCM, _EXTENSIBLE} or channels != 1 or bits != 16 or rate == 0:  # noqa: PLR2004  bits
            raise _bad(f"it has {channels} channels of {bits} bits, encoding {encoding}, and not 1 of 16 bits, PCM")
        self.sample_rate = rate


def _bad(why: str) -> DependencyError:
    return DependencyError(f"the speech that came back is unusable: {why}", code="provider_bad_audio")
