"""How much memory this process may still take, as Linux tells."""

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_MB = 1_000_000


def free_memory_mb(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> float | None:
    """Megabytes that can be had without swapping: the machine's, or what is left to this container; None: not known."""
    known = [value for value in (_available(meminfo), _left_to_container(cgroup)) if value is not None]
    return min(known, default=None)


def _available(meminfo: Path) -> float | None:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        return next((int(line.split()[1]) * 1024 / _MB for line in lines if line.startswith("MemAvailable:")), None)
    except (OSError, ValueError, IndexError):
        return None


def _left_to_container(cgroup: Path) -> float | None:
    try:
        limit = (cgroup / "memory.max").read_text(encoding="ascii").strip()
        used = int((cgroup / "memory.current").read_text(encoding="ascii"))
        return None if limit == "max" else max(0, int(limit) - used) / _MB
    except (OSError, ValueError):
        return None
