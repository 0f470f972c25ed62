"""Discord's webhook messages: what has a counterpart is translated, everything else is named, and nothing else can go wrong."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.features.webhooks.discord import from_discord
from vox.chat.features.webhooks.posts import Post

ANY_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
NAMES = st.sampled_from(
    ["content", "username", "avatar_url", "embeds", "tts", "components", "title", "author", "footer"]
)


def parsed(message: Any) -> Post:
    return from_discord(json.dumps(message).encode())


def test_a_plain_text():
    assert parsed({"content": "hello", "tts": False, "embeds": [], "username": ""}) == Post("hello")


def test_embeds_are_translated():
    post = parsed(
        {
            "embeds": [
                {
                    "title": "t",
                    "type": "rich",
                    "provider": {"name": "GitHub"},
                    "video": {"url": "https://v", "width": 3},
                },
                {"footer": {"text": "f", "icon_url": "https://i"}, "thumbnail": {"url": "https://t", "height": 5}},
            ]
        }
    )
    first, second = post.embeds
    assert (first.title, first.site_name, first.video, first.video_width) == ("t", "GitHub", "https://v", 3)
    assert second.fields is not None
    assert (second.fields[0].value, second.thumbnail) == ("f", "https://t")
    assert post.ignored == ("embeds.footer.icon_url", "embeds.thumbnail.height")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"5", b'{"content": 5}', b'{"embeds": [5]}', b'{"embeds": [{"fields": [{}]}]}']
)
def test_other_forms_are_refused(body: bytes):
    with pytest.raises(msgspec.DecodeError):
        from_discord(body)


@given(ANY_JSON | st.dictionaries(NAMES, ANY_JSON, max_size=6))
def test_any_json_is_posted_or_refused(message: Any):
    try:
        post = parsed(message)
    except msgspec.DecodeError:
        return
    assert isinstance(message, dict)
    unknown = {
        name for name, value in message.items() if name not in {"content", "username", "avatar_url", "embeds"} and value
    }  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]  any JSON
    assert unknown <= set(post.ignored)
