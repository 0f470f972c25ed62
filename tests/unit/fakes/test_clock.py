from datetime import timedelta

import pytest

from tests.fakes.clock import FakeClock
from vox.runtime.clock import Clock


def test_time_moves_only_by_advance():
    clock: Clock = FakeClock(now_s=5.0)
    start = clock.wall()
    assert (clock.now(), clock.now()) == (5.0, 5.0)

    assert isinstance(clock, FakeClock)
    clock.advance(1.5)

    assert clock.now() == 6.5
    assert clock.wall() - start == timedelta(seconds=1.5)


def test_time_does_not_go_back():
    with pytest.raises(ValueError, match="does not go back"):
        FakeClock().advance(-0.1)
