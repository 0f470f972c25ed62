"""The universal commands: each has phrases and examples, and no two share one."""

from collections import Counter

from vox.providers.flows.commands import DEFAULT_EXAMPLES, DEFAULT_PHRASES, USUAL_COMMANDS
from vox.providers.flows.patterns import parse_pattern, wordings
from vox.providers.flows.wording import heard_words


def test_every_command_can_be_said():
    assert DEFAULT_PHRASES.keys() == DEFAULT_EXAMPLES.keys()
    assert USUAL_COMMANDS.keys() <= DEFAULT_PHRASES.keys()


def test_what_ends_something_is_asked_about():
    assert {name for name, command in USUAL_COMMANDS.items() if "confirm" in command} == {"goodbye", "start_over"}


def test_no_two_commands_are_said_alike():
    said = Counter(
        heard_words(text)
        for name, phrases in DEFAULT_PHRASES.items()
        for text in {
            heard_words(text): text
            for text in [
                *(sentence for phrase in phrases for sentence in wordings(parse_pattern(phrase), {})),
                *DEFAULT_EXAMPLES[name],
            ]
        }.values()
    )
    assert [words for words, count in said.items() if count > 1] == []
