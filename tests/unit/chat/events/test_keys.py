"""Events of keys: what the original's clients find in them, who is told, and what only sessions of devices receive."""

import pytest

from vox.chat.events import CHANGES_ACCESS, PERSISTED, keys
from vox.chat.events.audience import Participants, Users
from vox.chat.events.event import Event
from vox.chat.events.ids import DmId, LoginId, UserId
from vox.chat.events.kinds import FOR_DEVICES

SELF = Users((UserId(1),))


def prompt() -> Event:
    return keys.device_pair_prompt(
        user_id=UserId(1), device_name="phone", ip="192.0.2.1", pair_id="pair_x", method="qr", temp_public_key=None
    )


def test_a_relay_without_a_conversation_has_the_data_alone() -> None:
    event = keys.mls_message("commit", data="x", audience=SELF)
    assert (event.type, event.payload, event.audience) == ("mls_commit", {"data": "x"}, SELF)


def test_a_relay_in_a_conversation_says_from_whom_and_which() -> None:
    there = Participants(DmId(3))
    event = keys.mls_message(
        "welcome",
        data="x",
        audience=there,
        dm_id=DmId(3),
        relay_id=9,
        sender_id=UserId(1),
        sender_device_id="d",
        group_id="g",
        epoch=0,
        request_id="r",
    )
    assert (event.type, event.audience) == ("mls_welcome", there)
    assert event.payload == {
        "data": "x", "dm_id": 3, "relay_id": 9, "sender_id": 1, "sender_device_id": "d", "group_id": "g", "epoch": 0,
        "request_id": "r",
    }  # fmt: skip


def test_a_step_of_pairing_is_for_the_account_alone() -> None:
    event = keys.cpace_message("isi", user_id=UserId(1), pair_id="p", data="x")
    assert (event.type, event.payload, event.audience) == ("cpace_isi", {"pair_id": "p", "data": "x"}, SELF)
    assert keys.cpace_message("rsi", user_id=UserId(1), pair_id="p", data="x", nonce="n").payload["nonce"] == "n"


def test_a_prompt_shows_where_the_new_device_is() -> None:
    assert prompt().payload == {
        "device_name": "phone", "ip": "192.0.2.1", "location": "192.0.2.1", "pair_id": "pair_x", "method": "qr",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "is_for_devices"),
    [
        (keys.mls_message("commit", data="x", audience=SELF), True),
        (keys.cpace_message("isi", user_id=UserId(1), pair_id="p", data="x"), True),
        (prompt(), True),
        (keys.device_list_update(user_id=UserId(1), devices=[("d", "name")]), False),
        (keys.device_keys_update(user_id=UserId(1), device_id="d", change="removed", contacts=[]), False),
        (keys.key_reset_notify(user_id=UserId(1), contacts=[UserId(2)]), False),
    ],
)
def test_a_removed_device_still_learns_that_it_is_one(event: Event, is_for_devices: bool) -> None:
    assert (FOR_DEVICES in event.facts) is is_for_devices
    assert event.type not in PERSISTED


def test_contacts_learn_of_keys_and_only_the_account_of_names() -> None:
    named = keys.device_list_update(user_id=UserId(1), devices=[("d", "name")])
    assert (named.payload, named.audience) == ({"devices": [{"device_id": "d", "device_name": "name"}]}, SELF)
    changed = keys.device_keys_update(user_id=UserId(1), device_id="d", change="added", contacts=[UserId(2)])
    assert changed.payload == {"user_id": 1, "device_id": "d", "change": "added"}
    assert changed.audience == Users((UserId(1), UserId(2)))
    reset = keys.key_reset_notify(user_id=UserId(1), contacts=[UserId(2), UserId(3)])
    assert (reset.payload, reset.audience) == ({"user_id": 1}, Users((UserId(2), UserId(3))))
    low = keys.one_time_keys_low(user_id=UserId(1), device_id="d", one_time_prekeys=10, key_packages=0)
    assert low.payload == {"device_id": "d", "one_time_prekeys": 10, "key_packages": 0}
    assert low.audience == SELF


def test_the_end_of_key_events_reaches_servers_only_and_none_can_miss_it() -> None:
    event = keys.device_login(UserId(1), [LoginId(4)], is_keyless=True)
    assert (event.payload, event.audience) == ({}, Users(()))
    assert event.facts == {"user_id": 1, "session_ids": [4], "is_keyless": True}
    assert event.type in CHANGES_ACCESS
