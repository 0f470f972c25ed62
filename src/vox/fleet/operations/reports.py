"""What a worker says about itself, as far as a restart needs it, and the table of all of them; pure.

A worker of another version may leave fields out; what is not known is shown as "-" and taken as nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

_FAILURES: Final = frozenset({"stt_errors_total", "llm_errors_total", "tts_errors_total"})
_REQUEST_FAILURES: Final = "http_requests_total"
_CALLS: Final = "vox_agent_calls_admitted_total"
_HEADINGS: Final = ("WORKER", "STATE", "CALLS", "MAX", "FREE", "GENERATION", "PID")


class WorkerReport(msgspec.Struct, frozen=True):
    """The fields of `/health` that are used here."""

    worker_calls: int = 0
    worker_max: int = 0
    reserved: int = 0
    limit: int | None = None
    worker_pid: int | None = None
    worker_id: str = ""
    state: str = ""
    generation: int | None = None

    @property
    def free(self) -> int:
        """How many more calls it takes now."""
        ceiling = self.worker_max if self.limit is None else self.limit
        return max(0, ceiling - self.worker_calls - self.reserved) if self.state in {"", "ready", "full"} else 0


@dataclass(frozen=True, slots=True)
class Row:
    """One worker in the table; without a report it did not answer."""

    address: str
    report: WorkerReport | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Calls taken and what failed in them, since a process began."""

    calls: float = 0.0
    failures: float = 0.0

    def since(self, before: "Counts") -> "Counts":
        """What was added; everything where the process is a new one."""
        if self.calls < before.calls or self.failures < before.failures:
            return self
        return Counts(self.calls - before.calls, self.failures - before.failures)


def read_report(body: bytes) -> WorkerReport | None:
    """A worker's report; None where the answer is none."""
    try:
        return msgspec.json.decode(body, type=WorkerReport)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class _Known(msgspec.Struct):
    """A worker as the bridge's `/health/fleet` has it; without an id it is one of a server that is only polled."""

    id: str = ""
    url: str = ""
    calls: int = 0
    max: int = 0
    reserved: int = 0
    limit: int | None = None
    state: str = ""
    generation: int | None = None
    pid: int | None = None
    age_s: float = 0.0
    stale: bool = False


class _Fleet(msgspec.Struct):
    workers: list[_Known]


def read_fleet(body: bytes) -> list[Row] | None:
    """The workers that a bridge knows, a silent one without a report; None where the answer is none."""
    try:
        known = msgspec.json.decode(body, type=_Fleet).workers
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return [
        Row(one.id or one.url, None, f"not heard for {one.age_s:.0f} s")
        if one.stale
        else Row(
            one.id or one.url,
            WorkerReport(
                worker_calls=one.calls,
                worker_max=one.max,
                reserved=one.reserved,
                limit=one.limit,
                worker_pid=one.pid,
                worker_id=one.id,
                state=one.state,
                generation=one.generation,
            ),
        )
        for one in known
    ]


def read_counts(metrics: str) -> Counts:
    """Counts out of a worker's `/metrics`; lines that cannot be read are left out."""
    calls = failures = 0.0
    for line in metrics.splitlines():
        sample, _, value = line.rpartition(" ")
        name = sample.partition("{")[0]
        if name not in _FAILURES | {_CALLS, _REQUEST_FAILURES}:
            continue
        try:
            number = float(value)
        except ValueError:
            continue
        if name == _CALLS:
            calls += number
        elif name in _FAILURES or 'status_code="Internal Server Error"' in sample:
            failures += number
    return Counts(calls, failures)


def table(rows: Iterable[Row]) -> str:
    """The workers as text for people, and their sum."""
    listed = [*rows]
    answered = [row.report for row in listed if row.report is not None]
    lines: list[Sequence[str]] = [_HEADINGS, *(_cells(row) for row in listed)]
    lines.append(("total", f"{len(answered)} of {len(listed)}", *(str(sum(each)) for each in _sums(answered)), "", ""))
    widths = [max(len(line[at]) for line in lines) for at in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def as_json(row: Row) -> Mapping[str, Any]:
    """A row for programs."""
    if row.report is None:
        return {"address": row.address, "state": "unreachable", "problem": row.problem}
    return {"address": row.address, **msgspec.structs.asdict(row.report), "free": row.report.free}


def _sums(reports: Sequence[WorkerReport]) -> tuple[list[int], list[int], list[int]]:
    return (
        [each.worker_calls for each in reports],
        [each.worker_max for each in reports],
        [each.free for each in reports],
    )


def _cells(row: Row) -> Sequence[str]:
    report = row.report
    if report is None:
        return (row.address, f"unreachable: {row.problem}" if row.problem else "unreachable", *"-----")
    shown = report.generation, report.worker_pid
    return (
        row.address,
        report.state or "-",
        str(report.worker_calls),
        str(report.worker_max) if report.worker_max else "-",
        str(report.free) if report.worker_max else "-",
        *("-" if each is None else str(each) for each in shown),
    )
