"""Results as one HTML page without scripts or addresses of others; recordings lie beside it. Everything in it is escaped."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Final
from urllib.parse import quote

from vox.clients.evals.record import CallRecord, TurnRecord
from vox.clients.evals.runner import EvalResult

_STYLE: Final = """\
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #cf222e; --dim: #8889; }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --bad: #ff7b72; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } summary { cursor: pointer; font-weight: 600; }
details { border: 1px solid var(--line); border-radius: 8px; padding: .6rem 1rem; margin: .6rem 0; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-top: 1px solid var(--line); }
.pass { color: var(--good); } .fail { color: var(--bad); } .dim { color: GrayText; font-weight: normal; }
.time { white-space: nowrap; font-variant-numeric: tabular-nums; } audio { width: 100%; }
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; media-src 'self' file:"


def html_report(results: Sequence[EvalResult], audio: Mapping[str, str], made: datetime) -> str:
    """The page; failed scenarios are open.

    Args:
        results: in order.
        audio: the path of each recording, relative to the page, by scenario.
        made: when the run ended.
    """
    passed = sum(result.passed for result in results)
    state = "pass" if passed == len(results) else "fail"
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{passed} of {len(results)} passed</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n"
        f'<h1><span class="{state}">{passed} of {len(results)} scenarios passed</span>'
        f' <span class="dim">{made:%Y-%m-%d %H:%M} UTC</span></h1>\n'
    )
    return (
        head
        + "".join(part for result in results for part in _scenario(result, audio.get(result.name)))
        + "</body>\n</html>\n"
    )


def _scenario(result: EvalResult, audio: str | None) -> Iterator[str]:
    state, word = ("pass", "passed") if result.passed else ("fail", "failed")
    yield f"<details{'' if result.passed else ' open'}>\n"
    yield f'<summary><span class="{state}">{word}</span> {escape(result.name)}'
    yield f' <span class="dim">{escape(result.transport)}, {result.duration_s:.1f} s</span></summary>\n'
    if result.description:
        yield f"<p>{escape(result.description)}</p>\n"
    if result.error:
        yield f'<p class="fail">{escape(result.error)}</p>\n'
    if audio:
        yield f'<audio controls preload="none" src="{escape(quote(audio))}"></audio>\n'
    if result.checks:
        yield "<table>\n<tr><th></th><th>Where</th><th>Expected</th><th>Found</th></tr>\n"
        for check in result.checks:
            mark = '<td class="pass">✓</td>' if check.passed else '<td class="fail">✗</td>'
            found = "" if check.passed else escape(check.found)
            yield f"<tr>{mark}<td>{escape(check.where)}</td><td>{escape(check.expected)}</td><td>{found}</td></tr>\n"
        yield "</table>\n"
    if result.output is not None:
        yield f"<p>{escape(result.output)}</p>\n"
    if result.record is not None:
        yield from _conversation(result.record)
        yield _figures(result.record, result.cost)
    yield "</details>\n"


def _conversation(record: CallRecord) -> Iterator[str]:
    yield "<table>\n<tr><th>At</th><th>Caller</th><th>Agent</th><th>Answered after</th></tr>\n"
    for turn in record.turns:
        yield f'<tr><td class="time">{turn.began_s:.1f} s</td><td>{escape(turn.label)}</td><td>{escape(turn.answer)}{_tools(turn)}</td>'
        yield f'<td class="time">{_seconds(turn.response_s)}</td></tr>\n'
    yield "</table>\n"


def _tools(turn: TurnRecord) -> str:
    listed = (
        f"{use.name}({', '.join(f'{key}: {value}' for key, value in use.arguments.items())}) → {use.result}"
        for use in turn.tools
    )
    return "".join(f'<br><span class="dim">{escape(each)}</span>' for each in listed)


def _figures(record: CallRecord, cost: float | None) -> str:
    figures = [f"{record.duration_s:.1f} s of call", f"the {record.ended_by} hung up"]
    if record.interruptions:
        figures.append(f"{record.interruptions} interruptions")
    if tokens := record.prompt_tokens + record.completion_tokens:
        figures.append(f"{tokens} tokens")
    if cost is not None:
        figures.append(f"cost {cost:.4g}")
    return f'<p class="dim">{escape(", ".join(figures))}</p>\n'


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
