"""Errors of the disk by what helps against them."""

import errno
import os

import pytest

from vox.stores.disk_errors import disk_failure


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EFBIG, "disk_full"),
        (errno.EIO, "disk_failed"),
        (errno.EROFS, "disk_failed"),
        (errno.EMFILE, "disk_failed"),
    ],
)
def test_a_full_disk_is_told_from_a_broken_one(number: int, code: str):
    failure = disk_failure(OSError(number, os.strerror(number)), "Storing failed")
    assert (failure.code, failure.retryable) == (code, True)
    assert str(failure).startswith("Storing failed: ")
