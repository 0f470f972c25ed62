"""Messages of DiscordChatExporter's files, as they come and as they should not."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.imports.archive_source import open_source
from vox.chat.imports.discord import message_id, read_channels, read_messages
from vox.chat.imports.model import ForeignChannel, ForeignMessage, ForeignPerson, Skipped

ADA = {"id": "10", "name": "ada", "discriminator": "0000", "nickname": "Ada L.", "isBot": False}
MESSAGE = {
    "id": "1100516799390429195",
    "type": "Default",
    "timestamp": "2023-04-25T20:20:51.588+00:00",
    "content": "hi",
    "author": ADA,
}
CHANNEL = {
    "id": "2",
    "type": "GuildTextChat",
    "categoryId": "7",
    "category": "Talk",
    "name": "general",
    "topic": "all of it",
}


def export(folder: Path, *messages: Any, channel: Any = CHANNEL, name: str = "a.json") -> Path:
    content = {"guild": {"id": "1", "name": "G"}, "channel": channel, "messages": list(messages), "messageCount": 1}
    (folder / name).write_text(json.dumps(content), encoding="utf-8-sig")
    return folder


def one(folder: Path, **changes: Any) -> ForeignMessage | Skipped:
    source = open_source(export(folder, {**MESSAGE, **changes}))
    (found,) = read_messages(source, "a.json")
    return found


def test_a_message_keeps_its_time_its_author_and_its_words(tmp_path: Path):
    found = one(tmp_path, timestampEdited="2023-04-25T21:00:00+02:00", isPinned=True)
    assert isinstance(found, ForeignMessage)
    assert found.author == ForeignPerson("10", "ada", "Ada L.")
    assert (found.body, found.is_pinned) == ("hi", True)
    assert found.timestamp == 1_682_454_051_588
    assert found.edited == 1_682_449_200_000
    assert found.id >> 22 == 1_682_454_051_588


@given(st.integers(0, 3 * 10**18), st.integers(0, 3 * 10**18))
def test_ids_keep_their_order_and_never_meet(one_id: int, other_id: int):
    first, second = message_id(str(one_id)), message_id(str(other_id))
    assert first is not None
    assert second is not None
    assert (first < second) == (one_id < other_id)
    assert (first == second) == (one_id == other_id)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "abc", "9" * 21, "٣", str(2**64 - 1)])
def test_what_is_no_id_gives_none(text: str):
    assert message_id(text) is None


def test_mentions_and_custom_emoji_become_readable(tmp_path: Path):
    found = one(tmp_path, content="<@!10> and <@99>, see <#5> <:blob:123> <a:dance:4> <3", mentions=[ADA])
    assert isinstance(found, ForeignMessage)
    assert found.body == "@Ada L. and @99, see #5 :blob: :dance: <3"


def test_files_cards_replies_and_reactions_are_kept(tmp_path: Path):
    found = one(
        tmp_path,
        type="Reply",
        reference={"messageId": "1100516799390429194"},
        attachments=[{"id": "5", "url": "a.json_Files\\map-1A2B.png", "fileName": "map.png", "fileSizeBytes": 9}],
        stickers=[{"id": "6", "name": "wave", "format": "Png", "sourceUrl": "https://cdn/x.png"}],
        embeds=[{"title": "T", "url": "javascript:alert(1)", "thumbnail": {"url": "https://x/y.png"}, "color": "bad"}],
        reactions=[{"emoji": {"name": "👍"}, "count": 1, "users": [ADA]}, {"emoji": None}],
    )
    assert isinstance(found, ForeignMessage)
    assert found.reply_to == found.id - 1
    assert found.files[0].places == ("a.json_Files/map-1A2B.png",)
    assert found.files[1].places == ()
    assert json.loads(found.embed or "") == {"title": "T", "thumbnail": "https://x/y.png"}
    assert found.reactions[0].people == (ForeignPerson("10", "ada", "Ada L."),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, "no id"),
        ({"id": "x" * 100}, "no id"),
        ({"type": "GuildMemberJoin", "content": ""}, "no message of a person"),
        ({"content": " \n"}, "empty"),
        ({"content": "x" * 70_000}, "more than"),
    ],
)
def test_what_is_left_out_is_named_with_its_reason(tmp_path: Path, changes: Any, reason: str):
    found = one(tmp_path, **changes)
    assert isinstance(found, Skipped)
    assert reason in found.reason
    assert found.name


@given(st.fixed_dictionaries({}, optional={
    name: st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers() | st.dictionaries(st.text(max_size=3), st.integers())) | st.just({"id": 1})
    for name in (*MESSAGE, "attachments", "embeds", "reactions", "mentions", "reference", "isPinned", "stickers")
}))  # fmt: skip
def test_no_odd_value_is_an_error(tmp_path_factory: pytest.TempPathFactory, changes: Any):
    assert isinstance(one(tmp_path_factory.mktemp("x"), **changes), (ForeignMessage, Skipped))


def test_a_nul_and_half_a_character_do_not_reach_the_database(tmp_path: Path):
    found = one(tmp_path, content="a\0b\ud800c")
    assert isinstance(found, ForeignMessage)
    assert found.body == "ab?c"


def test_channels_come_before_threads_and_parts_belong_together(tmp_path: Path):
    thread = {"id": "3", "type": "GuildPublicThread", "categoryId": "2", "category": "general", "name": "aside"}
    export(tmp_path, channel=thread, name="0.json")
    export(tmp_path, name="1 [part 1].json")
    export(tmp_path, name="1 [part 2].json")
    export(tmp_path, channel={"id": "4", "type": "DirectTextChat", "name": "ada"}, name="2.json")
    export(tmp_path, channel={**thread, "id": "5", "categoryId": "5"}, name="3.json")
    export(tmp_path, channel=17, name="4.json")
    (tmp_path / "5.json").write_text('{"messages": []}')
    found = list(read_channels(open_source(tmp_path)))
    channels = [channel for channel in found if isinstance(channel, ForeignChannel)]
    assert [channel.name for channel in channels] == ["general", "aside"]
    assert channels[0].files == ("1 [part 1].json", "1 [part 2].json")
    assert channels[0].category == ("7", "Talk")
    assert channels[1].parent == ("2", "general")
    assert {skipped.name for skipped in found if isinstance(skipped, Skipped)} == {"ada", "aside", "4.json", "5.json"}
