import gc

from vox.runtime.gc_freeze import freeze_startup_objects


def test_what_is_there_is_left_alone_and_what_comes_later_is_not():
    try:
        freeze_startup_objects()
        assert gc.get_freeze_count() > 10_000
        later: list[object] = []
        later.append(later)
        address = id(later)
        assert any(id(one) == address for one in gc.get_objects())
        del later
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
