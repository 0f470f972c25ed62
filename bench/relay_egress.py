"""What the relay's egress costs alone: sealing and sending to listeners that are nobody, over a veth pair whose far end drops.

No receiver runs, so this is the sending side's share of `relay.py`, without the reader's wake-ups that colour loopback. Needs
Linux, root (network namespaces) and cargo. The parent machine's network is not touched.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
NATIVE = ROOT / "native"
PAGE = ROOT / "bench" / "results" / "relay_egress.md"
CORE = 0
NEAR, FAR = "vox-egress-near", "vox-egress-far"
NETWORK = "10.77.0.0"
# Nobody's address: the far end sees at the frame's head that it is not meant, and drops.
NOBODY = "02:00:00:00:00:99"


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    name: str
    listeners: int
    streams: int
    profile: str
    merging: str
    goal_per_s: int = 0
    segments_in_kernel: bool = False


LINES = (
    Line("single packets", 200, 3, "gcm128", "single", 375_000),
    Line("single packets", 2_000, 3, "gcm128", "single"),
    Line("single packets, AES-256-GCM", 200, 3, "gcm256", "single"),
    Line("single packets, AES-CM with HMAC-SHA1", 200, 3, "cm", "single"),
    Line("merged by 3", 200, 3, "gcm128", "merged", 700_000),
    Line("merged by 3", 2_000, 3, "gcm128", "merged"),
    Line("merged by 6", 200, 6, "gcm128", "merged", 1_000_000),
    Line("merged by 3, segmented by the kernel", 200, 3, "gcm128", "merged", segments_in_kernel=True),
    Line("merged by 6, segmented by the kernel", 200, 6, "gcm128", "merged", segments_in_kernel=True),
)


@dataclass(frozen=True)
class Cost:
    """What a line cost: nanoseconds of CPU per packet in each round, and what was added to merge."""

    cpu_ns: Sequence[float]
    packets: int
    dropped: int
    padding_share: float
    merged: bool

    @property
    def per_s(self) -> float:
        """Packets that one core would send in a second of CPU, by the median round."""
        return 1e9 / median(self.cpu_ns)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=10)


@contextmanager
def dropping_network() -> Generator[None]:
    """Two namespaces joined by a veth pair; all that leaves the near one is dropped in the far one."""
    for name in (NEAR, FAR):
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True, timeout=10)
    try:
        ip("netns", "add", NEAR)
        ip("netns", "add", FAR)
        ip("link", "add", "near", "netns", NEAR, "type", "veth", "peer", "name", "far", "netns", FAR)
        ip("-n", FAR, "link", "set", "far", "up")
        ip("-n", NEAR, "link", "set", "lo", "up")
        ip("-n", NEAR, "link", "set", "near", "up", "txqueuelen", "10000")
        ip("-n", NEAR, "address", "add", "10.76.0.1/24", "dev", "near")
        ip("-n", NEAR, "neighbour", "add", "10.76.0.2", "lladdr", NOBODY, "dev", "near", "nud", "permanent")
        ip("-n", NEAR, "route", "add", f"{NETWORK}/16", "via", "10.76.0.2")
        yield
    finally:
        for name in (NEAR, FAR):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True, timeout=10)


def let_device_segment(allowed: bool) -> bool:
    """Whether the near end takes merged datagrams whole; tells whether that could be set."""
    feature = ("ethtool", "-K", "near", "tx-udp-segmentation", "on" if allowed else "off")
    done = subprocess.run(["ip", "netns", "exec", NEAR, *feature], check=False, capture_output=True, timeout=10)
    return done.returncode == 0


def build() -> Path:
    """The program, built as the wheel is; takes minutes where nothing is kept."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", str(Path.home() / ".cache" / "vox" / "native")))
    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "-p", "vox_egress", "--example", "seal_and_send"],
        cwd=NATIVE,
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
        check=True,
        timeout=3600,
    )
    return target / "release" / "examples" / "seal_and_send"


def measure(program: Path, line: Line, rounds: int, seconds: float) -> Cost | None:
    """A line in so many rounds; None where the device cannot be told not to segment."""
    try:
        if not let_device_segment(not line.segments_in_kernel) and line.segments_in_kernel:
            return None
    except FileNotFoundError:
        if line.segments_in_kernel:
            return None
    answers = [run(program, line, seconds) for _ in range(rounds)]
    sent = sum(int(answer["packets"]) for answer in answers)
    return Cost(
        cpu_ns=[float(answer["cpu_ns"]) for answer in answers],
        packets=sent,
        dropped=sum(int(answer["dropped"]) for answer in answers),
        padding_share=sum(int(answer["padding"]) for answer in answers)
        / sum(int(answer["bytes"]) for answer in answers),
        merged=all(answer["merging"] for answer in answers),
    )


def run(program: Path, line: Line, seconds: float) -> dict[str, float | bool]:
    words = [NETWORK, line.listeners, line.streams, seconds, line.profile, line.merging]
    done = subprocess.run(
        ["ip", "netns", "exec", NEAR, "taskset", "-c", str(CORE), program, *map(str, words)],
        check=True,
        capture_output=True,
        timeout=seconds * 10 + 60,
    )
    return json.loads(done.stdout)


def row(line: Line, cost: Cost) -> str:
    goal = f"{line.goal_per_s:,}" if line.goal_per_s else "-"
    spread = f"{median(cost.cpu_ns):,.0f} ({min(cost.cpu_ns):,.0f}-{max(cost.cpu_ns):,.0f})"
    merged = "" if cost.merged or line.merging == "single" else ", refused by the kernel"
    lost = f"{cost.dropped:,} of {cost.packets + cost.dropped:,}"
    return f"| {line.name}{merged} | {line.listeners:,} | {spread} | {cost.per_s:,.0f} | {goal} | {cost.padding_share:.1%} | {lost} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round of each line")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}; only on a quiet machine")
    options = parser.parse_args()
    if os.geteuid() != 0 or platform.system() != "Linux":
        print("Needs Linux and root: it makes network namespaces.", file=sys.stderr)
        return 2
    program = build()
    head = [
        "| | listeners | ns of CPU a packet: median (range) | packets / CPU s | goal | padding | dropped by the kernel |",
        "|---|---|---|---|---|---|---|",
    ]
    table = list(head)
    print("\n".join(head))
    missed: list[str] = []
    with dropping_network():
        for line in LINES:
            cost = measure(program, line, options.rounds, options.seconds)
            if cost is None:
                print(f"{line.name}: not measured, ethtool cannot set it here", file=sys.stderr)
                continue
            table.append(row(line, cost))
            print(table[-1], flush=True)
            if cost.per_s < line.goal_per_s:
                missed.append(f"{line.name}: {cost.per_s:,.0f} of {line.goal_per_s:,}")
    if options.write:
        PAGE.write_text(page(table, options))
    for miss in missed:
        print(f"Missed: {miss}", file=sys.stderr)
    return 1 if missed else 0


def page(table: Sequence[str], options: argparse.Namespace) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short=8", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=10
    ).stdout.strip()
    lines = [
        "# Sealing and sending, without a receiver",
        "",
        f"`bench/relay_egress.py --rounds {options.rounds} --seconds {options.seconds:g}`, {platform.machine()}, Linux {platform.release()}, one thread",
        f"on core {CORE}, CPU time of the thread with its part of the kernel. Payloads of 80 to 160 bytes, each listener its own key, a veth pair whose far end drops. Loss 0 where the last column says so.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit}:",
        "",
        *table,
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
