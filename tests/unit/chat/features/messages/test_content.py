import json

import pytest

from vox.chat.config.limits import DEFAULTS
from vox.chat.errors import Refusal
from vox.chat.events.ids import FileId
from vox.chat.features.messages.content import MAX_EMBED_CHARS, content_of, embed_of, read_embed, stored_embed
from vox.chat.features.messages.schemas import Embed, SendMessage


def limit(name: str) -> int:
    return DEFAULTS[name]


def refused(message: SendMessage, **may: bool) -> str:
    with pytest.raises(Refusal) as refusal:
        content_of(message, limit, **may)
    return refusal.value.wire_code


@pytest.mark.parametrize("message", [SendMessage(), SendMessage(body="  \n"), SendMessage(opaque_blob="x")])
def test_nothing_is_no_message(message: SendMessage):
    assert refused(message) == "EMPTY_MESSAGE"


def test_the_longest_body_passes_and_one_more_does_not():
    assert content_of(SendMessage(body="é" * 4000), limit).body == "é" * 4000
    assert refused(SendMessage(body="é" * 4001)) == "MESSAGE_TOO_LARGE"


def test_a_body_is_kept_verbatim():
    assert content_of(SendMessage(body=" <b>\n "), limit).body == " <b>\n "


def test_a_blob_counts_in_conversations_only():
    message = SendMessage(body="x", opaque_blob="secret")
    assert content_of(message, limit).opaque_blob is None
    assert content_of(message, limit, takes_blob=True).opaque_blob == "secret"
    assert content_of(SendMessage(opaque_blob="secret"), limit, takes_blob=True).body is None
    assert refused(SendMessage(opaque_blob="x" * 65_537), takes_blob=True) == "MESSAGE_TOO_LARGE"


@pytest.mark.parametrize(
    "embed", ["{", "[]", "7", '{"title": 7}', '{"fields": [{"name": "x"}]}', "", '{"title":"\\ud800"}']
)
def test_an_embed_that_is_none_is_refused_before_anything_is_stored(embed: str):
    assert refused(SendMessage(body="x", embed=embed)) == "VALIDATION_ERROR"


def test_a_deeply_nested_embed_is_refused():
    with pytest.raises(Refusal):
        embed_of('{"fields":' + "[" * 9000 + "]" * 9000 + "}")


def test_a_long_embed_is_refused():
    assert refused(SendMessage(embed=json.dumps({"title": "x" * MAX_EMBED_CHARS}))) == "MESSAGE_TOO_LARGE"


def test_an_embed_is_dropped_without_the_permission_and_then_counts_for_nothing():
    message = SendMessage(body="x", embed='{"title": "t"}')
    assert content_of(message, limit, may_embed=False).embed is None
    assert content_of(message, limit).embed == Embed(title="t")
    assert refused(SendMessage(embed='{"title": "t"}'), may_embed=False) == "EMPTY_MESSAGE"


def test_everyone_is_mentioned_only_with_the_permission():
    message = SendMessage(body="x", mentions=[3, 0, 3, 2])
    assert content_of(message, limit).mentions == [3, 0, 2]
    assert content_of(message, limit, may_mention_everyone=False).mentions == [3, 2]


def test_an_attachment_counts_once():
    assert content_of(SendMessage(attachments=[FileId(name) for name in "aba"]), limit).attachments == ["a", "b"]


def test_a_nul_is_refused_because_postgresql_cannot_store_it():
    assert refused(SendMessage(body="a\0b")) == "VALIDATION_ERROR"


def test_an_embed_is_stored_with_what_is_set_and_read_with_all_fields():
    embed = embed_of('{"title": "t", "fields": [{"name": "n", "value": "v"}], "unknown": 1, "url": null}')
    assert json.loads(stored_embed(embed)) == {
        "title": "t",
        "fields": [{"name": "n", "value": "v", "inline": False}],
    }
    assert read_embed(stored_embed(embed)) == embed


@pytest.mark.parametrize(
    ("stored", "title"),
    [(None, None), ("not json", None), ("[]", None), ('[{"title": "first"}, {"title": "second"}]', "first")],
)
def test_what_the_original_stored_is_readable(stored: str | None, title: str | None):
    embed = read_embed(stored)
    assert (embed.title if embed else None) == title
