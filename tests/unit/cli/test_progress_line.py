import io

from vox.cli.progress_line import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_for_every_tenth():
    out = io.StringIO()
    line = ProgressLine(out)
    for done in range(1001):
        line.show("copy", done, 1000)
    line.end()
    assert len(out.getvalue().splitlines()) == 11
    assert out.getvalue().splitlines()[-1] == "copy: 100%, 1,000 of 1,000"


def test_a_terminal_gets_one_line_a_step_and_is_left_on_the_next():
    out = Terminal()
    line = ProgressLine(out)
    line.show("copy", 1, 2)
    line.show("copy", 5, 2)  # more than was announced
    line.show("files", 0, 0)
    line.end()
    line.end()
    shown = out.getvalue()
    assert shown.count("\n") == 2
    assert " 50%  1 of 2" in shown
    assert "100%  5 of 2" in shown
    assert shown.endswith("100%  0 of 0\n")
