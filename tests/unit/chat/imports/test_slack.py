"""Slack's archive: lists, days, markup, ids."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.imports.archive_source import open_source
from vox.chat.imports.model import ForeignChannel, ForeignMessage, ForeignPerson, Skipped
from vox.chat.imports.slack import SlackExport, message_id
from vox.chat.imports.slack_text import emoji_of, plain_text
from vox.errors import UsageError

USERS = [
    {"id": "U1", "name": "ada", "profile": {"display_name": "Ada L.", "real_name": "Ada Lovelace"}},
    {"id": "U2", "name": "bo", "profile": {"display_name": "", "real_name": "Bo"}},
]
LISTS = {
    "users.json": USERS,
    "channels.json": [
        {"id": "C1", "name": "general", "topic": {"value": "all"}, "pins": [{"id": "1577836800.000200"}]}
    ],
    "groups.json": [{"id": "G1", "name": "board", "members": ["U1", "U9", 7]}],
    "dms.json": [{"id": "D1"}],
    "mpims.json": [{"id": "M1", "name": "mpdm-a--b"}],
}


def opened(folder: Path, *messages: Any, root: str = "", **more: Any) -> SlackExport:
    with zipfile.ZipFile(folder / "s.zip", "w") as archive:
        for name, content in {**LISTS, "general/2020-01-01.json": list(messages), **more}.items():
            archive.writestr(root + name, json.dumps(content))
    return SlackExport(open_source(folder / "s.zip"))


def read(folder: Path, **changes: Any) -> ForeignMessage | Skipped:
    export = opened(folder, {"type": "message", "user": "U1", "text": "hi", "ts": "1577836800.000200", **changes})
    (found,) = export.read_messages("general/2020-01-01.json", 5)
    export.close()
    return found


def test_a_message_keeps_its_time_its_author_and_its_words(tmp_path: Path):
    found = read(
        tmp_path, text="&lt;b&gt; <@U2> <@U9|guest> <https://x.y|here> <#C1|general> <!channel> <!subteam^S1|@ops>"
    )
    assert isinstance(found, ForeignMessage)
    assert found.body == "<b> @Bo @guest here (https://x.y) #general @channel @ops"
    assert found.author == ForeignPerson("U1", "ada", "Ada L.")
    assert found.timestamp == 1_577_836_800_000
    assert found.id >> 22 == 1_577_836_800_000


@given(st.tuples(st.integers(1, 10**10), st.integers(0, 999_999), st.integers(1, 4095)), st.tuples(st.integers(1, 10**10), st.integers(0, 999_999), st.integers(1, 4095)))  # fmt: skip
def test_ids_follow_time_and_differ_between_feeds(one: tuple[int, int, int], other: tuple[int, int, int]):
    first, second = (message_id(f"{second}.{micro:06d}", feed) for second, micro, feed in (one, other))
    if first is not None and second is not None:
        assert (first < second) == (one < other)
        assert (first == second) == (one == other)


@pytest.mark.parametrize("text", ["", "1", "1.2", "a.000000", "1577836800.0002000", "99999999999999.000000"])
def test_what_is_no_time_stamp_gives_none(text: str):
    assert message_id(text, 1) is None


def test_threads_files_and_reactions_are_kept(tmp_path: Path):
    found = read(
        tmp_path,
        thread_ts="1577836800.000200",
        files=[{"id": "F1", "name": "a/../b.png", "size": 3}],
        reactions=[{"name": "+1::skin-tone-3", "users": ["U1", "U9", None]}, {"name": "party-parrot", "users": "x"}],
        edited={"user": "U1", "ts": "1577836900.000000"},
    )
    assert isinstance(found, ForeignMessage)
    assert found.begins_thread
    assert found.edited == 1_577_836_900_000
    assert found.files[0].places[0] == "__uploads/F1/a/../b.png"
    assert [reaction.emoji for reaction in found.reactions] == ["👍", "party-parrot"]
    assert [person.id for person in found.reactions[0].people] == ["U1", "U9"]


def test_bots_have_a_name_and_cards_become_text(tmp_path: Path):
    found = read(
        tmp_path,
        user=None,
        subtype="bot_message",
        username="deploys",
        text="",
        attachments=[{"text": "<http://a|done>"}],
    )
    assert isinstance(found, ForeignMessage)
    assert found.author == ForeignPerson("bot:deploys", "deploys", "deploys")
    assert found.body == "done (http://a)"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ts": 5}, "no time stamp"),
        ({"subtype": "channel_join"}, "no message of a person"),
        ({"text": ""}, "empty"),
        ({"text": "x" * 70_000}, "more than"),
    ],
)
def test_what_is_left_out_is_named_with_its_reason(tmp_path: Path, changes: Any, reason: str):
    found = read(tmp_path, **changes)
    assert isinstance(found, Skipped)
    assert reason in found.reason
    assert "general/2020-01-01.json" in found.name


@given(st.fixed_dictionaries({}, optional={
    name: st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers() | st.just({}) | st.just({"users": [1]}))
    for name in ("user", "text", "subtype", "thread_ts", "files", "reactions", "edited", "attachments", "bot_profile")
}))  # fmt: skip
def test_no_odd_value_is_an_error(tmp_path_factory: pytest.TempPathFactory, changes: Any):
    assert isinstance(read(tmp_path_factory.mktemp("s"), **changes), (ForeignMessage, Skipped))


@pytest.mark.parametrize("root", ["", "workspace/"])
def test_private_channels_stay_private_and_conversations_are_named(tmp_path: Path, root: str):
    export = opened(tmp_path, root=root, **{"old/2019-01-01.json": [], "general/canvas.json": {}})
    found = list(export.read_channels())
    channels = {channel.name: channel for channel in found if isinstance(channel, ForeignChannel)}
    assert channels["general"].members is None
    assert channels["general"].files == (f"{root}general/2020-01-01.json",)
    assert channels["general"].pins == {"1577836800.000200"}
    assert channels["board"].members == (ForeignPerson("U1", "ada", "Ada L."),)
    assert {skipped.name for skipped in found if isinstance(skipped, Skipped)} == {"D1", "mpdm-a--b", "old"}
    export.close()


def test_what_is_no_export_of_slack_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("users.json", "[]")
    with pytest.raises(UsageError) as caught:
        SlackExport(open_source(tmp_path / "x.zip"))
    assert caught.value.code == "archive_damaged"


def test_names_of_emoji_and_unknown_markup():
    assert emoji_of("wave") == "👋"
    assert emoji_of("our-own") == "our-own"
    assert plain_text("a < b and <", str) == "a < b and <"
