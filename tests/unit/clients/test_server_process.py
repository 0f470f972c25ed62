import os
import sys
from pathlib import Path

import pytest

from vox.clients.server_process import busy_seconds, usage

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


def test_a_process_shows_its_memory_and_time():
    used = usage(os.getpid())
    assert used is not None
    assert used.rss_bytes > 10 << 20
    assert used.cpu_s > 0


def test_a_process_that_is_gone_shows_nothing():
    assert usage(2**22 + 1) is None


@pytest.mark.skipif(sys.platform != "linux", reason="Linux keeps these numbers")
def test_a_core_has_worked_since_boot():
    assert (busy_seconds(0) or 0.0) > 0.0
    assert busy_seconds(100_000) is None
