"""Sentences as vectors whose product tells how alike their meanings are: all-MiniLM-L6-v2 on onnxruntime.

Blocking; about five milliseconds of one core a sentence. The caller runs it in a thread.
"""

import importlib
import threading
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, cast
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from vox.errors import UsageError
from vox.providers.flows.classifier import KernelClassifier
from vox.providers.llm._wordpiece import WordPieces

MODEL_FILE: Final = "model.onnx"
VOCABULARY_FILE: Final = "vocab.txt"
MOST_PIECES: Final = 64
"""Of one sentence; what stands behind them is not looked at."""

_BATCH: Final = 32

Vectors = NDArray[np.float32]
T = TypeVar("T", bound=Hashable)


class SentenceVectors:
    """An opened model; threads may share it."""

    def __init__(self, folder: Path) -> None:
        """Loads `model.onnx` and `vocab.txt` of the folder.

        Raises:
            UsageError: `sentence_model_unusable` when one of them is missing or broken.
        """
        try:
            runtime: Any = importlib.import_module("onnxruntime")
            options = runtime.SessionOptions()
            options.intra_op_num_threads = 1
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            self._pieces = WordPieces.read(folder / VOCABULARY_FILE)
            self._session = runtime.InferenceSession(
                str(folder / MODEL_FILE), options, providers=["CPUExecutionProvider"]
            )
            self._inputs = {given.name for given in self._session.get_inputs()}
        except Exception as error:  # onnxruntime raises classes of its own for each kind of broken file
            raise UsageError(
                f"the sentence model in {folder} cannot be used: {error}",
                code="sentence_model_unusable",
                hint=f"put {MODEL_FILE} and {VOCABULARY_FILE} of all-MiniLM-L6-v2 there, or leave `sentence_model` out",
            ) from error

    @classmethod
    def shared(cls, folder: Path) -> "SentenceVectors":
        """The model of that folder, loaded once for all who use it at the same time; raises as the constructor does."""
        with _lock:
            model = _models.get(folder)
            if model is None:
                model = _models[folder] = cls(folder)
            return model

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row of length one a text; those of like length go together, so that little is padded."""
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        batches = [order[at : at + _BATCH] for at in range(0, len(order), _BATCH)]
        rows = [self._batch([texts[at] for at in batch]) for batch in batches]
        if not rows:
            return np.zeros((0, 0), np.float32)
        return np.concatenate(rows)[np.argsort(order)]

    def _batch(self, texts: Sequence[str]) -> Vectors:
        encoded = [self._pieces.encode(text, MOST_PIECES) for text in texts]
        longest = max(map(len, encoded))
        ids = np.array([[*numbers, *[0] * (longest - len(numbers))] for numbers in encoded], np.int64)
        mask = np.array([[1] * len(numbers) + [0] * (longest - len(numbers)) for numbers in encoded], np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        output = self._session.run(None, {name: feed[name] for name in self._inputs if name in feed})[0]
        hidden = cast("Vectors", output)
        weights = mask[..., None].astype(np.float32)
        mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        return cast(
            "Vectors", (mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)).astype(np.float32)
        )


class ExampleVectors(Generic[T]):
    """The vectors of each topic's examples, to be compared with what was said.

    Args:
        model: what makes the vectors.
        examples: sentences by topic.
    """

    def __init__(self, model: SentenceVectors, examples: Mapping[T, Sequence[str]]) -> None:
        self._model = model
        self._topics = tuple(examples)
        self._vectors = model.embed([text for texts in examples.values() for text in texts])
        labels = [label for label, texts in enumerate(examples.values()) for _ in texts]
        self._classifier = KernelClassifier(_likeness(self._vectors @ self._vectors.T), labels)

    def similarities(self, text: str) -> dict[T, float]:
        """How surely the text is about each topic: about 1 where it is, about 0 or less where not."""
        likeness = _likeness(self._vectors @ self._model.embed([text])[0])
        return dict(zip(self._topics, self._classifier.scores(likeness), strict=True))


def _likeness(products: Vectors) -> Vectors:
    """What is hardly alike counts for almost nothing, so that many such examples do not outweigh one that fits."""
    return np.maximum(products, 0.0) ** 2


_lock = threading.Lock()
_models: WeakValueDictionary[Path, SentenceVectors] = WeakValueDictionary()
