import re
from pathlib import Path

import pytest

from tests.unit.providers.flows.flows import BOOKING, script
from vox.providers.flows.grammar import Grammars, situations, unknown_words
from vox.providers.flows.patterns import parse_pattern, words_in
from vox.providers.flows.vocabulary import RULES

ASKING = ("filling", "booking", "people")


def test_the_same_flow_gives_the_same_grammars():
    first, second = Grammars(script()), Grammars(script())
    for situation in situations(script()):
        assert first.grammar(situation) == second.grammar(situation)
        assert first.phrases(situation) == second.phrases(situation)


def test_every_rule_a_grammar_uses_is_defined_once_in_it():
    for situation in situations(script()):
        grammar = Grammars(script()).grammar(situation)
        if grammar is None:
            continue
        defined = re.findall(r"^(?:public )?<(\w+)> =", grammar, re.MULTILINE)
        assert grammar.startswith("#JSGF V1.0;\n")
        assert set(re.findall(r"<(\w+)>", grammar)) == set(defined)
        assert len(defined) == len(set(defined))
        assert "()" not in grammar
        assert "{" not in grammar
        assert not re.search(r"[|(] *[|)]", grammar)


def test_a_grammar_depends_on_what_was_asked():
    grammars = Grammars(script())
    assert "riesling" in (grammars.grammar(("filling", "wine", "colour")) or "")
    assert "riesling" not in (grammars.grammar(ASKING) or "")
    assert "parking" in (grammars.grammar(("open", None, None)) or "")
    assert "<yes>" in (grammars.grammar(("confirming", "booking", None)) or "")
    assert "opening hours" in (grammars.grammar(ASKING) or "")


def test_free_text_has_no_grammar():
    assert Grammars(script()).grammar(("filling", "account", "note")) is None


def test_pronunciations_stand_in_the_head_of_the_grammars_that_need_them():
    grammars = Grammars(script(BOOKING + "pronounce: {riesling: R IY S L IH NG}\n"))
    assert "\n// pron: riesling = R IY S L IH NG\n" in (grammars.grammar(("filling", "wine", "colour")) or "")
    assert "// pron" not in (grammars.grammar(ASKING) or "")


def test_phrases_are_plain_words():
    phrases = Grammars(script()).phrases(("filling", "wine", "colour"))
    assert {"red", "white", "parking", "what are opening hours"} <= set(phrases)
    assert not any(re.search(r"[^a-zA-Z' ]", phrase) for phrase in phrases)


def test_the_first_phrases_are_what_callers_are_told_to_ask_and_a_keyword_of_each_topic():
    more = "{keywords: [garden, terrace], answer: In summer.}"
    text = BOOKING.replace("prompt: What can I do?", 'prompt: What can I do?\nsuggestions: ["Where can I park?"]')
    written = script(text.replace("faq:\n", f"faq:\n  - {more}\n"))
    phrases = Grammars(written).phrases(("open", None, None))
    assert phrases[:6] == ("Where can I park?", "Test", "garden", "parking", "terrace", "car")


def test_no_value_is_suggested_where_values_are_asked_for():
    text = BOOKING.replace("prompt: What can I do?", 'prompt: What can I do?\nsuggestions: ["A table for four"]')
    assert "A table for four" not in Grammars(script(text)).phrases(("filling", "booking", "people"))


def test_words_the_dictionary_lacks_are_found_with_their_places():
    known = {word.text for text in RULES.values() for word in words_in(parse_pattern(text))}
    written = script()
    lacking = {found.word: found.place for found in unknown_words(written, [f"{word} X" for word in known])}
    assert lacking["burgundy"] == "intents.wine.slots.colour.options.red"
    assert lacking["parking"] == "faq.0.keywords"
    assert lacking["table"] == "intents.booking.phrases.0"
    assert "seven" not in lacking
    dictionary = [f"{word} X" for word in {*known, *lacking}]
    assert unknown_words(written, dictionary) == []


pocketsphinx = pytest.importorskip("pocketsphinx", reason="pocketsphinx is not installed")


def test_every_word_of_our_own_rules_is_in_the_recognisers_dictionary():
    with Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")).open() as lines:
        known = {line.split(" ", 1)[0] for line in lines}
    grammar = "\n".join(Grammars(script()).grammar(situation) or "" for situation in situations(script()))
    bodies = re.sub(r"<\w+>( =)?|#JSGF.*|grammar \w+;|public|//.*", " ", grammar)
    assert {word for word in re.findall(r"[a-z.']+", bodies) if word not in known} == set()


def test_the_recogniser_takes_every_grammar():
    decoder = pocketsphinx.Decoder(lm=None, loglevel="FATAL")
    for number, situation in enumerate(situations(script())):
        grammar = Grammars(script()).grammar(situation)
        if grammar is not None:
            decoder.add_jsgf_string(f"g{number}", grammar)
            decoder.activate_search(f"g{number}")
