"""Close codes and reasons that may be sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.http.sockets import checked_close


@given(st.text(max_size=200))
def test_a_reason_always_fits_a_close_frame_and_is_a_prefix(reason):
    _, sent = checked_close(1000, reason)
    assert len(sent.encode()) <= 123
    assert reason.startswith(sent)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2000, 5000])
def test_reserved_codes_are_refused(code):
    with pytest.raises(ValueError, match=str(code)):
        checked_close(code, "")


@pytest.mark.parametrize("code", [1000, 1001, 1013, 3000, 4999])
def test_other_codes_pass(code):
    assert checked_close(code, "x") == (code, "x")
