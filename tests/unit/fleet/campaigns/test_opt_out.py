import pytest

from vox.fleet.campaigns.opt_out import is_opt_out


@pytest.mark.parametrize(
    "text",
    [
        "Please stop calling me.",
        "don\u2019t ever call me again",
        "Do not call this number",
        "Take me off your list!",
        "could you remove my number from this",
        "put me on your do not call list",
        "UNSUBSCRIBE",
        "I want to opt out",
        "Rufen Sie mich bitte nicht mehr an",
        "No me llamen más",
        "Ne me rappelez plus",
    ],
)
def test_words_that_ask_for_no_further_call(text):
    assert is_opt_out(text)


@pytest.mark.parametrize(
    "text",
    ["Yes, call me tomorrow", "I did not get your call", "Who is calling?", "Can you stop by?", "", "ich rufe Sie an"],
)
def test_words_that_do_not(text):
    assert not is_opt_out(text)
