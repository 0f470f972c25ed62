from datetime import date

from bench.conversation.answers import Said
from bench.conversation.booking_caller import MAX_FRUITLESS, BookingCaller, BookingOutcome, BookingScript

TODAY = date(2026, 5, 13)
PEOPLE, DAY, TIME = (Said("booking", "slot", name) for name in ("people", "day", "time"))
DONE, MISS, CHANGE = Said("booking", "done"), Said("fallback"), Said("prompt", "change")
SAYS = {
    "open": ["A table, please.", "I want a table."],
    "people": "Four people.",
    "day": "On Friday.",
    "time": "At eight.",
}
WANTS = {"people": 4, "day": "2026-05-15", "time": "20:00"}


def reads_back(people="four", day="friday", time="eight in the evening"):
    return [Said("booking", "confirm", values={"people": people, "day": day, "time": time})]


def caller(*at):
    return BookingCaller(BookingScript.from_json({"name": "b", "says": SAYS, "wants": WANTS, "at": at}), TODAY)


def test_it_answers_what_is_asked_and_confirms_what_is_right():
    one = caller()
    assert one.first_line() == "A table, please."
    assert [one.next_line([asked]) for asked in (PEOPLE, DAY, TIME)] == ["Four people.", "On Friday.", "At eight."]
    assert one.next_line(reads_back()) == "Yes, that's right."
    assert one.next_line([DONE, DONE]) is None
    assert one.outcome is BookingOutcome.AS_WANTED


def test_it_corrects_a_wrong_read_back():
    one = caller()
    assert one.next_line(reads_back(day="saturday")) == "No, on Friday."
    assert one.next_line([CHANGE]) == "On Friday."
    assert one.next_line(reads_back()) == "Yes, that's right."


def test_a_table_that_was_read_back_wrongly_and_booked_all_the_same_is_wrong():
    one = caller()
    one.next_line(reads_back(people="five"))
    one.next_line([DONE])
    assert one.outcome is BookingOutcome.WRONG


def test_a_table_that_was_never_read_back_is_wrong():
    one = caller()
    one.next_line([DONE])
    assert one.outcome is BookingOutcome.WRONG


def test_it_changes_its_mind_once_the_read_back_is_right():
    one = caller(
        {"when": "confirm", "say": "Make it five.", "wants": {"people": 5}, "says": {"people": "Five people."}}
    )
    assert one.next_line(reads_back(people="two")) == "No, four people."
    assert one.next_line(reads_back()) == "Make it five."
    assert one.next_line(reads_back()) == "No, five people."
    assert one.next_line(reads_back(people="five")) == "Yes, that's right."


def test_it_asks_in_between_once():
    one = caller({"when": "day", "say": "Do you have parking?"})
    assert [one.next_line([DAY]), one.next_line([Said("parking"), DAY])] == ["Do you have parking?", "On Friday."]


def test_one_that_gives_up_wants_no_table():
    one = caller({"when": "time", "say": "Forget it.", "ends": True})
    assert one.next_line([TIME]) == "Forget it."
    assert one.next_line([Said("command:start_over"), Said("prompt")]) is None
    assert one.outcome is BookingOutcome.AS_WANTED


def test_a_table_booked_after_giving_up_is_wrong():
    one = caller({"when": "confirm", "say": "Forget it.", "ends": True})
    one.next_line(reads_back())
    one.hear([DONE])
    assert one.outcome is BookingOutcome.WRONG


def test_it_repeats_in_other_words_and_hangs_up_after_too_many_misses():
    one = caller()
    lines = [one.first_line(), *(one.next_line([MISS]) for _ in range(MAX_FRUITLESS + 1))]
    assert lines[:3] == ["A table, please.", "I want a table.", "I want a table."]
    assert lines[-1] is None
    assert one.outcome is BookingOutcome.FAILED
