"""What comes back on a simulated line."""

from array import array

from vox.clients.line_echo import LineEcho


def frame(value: int) -> bytes:
    return array("h", [value] * 160).tobytes()


def test_the_agent_comes_back_later_and_quieter_beside_the_caller():
    echo = LineEcho(level_db=-12.0, delay_s=0.04)
    sent = [echo.mixed(frame(100), heard) for heard in (frame(1000), frame(2000), frame(0), frame(0), frame(0))]
    assert sent == [frame(100), frame(100), frame(351), frame(602), frame(100)]


def test_without_a_delay_it_comes_back_at_once():
    assert LineEcho(level_db=0.0, delay_s=0.0).mixed(frame(1), frame(2)) == frame(3)
