"""Numbers are spoken in words, while all that is shown keeps them as they are written."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.agent.call_harness import World
from vox.agent.call.speakable import Speakable, SpeakableText
from vox.protocols.agent_events import ClientInterrupt, SentenceProgress
from vox.providers.llm.contract import TextDelta

PRICE = "It is **$12.50** for 2."


def piece(text: str, language: str = "en") -> Speakable:
    return SpeakableText(language, says_numbers=True).piece(text)


def test_the_three_texts_of_a_sentence():
    price = piece(PRICE)
    assert (price.shown, price.written) == (PRICE, "It is $12.50 for 2.")
    assert price.spoken == "It is twelve dollars and fifty cents for two."


def test_a_number_counts_once_all_of_it_was_said():
    price = piece(PRICE)
    said = {word: price.spoken.index(word) + len(word) for word in ("is", "twelve", "dollars", "fifty", "cents", "for")}
    assert {word: price.shown_until(end) for word, end in said.items()} == {
        "is": "It is",
        "twelve": "It is",
        "dollars": "It is",
        "fifty": "It is",
        "cents": "It is **$12.50**",
        "for": "It is **$12.50** for",
    }
    assert price.written_until(said["cents"]) == "It is $12.50"
    assert price.shown_until(len(price.spoken)) == PRICE


@pytest.mark.parametrize(
    ("sentences", "spoken"),
    [
        (["Das Essen ist um 19 Uhr.", "19:30?"], ["Das Essen ist um neunzehn Uhr.", "neunzehn Uhr dreißig?"]),
        (["19:30?"], ["19:30?"]),
    ],
)
def test_without_a_configured_language_the_answers_own_words_tell_it(sentences: list[str], spoken: list[str]):
    text = SpeakableText(says_numbers=True)
    assert [text.piece(sentence).spoken for sentence in sentences] == spoken


@given(st.sampled_from(["en", "de", "fr", "es"]), st.text(alphabet="ab 0123456789.,:*_$€%-[]()", max_size=40))
def test_what_was_heard_grows_with_what_is_spoken(language: str, text: str):
    one = piece(text, language)
    shown = [one.shown_until(length) for length in range(len(one.spoken) + 1)]
    written = [one.written_until(length) for length in range(len(one.spoken) + 1)]
    assert all(late.startswith(early) for early, late in pairwise(shown))
    assert all(late.startswith(early) for early, late in pairwise(written))
    assert all(text.startswith(part) for part in shown)
    assert all(one.written.startswith(part) for part in written)


@pytest.mark.usefixtures("virtual_loop")
@pytest.mark.parametrize(
    ("is_on", "voiced"), [(True, "It is twelve dollars and fifty cents for two."), (False, "It is $12.50 for 2.")]
)
async def test_the_voice_is_given_words_and_the_conversation_keeps_the_figures(is_on: bool, voiced: str):
    async with World(stt_language="en", text_normalization=is_on) as world:
        world.mind.script = lambda _request: [TextDelta(PRICE)]
        await world.say("how much")
        await asyncio.sleep(8)
        assert world.voice.spoken == [voiced]
        assert world.conversation()[-1] == ("assistant", PRICE)
        last = world.line.of(SentenceProgress)[-1]
        assert (last.text, last.spoken, last.voiced) == (PRICE, PRICE, "It is $12.50 for 2.")


@pytest.mark.usefixtures("virtual_loop")
async def test_an_interrupted_number_is_not_remembered_as_said():
    async with World(stt_language="en") as world:
        world.mind.script = lambda _request: [TextDelta(PRICE)]
        await world.say("how much")
        await asyncio.sleep(0.5 + 2.2)  # in "and", the fifth word
        world.session.receive(ClientInterrupt())
        assert world.conversation()[-1] == ("assistant", "It is")
