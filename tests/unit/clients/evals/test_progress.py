from io import StringIO

from tests.unit.clients.evals.helpers_results import broken, passed
from vox.clients.evals.progress import Progress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def run(progress: Progress) -> None:
    for result in (passed(), broken()):
        progress.began(result.name)
    for result in (passed(), broken()):
        progress.ended(result)
    progress.close()


def test_elsewhere_each_scenario_is_a_line_and_a_failure_says_why():
    out = StringIO()
    run(Progress(2, out))
    assert out.getvalue().splitlines() == [
        "passed  greets (typed, 1.5 s)",
        "FAILED  cannot connect (twilio, 0.2 s)",
        "        refused [upgrade_refused]",
    ]


def test_a_verbose_run_shows_what_was_checked():
    out = StringIO()
    run(Progress(2, out, is_verbose=True))
    assert "        greeting: says 'hello'" in out.getvalue().splitlines()


def test_on_a_terminal_a_bar_stands_below_and_is_gone_in_the_end():
    out = Terminal()
    run(Progress(2, out))
    drawn = out.getvalue().split("\r\x1b[K")
    assert "[--------------------] 0/2  greets" in drawn
    assert "[##########----------] 1/2  cannot connect" in drawn
    assert "[####################] 2/2, 1 failed" in drawn
    assert drawn[-1] == ""
