"""What this machine, or the container in it, has to spare for a model."""

import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
UNKNOWN = 1 << 62
"""Stands for memory of which nothing is known, outside of Linux: enough is assumed."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory(meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> int:
    """Bytes that can be had without swapping: the machine's, or what is left to this container where that is less."""
    return min(_available(meminfo), _left_to_container(cgroup))


def _available(meminfo: Path) -> int:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), UNKNOWN)
    except (OSError, ValueError, IndexError):
        return UNKNOWN


def _left_to_container(cgroup: Path) -> int:
    """Files that only are in the page cache count as free, because the kernel gives them up."""
    try:
        limit = (cgroup / "memory.max").read_text(encoding="ascii").strip()
        used = int((cgroup / "memory.current").read_text(encoding="ascii"))
        lines = (cgroup / "memory.stat").read_text(encoding="ascii").splitlines()
        cached = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
        return UNKNOWN if limit == "max" else max(0, int(limit) - used + cached)
    except (OSError, ValueError, IndexError):
        return UNKNOWN
