"""Classes are learnt from how like each other examples are."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.flows.classifier import KernelClassifier


def test_a_thing_belongs_to_the_class_it_is_like():
    points = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], np.float32)
    classifier = KernelClassifier(points @ points.T, [0, 0, 1, 1])
    near_first, near_second = (classifier.scores(points @ np.array(at, np.float32)) for at in ([1, 0.2], [0.1, 1]))
    assert near_first[0] > 0.5 > near_first[1]
    assert near_second[1] > 0.5 > near_second[0]


def test_a_thing_like_nothing_belongs_nowhere():
    classifier = KernelClassifier(np.eye(3, dtype=np.float32), [0, 1, 2])
    assert classifier.scores(np.zeros(3, np.float32)) == [0.0, 0.0, 0.0]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_examples_that_have_nothing_in_common_keep_their_own_class(labels):
    classifier = KernelClassifier(np.eye(len(labels), dtype=np.float32), labels)
    for row, label in zip(np.eye(len(labels), dtype=np.float32), labels, strict=True):
        scores = classifier.scores(row)
        assert max(range(len(scores)), key=scores.__getitem__) == label


def test_one_class_alone_is_one():
    assert KernelClassifier(np.ones((1, 1), np.float32), [0]).scores(np.ones(1, np.float32))[0] > 0.5
