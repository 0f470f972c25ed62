from datetime import UTC, datetime

from vox.fleet.accounts.bots import HIDDEN, Bot, masked, restored
from vox.fleet.accounts.opening_hours import OpeningHours

CONFIG = {"prompt": "Hi", "stt": {"api_key": "sk-1", "model": "m"}, "max_tokens": 5, "tools": [{"secret": "s"}]}


def test_secrets_are_masked_wherever_they_stand_and_come_back_as_they_were():
    shown = masked(CONFIG)
    assert shown == {
        "prompt": "Hi",
        "stt": {"api_key": HIDDEN, "model": "m"},
        "max_tokens": 5,
        "tools": [{"secret": HIDDEN}],
    }
    shown["stt"]["model"] = "n"
    assert restored(shown, CONFIG) == {**CONFIG, "stt": {"api_key": "sk-1", "model": "n"}}
    assert restored({"tools": [{}, {"secret": HIDDEN}]}, CONFIG) == {"tools": [{}, {"secret": ""}]}


def test_a_mask_without_anything_behind_it_becomes_empty():
    assert restored({"api_key": HIDDEN}, {}) == {"api_key": ""}
    assert restored({"prompt": HIDDEN}, {}) == {"prompt": HIDDEN}


def test_a_bot_takes_calls_while_it_is_on_and_inside_its_hours():
    monday_noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    mornings = OpeningHours("08:00", "10:00", "UTC")
    assert Bot("a", "a").is_open(monday_noon)
    assert not Bot("a", "a", is_active=False).is_open(monday_noon)
    assert not Bot("a", "a", active_hours=(mornings,)).is_open(monday_noon)
    assert Bot("a", "a", active_hours=(mornings, OpeningHours("11:00", "13:00", "UTC"))).is_open(monday_noon)
