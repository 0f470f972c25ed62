"""Processes that a test looks at; by psutil, because a bare Debian has no `ps`."""

import psutil


def children_of(pid: int, *, named: str = "") -> list[int]:
    """The direct children of a process whose command line contains `named`; none where the process is gone."""
    try:
        children = psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []
    return [child.pid for child in children if named in _command_line(child)]


def is_running(pid: int) -> bool:
    """Whether a process is there and has not merely to be waited for by its parent."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie has none either
        return ""
