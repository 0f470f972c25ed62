"""How pieces of text become one transcript."""

import pytest

from vox.providers.stt._dialect import Heard
from vox.providers.stt._understood import Understood
from vox.providers.stt.contract import Word


def test_final_pieces_stay_and_interim_ones_are_replaced():
    understood = Understood()
    for heard in (Heard("book"), Heard("book a"), Heard("Book a table", is_final=True), Heard("for"), Heard("for two")):
        understood.take(heard)
    assert understood.text == "Book a table for two"
    assert understood.interim == "for two"


def test_empty_pieces_leave_no_gap():
    understood = Understood()
    for heard in (Heard("yes", is_final=True), Heard("  ", is_final=True), Heard("please", is_final=True), Heard("")):
        understood.take(heard)
    assert understood.text == "yes please"


def test_what_is_settled_survives_a_lost_connection():
    understood = Understood()
    understood.take(Heard("book a table", is_final=True))
    understood.take(Heard("for"))
    understood.settle()
    understood.take(Heard("two", is_final=True))
    understood.take(Heard("people"))
    understood.rewind(0.0)
    assert understood.text == "book a table for"
    assert not understood.is_alive


def test_times_count_from_the_beginning_of_the_utterance():
    understood = Understood(offset_s=2.0)
    understood.take(Heard("one", True, words=(Word("one", 2.5, 2.8),)))
    understood.rewind(-1.0)
    understood.take(Heard("two", True, words=(Word("two", 0.5, 0.9),)))
    (word,) = understood.transcript().words
    assert (word.start_s, word.end_s) == pytest.approx((1.5, 1.9))
    early = Understood(offset_s=2.0)
    early.take(Heard("one", True, words=(Word("one", 1.9, 2.1),)))
    assert early.transcript().words[0].start_s == 0.0


def test_confidence_weighs_longer_pieces_more():
    understood = Understood()
    understood.take(Heard("abc", True, 1.0))
    understood.take(Heard("d", True, 0.0))
    assert understood.transcript().confidence == pytest.approx(0.75)
    assert Understood().transcript().confidence is None


def test_the_language_is_what_the_vendor_said_last_else_the_calls():
    understood = Understood()
    assert understood.transcript(language="en").language == "en"
    understood.take(Heard("si", True, language="es"))
    assert understood.transcript(language="en").language == "es"
    assert understood.transcript(at_pause=True).at_pause
