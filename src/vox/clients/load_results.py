"""The result of a load run, and the reasons to distrust it.

The rules are those of every comparison in `bench/`: a frame is late when a client with a 20 ms playout buffer has run
dry; a run counts only while the load generator itself kept its schedule.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

LATE_SHARE_LIMIT = 0.01  # the share of late frames above which callers hear it
SEND_LAG_LIMIT_S = 0.010  # half a playout buffer: beyond it the generator, not the server, makes frames late
FOREIGN_SHARE_LIMIT = 0.05  # of the server's core, taken by other processes


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of a set of values; all None where there were none."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    highest: float | None


def spread(values: Sequence[float]) -> Spread:
    """Nearest-rank percentiles."""
    ordered = sorted(values)

    def rank(share: float) -> float | None:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None

    return Spread(len(ordered), rank(0.50), rank(0.95), rank(0.99), rank(1.0))


@dataclass(frozen=True, slots=True)
class ServerCost:
    """What the server's processes used while frames were counted."""

    core_share: float  # of one core, user + system
    foreign_share: float | None  # of the server's core, used by others; None where it was not pinned
    idle_rss_bytes: int
    loaded_rss_bytes: int


@dataclass(frozen=True, slots=True)
class LoadResult:
    """One point: N simulated callers against one server."""

    line: str
    calls: int
    seconds: float
    held: int  # calls that were open at the end
    refused: int  # answered with 503 before the upgrade
    refused_without_retry_after: int
    broken: int  # ended by the server or never connected
    problems: Sequence[str]  # one line per kind of breakage, with its count
    frames: int
    late_frames: int
    lateness_s: Spread  # of the late frames
    turns: int
    unanswered: int
    response_s: Spread
    send_lag_s: Spread
    caller_core_share: float
    server: ServerCost | None

    @property
    def late_share(self) -> float:
        """Late frames as a share of all; 1 where callers were connected and nothing came."""
        if not self.frames:
            return 1.0 if self.held else 0.0
        return self.late_frames / self.frames

    @property
    def rss_per_call_bytes(self) -> float | None:
        """Growth over the idle server, divided by the calls held."""
        if self.server is None or not self.held:
            return None
        return (self.server.loaded_rss_bytes - self.server.idle_rss_bytes) / self.held

    @property
    def is_clean(self) -> bool:
        """Every call held and answered, and under one per cent of its frames late."""
        return (
            self.held == self.calls
            and not self.refused
            and not self.broken
            and self.frames > 0
            and self.late_share < LATE_SHARE_LIMIT
            and self.unanswered <= self.turns * LATE_SHARE_LIMIT
        )

    def doubts(self) -> list[str]:
        """Reasons not to believe this point; empty when it stands."""
        reasons = list[str]()
        if self.send_lag_s.p99 is not None and self.send_lag_s.p99 > SEND_LAG_LIMIT_S:
            reasons.append(
                f"the load generator itself was late (p99 {self.send_lag_s.p99 * 1000:.1f} ms): "
                "too many calls for its core, or the core is shared"
            )
        if self.server is not None and (self.server.foreign_share or 0.0) > FOREIGN_SHARE_LIMIT:
            reasons.append(f"other processes took {self.server.foreign_share:.0%} of the server's core")
        return reasons

    def as_json(self) -> dict[str, Any]:
        """The result with its derived values, for `--json`."""
        return asdict(self) | {
            "late_share": self.late_share,
            "rss_per_call_bytes": self.rss_per_call_bytes,
            "is_clean": self.is_clean,
            "doubts": self.doubts(),
        }
