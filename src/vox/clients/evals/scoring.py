"""Compares what happened in a call with what its scenario expects, check by check; pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from vox.clients.evals.record import CallRecord, ToolUse, TurnRecord
from vox.clients.evals.scenario import CallExpectation, Expectation, ModelScenario, Prices, Scenario, ToolExpectation
from vox.text.words import words

GREETING: Final = "greeting"
WHOLE_CALL: Final = "call"
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation: where it stands, what it says, whether it was met, and what there was instead."""

    where: str
    expected: str
    passed: bool
    found: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.expected}" + ("" if self.passed else f"; {self.found}")


def score(scenario: Scenario, record: CallRecord) -> list[Check]:
    """Every check of a scenario, in the order of the call."""
    greeting, *turns = record.turns or [TurnRecord("", 0.0)]
    checks = list(_turn_checks(GREETING, scenario.greeting, greeting))
    for number, scripted in enumerate(scenario.turns, start=1):
        where = f"turn {number}"
        if number <= len(turns):
            checks += _turn_checks(where, scripted.expect, turns[number - 1])
        else:
            checks.append(Check(where, "the caller gets to it", passed=False, found="the call ended before"))
    checks += _call_checks(scenario.expect, record, scenario.prices)
    if record.failure:
        checks.append(Check(WHOLE_CALL, "goes without an error", passed=False, found=record.failure))
    return checks


def score_output(scenario: ModelScenario, output: str) -> str:
    """Why a model's output is not what was expected; empty where it is. Compared trimmed and in lower case."""
    text = output.strip().lower()
    if scenario.expected_contains:
        expected = scenario.expected_contains.strip().lower()
        return "" if expected in text else f"the output does not contain {scenario.expected_contains!r}"
    if scenario.expected_pattern and not re.search(scenario.expected_pattern, text, re.IGNORECASE):
        return f"the output does not match {scenario.expected_pattern!r}"
    return ""


def has_phrase(text: str, phrase: str) -> bool:
    """Whether these words stand in the text one behind the other; case and punctuation do not count."""
    needle, hay = words(phrase), words(text)
    if not needle:
        return phrase.strip().casefold() in text.casefold()
    return any(hay[at : at + len(needle)] == needle for at in range(len(hay) - len(needle) + 1))


def cost(record: CallRecord, prices: Prices) -> float:
    """What the model's tokens cost, in the currency of the prices."""
    return (record.prompt_tokens * prices.prompt + record.completion_tokens * prices.completion) / _MILLION


def _turn_checks(where: str, expect: Expectation, turn: TurnRecord) -> Iterator[Check]:
    yield from _word_checks(where, expect, turn.answer)
    yield from _tool_checks(where, expect, turn.tools)
    if expect.answers_within_s is not None:
        yield _within(where, "answers", expect.answers_within_s, turn.response_s, "it did not answer")
    if expect.silenced_within_s is not None:
        yield _within(where, "is silent", expect.silenced_within_s, turn.silenced_s, "there was nothing to interrupt")


def _call_checks(expect: CallExpectation, record: CallRecord, prices: Prices) -> Iterator[Check]:
    yield from _word_checks(WHOLE_CALL, expect, record.agent_words())
    yield from _tool_checks(WHOLE_CALL, expect, record.tools)
    if (limit := expect.answers_within_s) is not None:
        for number, turn in enumerate(record.turns):
            if number and turn.response_s is not None:
                yield _within(f"{WHOLE_CALL}, turn {number}", "answers", limit, turn.response_s, "")
    if (bounds := expect.interruptions) is not None:
        fits = bounds.min <= record.interruptions and (bounds.max is None or record.interruptions <= bounds.max)
        allowed = f"{bounds.min}" + ("" if bounds.max == bounds.min else f" to {bounds.max or 'any'}")
        yield Check(WHOLE_CALL, f"interruptions: {allowed}", fits, f"there were {record.interruptions}")
    if expect.max_tokens is not None:
        used = record.prompt_tokens + record.completion_tokens
        yield Check(WHOLE_CALL, f"at most {expect.max_tokens} tokens", used <= expect.max_tokens, f"it took {used}")
    if expect.max_cost is not None:
        spent = cost(record, prices)
        yield Check(WHOLE_CALL, f"costs at most {expect.max_cost:g}", spent <= expect.max_cost, f"it cost {spent:.6g}")
    if expect.max_duration_s is not None:
        fits = record.duration_s <= expect.max_duration_s
        yield Check(
            WHOLE_CALL, f"lasts at most {expect.max_duration_s:g} s", fits, f"it took {record.duration_s:.1f} s"
        )
    if expect.ended_by is not None:
        fits = record.ended_by == expect.ended_by
        yield Check(WHOLE_CALL, f"the {expect.ended_by} hangs up", fits, f"the {record.ended_by} did")


def _word_checks(where: str, expect: Expectation, text: str) -> Iterator[Check]:
    found = f"the agent said {text!r}" if text else "the agent said nothing"
    for phrase in expect.contains:
        yield Check(where, f"says {phrase!r}", has_phrase(text, phrase), found)
    if expect.any_of:
        listed = ", ".join(map(repr, expect.any_of))
        yield Check(where, f"says one of {listed}", any(has_phrase(text, each) for each in expect.any_of), found)
    for phrase in expect.excludes:
        yield Check(where, f"does not say {phrase!r}", not has_phrase(text, phrase), found)
    for pattern in expect.matches:
        yield Check(where, f"matches /{pattern}/", re.search(pattern, text, re.IGNORECASE) is not None, found)


def _tool_checks(where: str, expect: Expectation, uses: Sequence[ToolUse]) -> Iterator[Check]:
    called = ", ".join(f"{use.name}({_shown(use.arguments)})" for use in uses)
    found = f"called were {called}" if called else "no tool was called"
    for tool in expect.tools:
        times = sum(_is_use_of(use, tool) for use in uses)
        fits = times == tool.times if tool.times is not None else times > 0
        count = "" if tool.times is None else f" {tool.times} times"
        yield Check(where, f"calls {tool.name}({_shown(tool.arguments)}){count}", fits, found)
    for name in expect.no_tools:
        yield Check(where, f"does not call {name}", all(use.name != name for use in uses), found)


def _is_use_of(use: ToolUse, tool: ToolExpectation) -> bool:
    return use.name == tool.name and _fits(use.arguments, tool.arguments)


def _fits(given: Any, expected: Any) -> bool:
    """Whether a value is what was expected; of a mapping the expected keys count, of texts and numbers what a reader sees."""
    if isinstance(expected, Mapping):
        if not isinstance(given, Mapping):
            return False
        values = cast("Mapping[str, Any]", given)
        return all(
            key in values and _fits(values[key], value) for key, value in cast("Mapping[str, Any]", expected).items()
        )
    if isinstance(expected, list | tuple):
        listed = cast("Sequence[Any]", expected)
        if not isinstance(given, list | tuple):
            return False
        items = cast("Sequence[Any]", given)
        return len(items) == len(listed) and all(map(_fits, items, listed))
    if isinstance(expected, bool) or expected is None:
        return given is expected or str(given).casefold() == str(expected).casefold()
    text = str(expected)
    if len(text) > 1 and text.startswith("/") and text.endswith("/"):
        return re.search(text[1:-1], str(given), re.IGNORECASE) is not None
    return _seen(given) == _seen(expected)


def _seen(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return " ".join(str(value).casefold().split())


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in arguments.items())


def _within(where: str, what: str, limit: float, seconds: float | None, otherwise: str) -> Check:
    if seconds is None:
        return Check(where, f"{what} within {limit:g} s", passed=False, found=otherwise)
    return Check(where, f"{what} within {limit:g} s", seconds <= limit, f"it took {seconds:.2f} s")
