from collections.abc import Sequence

import pytest

from vox.clients.evals.model_caller import CallerLine, CallerRole, ChatMessage
from vox.clients.evals.scenario import ModelCaller
from vox.errors import DependencyError


class FakeCompletions:
    """Says its lines in turn and remembers what it was asked."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.asked: list[list[ChatMessage]] = []

    async def __call__(self, messages: Sequence[ChatMessage]) -> str:
        self.asked.append(list(messages))
        return self.lines.pop(0)


async def test_the_agent_is_the_user_of_the_model_that_plays_the_caller():
    model = FakeCompletions("Is it open?", "Thanks. [Hang up]")
    role = CallerRole(ModelCaller(goal="find out the hours", persona="You are curt."), model)
    assert await role.next_line("Hello.") == CallerLine("Is it open?", is_last=False)
    assert await role.next_line("") == CallerLine("Thanks.", is_last=True)
    assert [(one.role, one.content) for one in model.asked[1][1:]] == [
        ("user", "Hello."),
        ("assistant", "Is it open?"),
        ("user", "(silence)"),
    ]
    system = model.asked[0][0]
    assert system.role == "system"
    assert "find out the hours" in system.content
    assert "You are curt." in system.content


async def test_the_first_words_may_be_given():
    model = FakeCompletions("And then?")
    role = CallerRole(ModelCaller(goal="g", opens_with="Hi there"), model)
    assert (await role.next_line("Hello.")).text == "Hi there"
    assert (await role.next_line("Yes?")).text == "And then?"
    assert ChatMessage("assistant", "Hi there") in model.asked[0]


async def test_a_caller_gives_up_after_their_last_turn():
    role = CallerRole(ModelCaller(goal="g", max_turns=2), FakeCompletions("a", "b"))
    assert [(await role.next_line("x")).is_last for _ in range(2)] == [False, True]


async def test_they_may_hang_up_without_a_word():
    assert await CallerRole(ModelCaller(goal="g"), FakeCompletions("[hang up]")).next_line("x") == CallerLine(
        "", is_last=True
    )


async def test_a_model_that_says_nothing_is_an_error():
    with pytest.raises(DependencyError) as error:
        await CallerRole(ModelCaller(goal="g"), FakeCompletions("  ")).next_line("x")
    assert error.value.code == "empty_answer"
