"""Sentence vectors without the model's weights: what is fed to it, and what is made of what it gives."""

from types import SimpleNamespace

import numpy as np
import pytest

from vox.errors import UsageError
from vox.providers.llm import _sentence_vectors as module
from vox.providers.llm._sentence_vectors import ExampleVectors, SentenceVectors

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "open", "hours", "dog", "pet", "when"]
MEANINGS = {"open": 0, "hours": 0, "when": 0, "dog": 1, "pet": 1}


class Session:
    """Each word points where its meaning lies; marks and unknown words point nowhere."""

    def __init__(self, *_: object, **__: object) -> None:
        self.fed: list[dict[str, np.ndarray]] = []

    def get_inputs(self):
        return [SimpleNamespace(name=name) for name in ("input_ids", "attention_mask")]

    def run(self, _, feed):
        self.fed.append(feed)
        ids = feed["input_ids"]
        hidden = np.full((*ids.shape, 2), 9.0, np.float32)  # what lies beyond a text's end must not count
        for row, column in np.ndindex(ids.shape):
            if feed["attention_mask"][row, column]:
                meaning = MEANINGS.get(WORDS[ids[row, column]])
                hidden[row, column] = [meaning == 0, meaning == 1]
        return [hidden]


@pytest.fixture
def model(tmp_path, monkeypatch):
    runtime = SimpleNamespace(SessionOptions=SimpleNamespace, InferenceSession=Session)
    monkeypatch.setattr(module.importlib, "import_module", lambda _: runtime)
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    return SentenceVectors(tmp_path)


def test_sentences_of_one_meaning_have_one_vector_whatever_their_length(model):
    vectors = model.embed(["open", "when open hours", "dog"])
    assert np.allclose(vectors[0], vectors[1])
    assert np.allclose(vectors @ vectors.T, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-6)


def test_many_sentences_go_in_batches(model):
    assert model.embed(["dog"] * 70).shape == (70, 2)
    assert [len(feed["input_ids"]) for feed in model._session.fed] == [32, 32, 6]
    assert set(model._session.fed[0]) == {"input_ids", "attention_mask"}


def test_nothing_has_no_vector(model):
    assert model.embed([]).shape == (0, 0)
    assert np.isfinite(model.embed(["xyz"])).all()


def test_a_text_is_about_the_topic_whose_examples_mean_the_same(model):
    examples = ExampleVectors(model, {"hours": ["open", "when open"], "pets": ["pet", "dog pet"]})
    found = examples.similarities("hours")
    assert found["hours"] > 0.5 > found["pets"]


@pytest.mark.parametrize("missing", ["vocab.txt", "model.onnx"])
def test_a_folder_without_the_model_is_refused_with_the_remedy(tmp_path, missing):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    (tmp_path / "model.onnx").write_bytes(b"broken")
    (tmp_path / missing).unlink()
    with pytest.raises(UsageError) as refused:
        SentenceVectors(tmp_path)
    assert refused.value.code == "sentence_model_unusable"
    assert "vocab.txt" in str(refused.value)


def test_one_model_serves_all_that_use_its_folder(tmp_path, monkeypatch):
    runtime = SimpleNamespace(SessionOptions=SimpleNamespace, InferenceSession=Session)
    monkeypatch.setattr(module.importlib, "import_module", lambda _: runtime)
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    assert SentenceVectors.shared(tmp_path) is SentenceVectors.shared(tmp_path)
