"""Reads bare samples out of what a vendor sends as speech: PCM or WAV, cut anywhere; compressed audio is refused by its name.

Played as samples, compressed audio would be noise in the caller's ear; a WAV header would be a click, and half a sample would turn
everything after it into noise.
"""

from vox.errors import DependencyError
from vox.providers.tts._wav import WavReader

_MAGIC_BYTES = 4
_MAGIC = {b"ID3": "audio/mpeg", b"OggS": "audio/ogg", b"fLaC": "audio/flac", b"\x1aE\xdf\xa3": "audio/webm"}
"""What compressed audio begins with."""
_MPEG = frozenset({"audio/mpeg", "audio/mp3", "audio/aac"})
_RIFF = b"RIFF"


class PcmReader:
    """Takes one answer in pieces and gives whole samples, s16le mono.

    Args:
        vendor: named in errors.
        sample_rate: of the speech that was asked for, in Hz; a WAV header that says another is an error.
        asked_for: the format that was asked for, `pcm` or `wav`.
        content_type: of the answer. Alone it proves nothing, vendors copy it: it only decides what an MPEG frame's first bits mean.
        remedy: what to do about compressed audio.
    """

    def __init__(
        self, vendor: str, sample_rate: int, *, asked_for: str = "pcm", content_type: str = "", remedy: str = ""
    ) -> None:
        self._vendor = vendor
        self._sample_rate = sample_rate
        self._asked_for = asked_for
        self._content_type = content_type.partition(";")[0].strip().lower()
        self._remedy = remedy
        self._wav: WavReader | None = WavReader() if asked_for == "wav" else None
        self._pending: bytes = b""
        self._is_known = False

    def feed(self, data: bytes) -> bytes:
        """The samples in this piece.

        Raises:
            DependencyError: `provider_bad_audio`.
        """
        data = self._pending + data
        self._pending = b""
        if not self._is_known:
            if len(data) < _MAGIC_BYTES:
                self._pending = data
                return b""
            self._recognise(data)
        if self._wav is not None:
            data = self._out_of_wav(self._wav, data)
        whole = len(data) & ~1
        self._pending = data[whole:]
        return data[:whole]

    def finish(self) -> bytes:
        """The last samples; half of one is dropped.

        Raises:
            DependencyError: `provider_bad_audio`, where the answer ends in a header.
        """
        rest = self._pending
        self._pending = b""
        if self._wav is not None and not self._wav.sample_rate:
            raise DependencyError(
                "the speech that came back is unusable: it ends in its header", code="provider_bad_audio"
            )
        return rest[: len(rest) & ~1]

    def _recognise(self, head: bytes) -> None:
        self._is_known = True
        if compression := _compression(head, self._content_type):
            raise DependencyError(
                f"{self._vendor} sent {compression}, not {self._asked_for}",
                code="provider_bad_audio",
                hint=self._remedy,
            )
        if self._wav is None and head.startswith(_RIFF):
            self._wav = WavReader()

    def _out_of_wav(self, wav: WavReader, data: bytes) -> bytes:
        was_known = wav.sample_rate
        audio = wav.feed(data)
        if not was_known and wav.sample_rate not in {0, self._sample_rate}:
            raise DependencyError(
                f"{self._vendor} speaks with {wav.sample_rate} Hz, not {self._sample_rate}",
                code="provider_bad_audio",
                hint=f"set the option sample_rate to {wav.sample_rate}",
            )
        return audio


def _compression(head: bytes, content_type: str) -> str:
    """The compressed format that speech has; empty for samples and WAV."""
    found = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")
    is_frame = head[0] == 0xFF and head[1] & 0xE0 == 0xE0  # noqa: PLR2004  an MPEG frame's first bits
    return found or (content_type if is_frame and content_type in _MPEG else "")
