"""The results as tables: Markdown, which is also what is printed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.conversation.booking_caller import BookingOutcome, BookingScript
from bench.conversation.scoring import Asked, Score, Verdict, score
from bench.conversation.turn_taking import KINDS, MISUNDERSTOOD, SPLIT, TALKED_OVER, TurnResult, percentiles

Booked = tuple[BookingScript, BookingOutcome, list[str]]
_MEANING = {
    "pause": ("taken as one turn in spite of a pause of 0.7 s", "answer after the last word"),
    "whole": ("whole sentences answered", "answer after the last word"),
    "barge_in": ("barge-ins answered, or silence after *stop*", "barge-in to silence"),
    "cough": ("the agent speaks on through a cough", "held back"),
    "backchannel": ("the agent speaks on through an *uh huh*", "held back"),
}


@dataclass(slots=True)
class Results:
    """What a run has brought; `asked` and `booked` by `typed` and `voice`."""

    asked: dict[str, list[Asked]] = field(default_factory=dict[str, list[Asked]])
    booked: dict[str, list[Booked]] = field(default_factory=dict[str, list[Booked]])
    turns: list[TurnResult] = field(default_factory=list[TurnResult])


def tables(results: Results) -> str:
    """All tables of which there is something."""
    parts: list[str] = []
    if results.asked:
        rows = [
            (f"{way}, {half}", score(some)) for way, asked in results.asked.items() for half, some in _halves(asked)
        ]
        by = [
            (name, score(some))
            for name, some in _grouped(results.asked.get("voice", []), lambda one: _groups(one.condition))
        ]
        parts += [_score_table("Questions", rows)]
        if by:
            parts += [_score_table("By voice and line", by)]
    if results.booked:
        parts += [_booking_table(results.booked)]
    if results.turns:
        parts += [_turn_table(results.turns)]
    return "\n\n".join(parts) + "\n"


def details(results: Results) -> str:
    """What did not go as it should, one line each."""
    lines = [
        f"{one.verdict:7} {one.question.text!r} ({'/'.join(one.question.topics)}; {one.condition}) heard {one.heard!r}: {one.answer}"
        for asked in results.asked.values()
        for one in asked
        if one.verdict is not Verdict.RIGHT
    ]
    return "\n".join([*lines, *booking_details(results), *turn_details(results)])


def booking_details(results: Results) -> list[str]:
    """The bookings that did not come through, with what was said."""
    return [
        line
        for booked in results.booked.values()
        for script, outcome, said in booked
        if outcome is not BookingOutcome.AS_WANTED
        for line in (f"booking {script.name!r}: {outcome}", *(f"    {each}" for each in said))
    ]


def turn_details(results: Results) -> list[str]:
    """The turns that did not go as they should."""
    return [
        f"{one.kind} {one.what!r} ({one.condition}): {_ms(one.seconds)} ms {one.note}"
        for one in results.turns
        if not one.is_right or one.note
    ]


def _score_table(title: str, rows: Sequence[tuple[str, Score]]) -> str:
    head = "| | asked | right | wrong | help | silence | answer p50 / p95 (ms) |"
    lines = [
        f"| {name} | {one.asked} | {_percent(one, Verdict.RIGHT)} | {_percent(one, Verdict.WRONG)} "
        f"| {_percent(one, Verdict.HELP)} | {_percent(one, Verdict.SILENT)} | {_ms(one.p50_s)} / {_ms(one.p95_s)} |"
        for name, one in rows
    ]
    return "\n".join([f"## {title}", "", head, "|---|---|---|---|---|---|---|", *lines])


def _booking_table(booked: dict[str, list[Booked]]) -> str:
    ways = list(booked)
    names = [script.name for script, _, _ in booked[ways[0]]]
    rows = [f"| {name} | {' | '.join(booked[way][number][1] for way in ways)} |" for number, name in enumerate(names)]
    sums = [
        f"{sum(outcome is BookingOutcome.AS_WANTED for _, outcome, _ in booked[way])} as wanted, "
        f"{sum(outcome is BookingOutcome.WRONG for _, outcome, _ in booked[way])} wrong"
        for way in ways
    ]
    head = f"| | {' | '.join(ways)} |"
    return "\n".join(
        ["## Bookings", "", head, "|---" * (len(ways) + 1) + "|", *rows, f"| **sum** | {' | '.join(sums)} |"]
    )


def _turn_table(turns: Sequence[TurnResult]) -> str:
    lines = ["## Turns", "", "| | as it should be | time | p50 / p95 (ms) |", "|---|---|---|---|"]
    for kind in KINDS:
        some = [one for one in turns if one.kind == kind]
        if some:
            what, time = _MEANING[kind]
            p50, p95 = percentiles(some, kind)
            right = sum(one.is_right for one in some)
            lines.append(f"| {what} | {right} of {len(some)} | {time} | {_ms(p50)} / {_ms(p95)} |")
        if kind == "pause" and some:
            lines += [
                f"| … {note} | {sum(one.note == note for one in some)} of {len(some)} | | |"
                for note in (TALKED_OVER, SPLIT, MISUNDERSTOOD)
            ]
    return "\n".join(lines)


def _halves(asked: Sequence[Asked]) -> list[tuple[str, list[Asked]]]:
    return _grouped(asked, lambda one: (f"{one.question.half} half",))


def _groups(condition: str) -> tuple[str, ...]:
    speaker, line, *noise = condition.split(", ")
    return (speaker, line, "with noise" if noise else "without noise")


def _grouped(asked, keys) -> list[tuple[str, list[Asked]]]:
    groups: dict[str, list[Asked]] = {}
    for one in asked:
        for key in keys(one):
            groups.setdefault(key, []).append(one)
    return sorted(groups.items())


def _percent(one: Score, verdict: Verdict) -> str:
    return f"{100 * one.share(verdict):.1f} %"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f}"
