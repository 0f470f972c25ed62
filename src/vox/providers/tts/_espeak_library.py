"""The library espeak-ng, called in process: the one place that knows its C interface.

The library keeps one voice, one rate and one callback for the whole process, and is not re-entrant. So there is one
`Library`, guarded by a lock; a sentence takes a few milliseconds. The interface is documented in espeak-ng's
`speak_lib.h`; the constants carry the names they have there.
"""

import ctypes
import ctypes.util
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import cast

from vox.errors import DependencyError, UsageError

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_BUFFER_MS = 60
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1  # no SSML, no phonemes in brackets: the text is read as it stands
_POS_CHARACTER = 1
_EVENT_LIST_TERMINATED = 0
_EVENT_WORD = 1
_PHONEMES_IPA = 0x02
_PHONEMES_TIE = 0x80  # a character between the letters of one phoneme, given in bits 8 to 23
_PARAMETERS = {"rate": 1, "volume": 2, "pitch": 3, "range": 4}
_OK = 0


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """How to speak: a voice's name, words per minute, pitch (0..100), volume (0..200, 100 is natural)."""

    voice: str
    rate: int
    pitch: int
    volume: int


WordEvent = tuple[int, int]
"""(character of the text, sample of the sentence) where a word begins."""

Sink = Callable[[bytes, list[WordEvent]], bool]
"""Takes audio and the words announced with it; False stops the synthesis."""


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


class Library:
    """The loaded library. `sample_rate` is in Hz."""

    def __init__(self, path: str, data: str | None) -> None:
        library = ctypes.CDLL(path)
        # Pointers are given as such, or a 64-bit one would be cut.
        library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        library.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
        library.espeak_Synth.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int),
            *(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
        ]
        library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.sample_rate = cast(
            "int",
            library.espeak_Initialize(
                _AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS, data.encode() if data else None, _INITIALIZE_DONT_EXIT
            ),
        )
        if self.sample_rate <= 0:
            raise DependencyError(
                f"espeak-ng does not start with the data in {data or 'its own folder'}",
                code="provider_failed",
                hint="reinstall espeakng-loader or espeak-ng-data",
            )
        self._library = library
        self._lock = threading.Lock()
        self._sink: Sink | None = None
        self._voice = ""
        self._parameters: dict[str, int] = {}
        self._callback = _Callback(self._take)  # the library calls it as long as it lives, so it must not be collected
        library.espeak_SetSynthCallback(self._callback)

    def has_voice(self, voice: str) -> bool:
        """Whether a voice of this name (or language) exists."""
        with self._lock:
            return self._use_voice(voice)

    def speak(self, text: str, settings: VoiceSettings, sink: Sink) -> None:
        """Synthesises a text, calling `sink` in this thread; raises `UsageError` or `DependencyError`."""
        encoded = text.encode("utf-8", "replace").replace(b"\0", b" ") + b"\0"
        with self._lock:
            if not self._use_voice(settings.voice):
                raise UsageError(
                    f"espeak-ng has no voice {settings.voice!r}", code="unknown_voice", hint="`espeak-ng --voices`"
                )
            for name, number in _PARAMETERS.items():
                value = {"rate": settings.rate, "pitch": settings.pitch, "volume": settings.volume}.get(name, 50)
                if self._parameters.get(name) != value:
                    self._library.espeak_SetParameter(number, value, 0)
                    self._parameters[name] = value
            self._sink = sink
            try:
                status = self._library.espeak_Synth(
                    encoded, len(encoded), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
                )
            finally:
                self._sink = None
        if status != _OK:
            raise DependencyError(f"espeak-ng failed with status {status}", code="provider_failed")

    def phonemes(self, text: str, voice: str, *, tie: str) -> str:
        """The phonemes of a text in IPA, words parted by blanks; `tie` joins the letters of one phoneme.

        Raises:
            UsageError: there is no such voice (unknown_voice).
        """
        buffer = ctypes.create_string_buffer(text.encode("utf-8", "replace").replace(b"\0", b" "))
        rest = ctypes.c_void_p(ctypes.addressof(buffer))
        clauses: list[str] = []
        with self._lock:
            if not self._use_voice(voice):
                raise UsageError(f"espeak-ng has no voice {voice!r}", code="unknown_voice", hint="`espeak-ng --voices`")
            while rest.value:
                found = cast(
                    "bytes | None",
                    self._library.espeak_TextToPhonemes(
                        ctypes.byref(rest), _CHARS_UTF8, _PHONEMES_IPA | _PHONEMES_TIE | (ord(tie) << 8)
                    ),
                )
                clauses.append((found or b"").decode("utf-8", "replace"))
        return " ".join(" ".join(clauses).split())

    def _use_voice(self, voice: str) -> bool:
        if voice == self._voice:
            return True
        if self._library.espeak_SetVoiceByName(voice.encode()) != _OK:
            self._voice = ""
            return False
        self._voice = voice
        self._parameters.clear()  # a voice file may bring its own pitch and rate
        return True

    def _take(self, samples: int | None, count: int, events: "ctypes._Pointer[_Event]") -> int:
        """The library's callback: 0 to go on, 1 to stop."""
        if self._sink is None:
            return 1
        words: list[WordEvent] = []
        index = 0
        while (event := events[index]).type != _EVENT_LIST_TERMINATED:
            if event.type == _EVENT_WORD:
                words.append((event.text_position - 1, event.sample))
            index += 1
        pcm = ctypes.string_at(samples, count * 2) if samples and count > 0 else b""
        return 0 if self._sink(pcm, words) else 1


@cache
def library() -> Library:
    """The library of the package espeakng-loader, else the system's; loaded once per process.

    Raises:
        UsageError: `provider_not_installed`.
    """
    if find_spec("espeakng_loader") is not None:
        import espeakng_loader  # noqa: PLC0415  an optional package

        return Library(str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path()))
    for name in ("libespeak-ng.so.1", ctypes.util.find_library("espeak-ng")):
        try:
            return Library(name or "", None) if name else _missing()
        except OSError:
            continue
    return _missing()


def _missing() -> Library:
    raise UsageError(
        "the tts provider 'espeak' needs espeak-ng, which is not installed",
        code="provider_not_installed",
        hint="run `make setup`, or `pip install '.[offline]'` in a checkout of Vox; or apt-get install libespeak-ng1",
    )
