"""Results as `results.json`: an array whose first five keys are the compatible original's."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vox.clients.evals.record import CallRecord
from vox.clients.evals.runner import EvalResult
from vox.clients.evals.scoring import Check


def results_json(results: Sequence[EvalResult], audio: Mapping[str, str]) -> str:
    """The document.

    Args:
        results: in order.
        audio: the path of each recording, relative to the document, by scenario.
    """
    return (
        json.dumps([_entry(result, audio.get(result.name)) for result in results], indent=2, ensure_ascii=False) + "\n"
    )


def _entry(result: EvalResult, audio: str | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": result.name,
        "pass": result.passed,
        "duration_secs": round(result.duration_s, 3),
    }
    output = result.output if result.record is None else result.record.agent_words()
    if output:
        entry["output"] = output
    if result.failures:
        entry["error"] = "; ".join(result.failures)
    if (record := result.record) is not None:
        entry["transport"] = result.transport
        entry["checks"] = [_check(check) for check in result.checks]
        entry |= _call(record)
        if result.cost is not None:
            entry["cost"] = round(result.cost, 8)
        if audio:
            entry["audio"] = audio
    return entry


def _check(check: Check) -> dict[str, Any]:
    shown: dict[str, Any] = {"where": check.where, "expected": check.expected, "pass": check.passed}
    return shown if check.passed else {**shown, "found": check.found}


def _call(record: CallRecord) -> dict[str, Any]:
    return {
        "call_duration_secs": round(record.duration_s, 3),
        "ended_by": record.ended_by,
        "interruptions": record.interruptions,
        "tokens": {"prompt": record.prompt_tokens, "completion": record.completion_tokens},
        "turns": [
            {
                "caller": turn.label,
                "began_secs": round(turn.began_s, 3),
                "response_secs": _rounded(turn.response_s),
                "silenced_secs": _rounded(turn.silenced_s),
                "agent": turn.answer,
            }
            for turn in record.turns
        ],
        "tools": [
            {"name": use.name, "arguments": dict(use.arguments), "result": use.result, "at_secs": round(use.at_s, 3)}
            for use in record.tools
        ],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
