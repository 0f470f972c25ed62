"""Where Kokoro's files are: the model, the numbers of its symbols, and one file for each voice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

VOICE_BYTES = 510 * 256 * 4
MODEL = "model.onnx"
VOCABULARY = "vocab.json"


@dataclass(frozen=True, slots=True)
class KokoroFiles:
    """The files that a driver works with; `voices` by their names."""

    model: Path
    vocabulary: Path
    voices: Mapping[str, Path]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Self | None:
        """The files among these paths; None where one is missing that all depends on.

        The first of two with one name counts. Any `.onnx` file is taken for the model, and any `.bin` file of a voice's size
        for a voice.
        """
        model = vocabulary = None
        voices: dict[str, Path] = {}
        for path in paths:
            if path.suffix == ".onnx":
                model = model or path
            elif path.name == VOCABULARY:
                vocabulary = vocabulary or path
            elif path.suffix == ".bin" and path.stat().st_size == VOICE_BYTES:
                voices.setdefault(path.stem, path)
        return cls(model, vocabulary, voices) if model and vocabulary and voices else None

    @classmethod
    def in_folder(cls, folder: Path) -> Self | None:
        """The files in a folder and in its folder `voices`."""
        if not folder.is_dir():
            return None
        voices = folder / "voices"
        found = sorted(folder.iterdir()) + (sorted(voices.iterdir()) if voices.is_dir() else [])
        return cls.of(path for path in found if path.is_file())

    def encode(self) -> str:
        """As an argument for the worker process."""
        voices = {name: str(path) for name, path in self.voices.items()}
        return msgspec.json.encode([str(self.model), str(self.vocabulary), voices]).decode()

    @classmethod
    def decode(cls, text: str) -> Self:
        """What `encode` made."""
        model, vocabulary, voices = msgspec.json.decode(text, type=tuple[str, str, dict[str, str]])
        return cls(Path(model), Path(vocabulary), {name: Path(path) for name, path in voices.items()})
