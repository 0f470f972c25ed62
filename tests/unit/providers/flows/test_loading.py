import pytest
import yaml

from tests.unit.providers.flows.flows import BOOKING, script
from vox.errors import UsageError
from vox.providers.flows.loading import read_script
from vox.providers.flows.schema import ChoiceSlot


def refused(text: str) -> str:
    """What is said about a flow that is not one."""
    with pytest.raises(UsageError) as caught:
        read_script(text, "my.yaml")
    assert caught.value.code == "invalid_flow"
    assert "my.yaml" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("right", "wrong", "place", "remedy"),
    [
        ("prompt: How many?", "promt: How many?", "intents.booking.slots.people.promt", "did you mean 'prompt'?"),
        ("type: number", "type: nummber", "intents.booking.slots.people", "use one of choice, date"),
        ("type: number", "min: 1", "intents.booking.slots.people", "given twice"),
        ("{people} on {day}", "{peple} on {day}", "intents.booking", "did you mean 'people'?"),
        ('"[a] table"', '"[a] (table"', "intents.booking.phrases.1", "')' is missing"),
        ('"[a] table"', '"a table for {persons}"', "phrases.1: {persons}", "is not a slot"),
        ('"{people} (people | persons)"', "people", "slots.people.phrases.1", "lacks {people}"),
        ("key: 2", "key: 1", "intents.booking.key", "choose another"),
        ("key: 2", "key: 22", "intents.booking.key", "use one of 0-9"),
        ('prompt: "Which day?"', "label: date", "intents.booking.slots.day", "`optional: true`"),
        ("answer: From noon to ten.", "end: true", "intents.hours", "needs an `answer`"),
        ("greeting: Hello.", "timezone: Moon/Crater", "timezone", "Europe/London"),
        ("greeting: Hello.", "", "greeting", "missing"),
        ("after: 3", "after: 0", "fallback.after", "greater than or equal to 1"),
    ],
)
def test_a_wrong_flow_is_refused_with_the_place_and_the_remedy(right, wrong, place, remedy):
    assert right in BOOKING
    message = refused(BOOKING.replace(right, wrong, 1))
    assert remedy in message
    assert "given twice" in remedy or place in message


@pytest.mark.parametrize("text", ["", "- a", "just words", "a: [", "a: 1\na: 2", "a: !!python/object:os.system {}"])
def test_what_is_no_mapping_is_refused(text):
    refused(text)


def test_every_phone_of_a_pronunciation_is_checked():
    assert "pronounce" in refused(BOOKING + "pronounce: {vox: v aa k s}\n")
    assert script(BOOKING + "pronounce: {vox: V AA K S}\n").pronounce == {"vox": "V AA K S"}
    assert "XX" in refused(BOOKING + "pronounce: {vox: V XX K S}\n")


def test_words_that_yaml_takes_for_something_else_stay_words():
    text = BOOKING.replace("{red: [burgundy], white: [riesling]}", "[yes, no, on, 11:30]")
    slot = script(text).intents["wine"].slots["colour"]
    assert isinstance(slot, ChoiceSlot)
    assert list(slot.options) == ["yes", "no", "on", "11:30"]
    assert yaml.safe_load("[yes]") == [True]  # which is why


def test_a_command_keeps_what_the_flow_does_not_change():
    commands = script().commands
    assert commands.goodbye.answer == "Bye."
    assert commands.goodbye.end
    assert commands.start_over.answer
    assert not script(BOOKING.replace("goodbye: {answer: Bye.}", "goodbye: {end: false}")).commands.goodbye.end
