"""Errors of the disk, by what helps against them: a full disk needs room, any other failure a look at the disk."""

import errno
from typing import Final

from vox.errors import DependencyError

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def disk_failure(error: OSError, doing: str) -> DependencyError:
    """What to raise for an error of the disk.

    Args:
        error: what the system said.
        doing: what was tried, the start of the sentence.

    Returns:
        `disk_full` where there is no room, a quota or a file size is used up; else `disk_failed`.
    """
    if error.errno in FULL:
        return DependencyError(f"{doing}: the disk is full", code="disk_full", retryable=True, retry_after_s=60)
    return DependencyError(f"{doing}: {error.strerror or error}", code="disk_failed", retryable=True)
