"""Kokoro itself, in the worker process: espeak-ng gives the phonemes, onnxruntime runs the model on one thread."""

import importlib
from functools import lru_cache
from typing import Any, Protocol, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from vox.errors import UsageError
from vox.providers.tts._espeak_library import library
from vox.providers.tts._kokoro_audio import Floats
from vox.providers.tts._kokoro_files import KokoroFiles
from vox.providers.tts._kokoro_phonemes import TIE, symbols, tokens, with_clear_onset
from vox.providers.tts._kokoro_text import Run, plan, sections, spoken
from vox.providers.tts._kokoro_voices import language_of

_ROWS, _COLUMNS = 510, 256


class RunOptions(Protocol):
    """The one thing of onnxruntime's RunOptions that is used: it ends a run from another thread."""

    terminate: bool


class Engine:
    """A loaded model. `run` blocks for about half a second per second of speech."""

    def __init__(self, files: KokoroFiles) -> None:
        self._files = files
        self._runtime: Any = importlib.import_module("onnxruntime")
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = self._runtime.InferenceSession(
            str(files.model), options, providers=["CPUExecutionProvider"]
        )
        self._vocabulary = _vocabulary(files.vocabulary.read_bytes())
        self._espeak = library()
        self._style = lru_cache(maxsize=8)(self._load_style)

    def plan(self, text: str, voice: str) -> list[Run]:
        """The runs in which a text is spoken.

        Raises:
            UsageError: there is no such voice, or it speaks a language that espeak-ng cannot prepare (unknown_voice).
        """
        language = language_of(voice)
        if language is None or voice not in self._files.voices:
            raise UsageError(f"Kokoro has no voice {voice!r} here", code="unknown_voice")
        parts = [
            spoken(text, section, symbols(raw, language.tag))
            for section in sections(text)
            if (raw := self._espeak.phonemes(text[section.start : section.end], language.espeak, tie=TIE))
        ]
        return plan([part for part in parts if part.phonemes])

    def new_run(self) -> RunOptions:
        """What a run can be ended by."""
        return cast("RunOptions", self._runtime.RunOptions())

    def run(self, phonemes: str, voice: str, speed: float, options: RunOptions) -> Floats:
        """The model's audio for one run, at 24 kHz; raises what onnxruntime raises, also when the run was ended."""
        numbers = tokens(with_clear_onset(phonemes), self._vocabulary, _ROWS)
        if not numbers:
            return np.zeros(0, np.float32)
        feeds = {
            "tokens": np.array([[0, *numbers, 0]], np.int64),
            "style": self._style(voice)[len(numbers) - 1][None],
            "speed": np.array([speed], np.float32),
        }
        (audio,) = self._session.run(None, feeds, options)
        return np.asarray(audio, np.float32).ravel()

    def _load_style(self, voice: str) -> NDArray[np.float32]:
        return np.fromfile(self._files.voices[voice], "<f4").reshape(_ROWS, _COLUMNS)


def _vocabulary(data: bytes) -> dict[str, int]:
    """The numbers of the symbols, which the file has at its top or under `vocab`."""
    found = msgspec.json.decode(data, type=dict[str, Any])
    return msgspec.convert(found.get("vocab", found), dict[str, int])
