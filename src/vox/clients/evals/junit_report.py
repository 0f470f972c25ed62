"""Results as JUnit XML, which CI systems show: one test case a scenario."""

import re
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from vox.clients.evals.runner import EvalResult

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped; a model may write it."""


def junit_xml(results: Sequence[EvalResult], suite: str = "vox eval") -> str:
    """The document; a scenario that could not be judged is an error, one with an unmet expectation a failure."""
    errors = sum(bool(result.error) for result in results)
    failures = sum(not result.passed for result in results) - errors
    seconds = sum(result.duration_s for result in results)
    counts = f'tests="{len(results)}" failures="{failures}" errors="{errors}" time="{seconds:.3f}"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {counts}>"]
    lines.append(f"  <testsuite name={_attribute(suite)} {counts}>")
    for result in results:
        lines += _case(result)
    lines += ["  </testsuite>", "</testsuites>"]
    return "\n".join(lines) + "\n"


def _case(result: EvalResult) -> list[str]:
    named = f"name={_attribute(result.name)} classname={_attribute(result.transport)}"
    lines = [f'    <testcase {named} time="{result.duration_s:.3f}">']
    if not result.passed:
        kind = "error" if result.error else "failure"
        first, everything = result.failures[0], "\n".join(result.failures)
        lines.append(f"      <{kind} message={_attribute(first)}>{_text(everything)}</{kind}>")
    said = result.output or ""
    if result.record is not None:
        said = "\n".join(f"{line.at_s:7.2f}s {line.speaker}: {line.text}" for line in result.record.lines)
    if said:
        lines.append(f"      <system-out>{_text(said)}</system-out>")
    return [*lines, "    </testcase>"]


def _attribute(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))
