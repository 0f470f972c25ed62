"""The audio of one utterance as the batch drivers keep it: bounded, and aware of whether speech went on after a pause.

The call pushes audio also while the caller is silent, so a push behind a pause does not mean that the caller speaks
again; its loudness does.
"""

from vox.media.levels import rms

# Speech that goes on is about as loud as before; a telephone line's noise is 30 dB below. In between, 16 dB below.
_STILL_SPEECH = 0.15
_MIN_LEVEL = 0.002
_CHECK_S = 0.1


class Utterance:
    """Collects s16le mono audio; beyond `max_s` further audio is dropped.

    Args:
        sample_rate: in Hz.
        max_s: longest utterance kept.
    """

    def __init__(self, sample_rate: int, max_s: float) -> None:
        self._max_bytes = int(max_s * sample_rate) * 2
        self._check_bytes = int(_CHECK_S * sample_rate) * 2
        self.audio = bytearray()
        self._paused_at = -1
        self._checked = 0
        self._level = 0.0
        self._has_resumed = False

    @property
    def is_full(self) -> bool:
        """Whether audio is being dropped."""
        return len(self.audio) >= self._max_bytes

    def push(self, pcm: bytes) -> int:
        """Keeps the audio and returns how many bytes of it were kept."""
        kept = min(len(pcm), self._max_bytes - len(self.audio))
        self.audio += pcm if kept == len(pcm) else pcm[:kept]
        return kept

    def pause(self) -> None:
        """Notes that the caller fell silent here."""
        self._paused_at = self._checked = len(self.audio)
        self._level = max(_MIN_LEVEL, _STILL_SPEECH * rms(bytes(self.audio)))
        self._has_resumed = False

    def has_resumed(self, *, check_all: bool = False) -> bool:
        """Whether speech went on since the last `pause` (True before the first one).

        Looks at the audio in pieces of 100 ms; `check_all` also looks at the incomplete last one.
        """
        if self._paused_at < 0:
            return True
        while not self._has_resumed and (left := len(self.audio) - self._checked) > 0:
            if left < self._check_bytes and not check_all:
                break
            piece = bytes(self.audio[self._checked : self._checked + self._check_bytes])
            self._checked += len(piece)
            self._has_resumed = rms(piece) > self._level
        return self._has_resumed
