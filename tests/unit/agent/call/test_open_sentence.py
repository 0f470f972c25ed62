import pytest

from vox.agent.call.open_sentence import OpenSentence
from vox.agent.call.speakable import Speakable, SpeakableText

pytestmark = pytest.mark.usefixtures("virtual_loop")


def followed(*texts: str) -> OpenSentence:
    sentence = OpenSentence()
    for text in texts:
        sentence.follow(text)
    return sentence


async def said(sentence: OpenSentence) -> list[str]:
    return [part async for part in sentence]


async def test_words_go_out_but_for_the_last_two():
    sentence = OpenSentence()
    assert not sentence.follow(" Well, the")
    assert not sentence.follow(" Well, the kitchen is ")
    assert sentence.follow(" Well, the kitchen is open ")
    assert sentence.text.spoken == "Well, the kitchen "
    assert not sentence.follow(" Well, the kitchen is open today ")
    whole = "Well, the kitchen is open today until ten."
    assert sentence.finish(whole, Speakable.plain(whole)) == ""
    assert await said(sentence) == ["Well, the kitchen ", "is ", "open today until ten."]
    assert sentence.text.shown == whole


@pytest.mark.parametrize(
    "text",
    [
        "12 people have asked for the table by the window today ",
        "**Well** the kitchen is open today ",
        "The kitchen is closed",
        "今日は厨房が開いています ",
    ],
)
async def test_what_may_be_spoken_otherwise_waits(text: str):
    sentence = followed(text)
    assert not sentence.is_begun


async def test_a_number_holds_what_follows_until_it_is_known_how_it_is_said():
    stage = SpeakableText("en", says_numbers=True)
    sentence = followed("We are open every day of May ", "We are open every day of May 5 and ")
    assert sentence.text.spoken == "We are open every day "
    whole = "We are open every day of May 5 and June 6."
    text = stage.piece(whole)
    assert sentence.finish(whole, text) == ""
    assert "".join(await said(sentence)) == text.spoken
    assert sentence.text.shown == whole


async def test_a_sentence_whose_beginning_changes_goes_on_as_another_one():
    sentence = followed("A table for two people tonight ")
    sent = sentence.text.spoken
    whole = "A table for two people tonight."
    rest = sentence.finish(whole, Speakable(whole, "Something else.", [0] * 15, [1] * 15))
    assert "".join(await said(sentence)) == sent
    assert f"{sentence.text.shown} {rest}" == whole


async def test_what_is_finished_takes_nothing_more():
    sentence = followed("A table for two people tonight ")
    sentence.finish("A table for two people tonight.", Speakable.plain("A table for two people tonight."))
    assert not sentence.follow("And something else that comes later ")
    assert sentence.text.shown == "A table for two people tonight."
