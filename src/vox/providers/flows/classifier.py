"""Learns from examples which class a thing belongs to, by kernel ridge regression: exact, without chance, in one solution.

It needs only how like each other the examples are, and so serves for words and for sentence vectors alike.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RIDGE: Final = 0.1
"""How far the examples themselves may be missed: less follows every example, more smooths them out."""


class KernelClassifier:
    """The classes of some examples.

    Args:
        gram: how like each other the examples are, 1 for each with itself.
        labels: the class of each example, from 0.
    """

    def __init__(self, gram: Floats, labels: Sequence[int]) -> None:
        classes = max(labels) + 1
        targets = np.full((len(labels), classes), -1.0 / max(1, classes - 1), np.float32)
        targets[np.arange(len(labels)), np.asarray(labels)] = 1.0
        self._coefficients = np.linalg.solve(gram + RIDGE * np.eye(len(labels), dtype=np.float32), targets)

    def scores(self, likeness: Floats) -> list[float]:
        """About 1 for the class of a thing that is this like each example, about 0 or less for the others."""
        return [float(score) for score in likeness @ self._coefficients]
