"""When a larger model hears speech again, and what becomes of the two texts."""

from collections.abc import Sequence
from pathlib import Path

from vox.providers.models.store import ModelStore
from vox.providers.stt._whisper_decoder import Result
from vox.providers.stt._whisper_recogniser import Heard
from vox.providers.stt._whisper_second import DOUBTFUL, LOOK_S, InstalledModel, SecondOpinion

PCM = bytes(3200)


class Ear:
    def __init__(self, text: str, confidence: float | None, *others: tuple[str, float]) -> None:
        self.heard = Heard(text, confidence, "en", others)
        self.asked: list[tuple[tuple[str, ...], str]] = []

    def decode(self, pcm: bytes, phrases: Sequence[str], language: str, *, is_final: bool) -> Heard:
        assert pcm == PCM
        self.asked.append((tuple(phrases), language))
        return self.heard


def final(first: Ear, second: Ear | None) -> Result:
    return SecondOpinion(first, lambda: second).decode(PCM, ["book a table"], "", is_final=True)


def test_clear_speech_is_heard_once():
    second = Ear("a table", 0.9)
    assert final(Ear("a cable", DOUBTFUL), second).text == "a cable"
    assert second.asked == []


def test_doubtful_speech_is_heard_again_without_the_prompt():
    second = Ear("a table", 0.9, ("a label", 0.6), ("the table", 0.5), ("able", 0.4), ("tables", 0.3))
    heard = final(Ear("a cable", 0.5, ("a fable", 0.4)), second)
    assert (heard.text, heard.confidence, heard.language) == ("a table", 0.9, "en")
    assert heard.alternatives[:3] == (("a label", 0.6), ("the table", 0.5), ("able", 0.4))
    assert heard.alternatives[3:] == (("a cable", 0.5), ("a fable", 0.4))
    assert second.asked == [((), "en")]


def test_where_both_hear_the_same_the_surer_one_counts():
    assert final(Ear("A table.", 0.6), Ear("a table", 0.4)).confidence == 0.6
    assert final(Ear("A table.", 0.6), Ear("a table", 0.7)).text == "A table."


def test_interim_texts_silence_and_a_missing_model_leave_the_first_one_alone():
    second = Ear("a table", 0.9)
    interim = SecondOpinion(Ear("a", 0.1), lambda: second).decode(PCM, (), "en", is_final=False)
    assert interim.text == "a"
    assert final(Ear("", None), second).text == ""
    assert final(Ear("a cable", 0.2), None).text == "a cable"
    assert second.asked == []
    assert final(Ear("a cable", 0.2), Ear("", None)).text == "a cable"


def test_a_model_that_is_not_installed_is_looked_for_now_and_then(tmp_path: Path):
    looks = 0

    class Store(ModelStore):
        def files(self, name: str) -> None:
            nonlocal looks
            assert name == "whisper-base"
            looks += 1

    now = 0.0
    model = InstalledModel(Store(tmp_path), "whisper-base", lambda: now)
    assert model() is None
    assert model() is None
    assert looks == 1
    now = LOOK_S
    assert model() is None
    assert looks == 2
