"""Yes and no as people say them."""

import pytest

from tests.unit.providers.flows.flows import whole
from vox.providers.flows.yes_no import read_yes_no


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("yes", True),
        ("yeah", True),
        ("that's right", True),
        ("yes not right", True),
        ("not right", False),
        ("no that's not right", False),
        ("no", False),
        ("that's perfect", True),
        ("uh huh", True),
        ("not at all", False),
        ("that is not right", False),
        ("no thank you", False),
        ("nope", False),
        ("maybe", None),
    ],
)
def test_yes_and_no(text, answer):
    assert whole(read_yes_no, text) is answer
