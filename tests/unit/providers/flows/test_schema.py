"""A flow that says something impossible is refused with the place and the remedy."""

import pytest

from tests.unit.providers.flows.flows import BOOKING, script
from vox.errors import UsageError
from vox.providers.flows.schema import ChoiceSlot, command_items, command_phrases, nearest


def flow(intent: str, more: str = "") -> str:
    lines = "\n".join(f"    {line}" for line in intent.strip().splitlines())
    return f"name: T\ngreeting: Hi.\nintents:\n  one:\n{lines}\n{more}"


ASKS = 'phrases: [one]\nslots: {day: {type: date, prompt: "?"}}\n'


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (flow("answer: a"), "needs `phrases`, `keywords`, `examples` or a `key`"),
        (flow("phrases: [one]"), "needs an `answer`"),
        (flow(ASKS + "answer: a"), "has no `answer`"),
        (flow(ASKS), "needs `done`"),
        (flow("phrases: [one]\nanswer: a\nconfirm: really?"), "`confirm` needs `slots`"),
        (flow(ASKS + "done: '{dya}'"), "did you mean 'day'"),
        (flow(ASKS.replace('"?"', '"{people}?"') + "done: d"), "not a slot of this intent"),
        (flow(ASKS.replace("[one]", '["on {dya}"]') + "done: d"), "did you mean 'day'"),
        (
            flow("phrases: [one]\nslots: {day: {type: date, prompt: p, phrases: [on]}}\ndone: d"),
            "the place of the value",
        ),
        (flow("phrases: [one]\nslots: {day: {type: date}}\ndone: d"), "needs a `prompt`"),
        (flow("phrases: ['(one']\nanswer: a"), "one"),
        (flow("phrases: [one]\nanswer: a\nkey: 12"), "not a telephone key"),
        (flow("phrases: [one]\nanswer: a\nanswr: b"), "answr"),
        (flow("phrases: [one]\nanswer: a", "timezone: Europe/Londn"), "Europe/London"),
        (flow("phrases: [one]\nanswer: a", "pronounce: {vox: X Y}"), "use the phones"),
        (flow("phrases: [one]\nanswer: a", "faq: [{keywords: ['?'], answer: a}]"), "has no word"),
        (flow("phrases: [one]\nanswer: a\nkey: 1", "commands: {help: {key: 1}}"), "already belongs to intents.one"),
        (flow("phrases: [one]\nanswer: a", "commands: 5"), "commands"),
        (flow("phrases: [one]\nslots: {c: {type: choice, prompt: p, options: []}}\ndone: d"), "options"),
        ("name: T\ngreeting: Hi.\nintents: {}", "intents"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(text, remedy):
    with pytest.raises(UsageError) as caught:
        script(text)
    assert remedy in str(caught.value)


def test_options_may_be_a_list_or_a_table():
    listed, table = (
        script(flow(f"phrases: [one]\nslots: {{c: {{type: choice, prompt: p, options: {options}}}}}\ndone: d"))
        for options in ("[red, 5]", "{red: , 5: [five]}")
    )
    one, other = (found.intents["one"].slots["c"] for found in (listed, table))
    assert isinstance(one, ChoiceSlot)
    assert isinstance(other, ChoiceSlot)
    assert one.options == {"red": (), "5": ()}
    assert other.options == {"red": (), "5": ("five",)}


def test_what_a_flow_does_not_say_of_a_command_stays_as_it_usually_is():
    found = script(flow("phrases: [one]\nanswer: a", "commands: {goodbye: {phrases: [ciao]}}"))
    commands = dict(command_items(found))
    assert commands["goodbye"].answer == "Good bye."
    assert commands["goodbye"].end
    assert command_phrases("goodbye", commands["goodbye"]) == ("ciao",)
    assert "help" in command_phrases("help", commands["help"])


def test_there_is_an_operator_only_where_the_flow_has_one():
    assert "operator" in dict(command_items(script(BOOKING)))
    assert "operator" not in dict(command_items(script(flow("phrases: [one]\nanswer: a"))))


def test_places_of_results_and_session_variables_are_known_at_run_time_only():
    script(flow(ASKS + "tool: t\ndone: '{day} {result.reference} {vars.caller} {result}'"))


def test_a_name_that_is_far_from_all_others_gets_no_remark():
    assert nearest("xyz", ["day"]) == ""
    assert "day" in nearest("dya", ["day"])
