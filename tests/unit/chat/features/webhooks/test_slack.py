"""Slack's webhook messages and markup: translated, and what has no counterpart is named."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.features.webhooks.posts import Post
from vox.chat.features.webhooks.slack import from_mrkdwn, from_slack

ANY_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
BLOCK = st.fixed_dictionaries(
    {"type": st.sampled_from(["section", "header", "context", "divider", "image", "actions"]) | ANY_JSON},
    optional={"text": ANY_JSON, "fields": ANY_JSON, "elements": ANY_JSON, "image_url": ANY_JSON, "title": ANY_JSON},
)


def parsed(message: Any) -> Post:
    return from_slack(json.dumps(message).encode(), "application/json")


@pytest.mark.parametrize(
    ("slack", "ours"),
    [
        ("*bold* and _italic_", "**bold** and _italic_"),
        ("~gone~", "~~gone~~"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("a*b*c", "a*b*c"),
        ("<https://example.com>", "https://example.com"),
        ("<https://example.com|docs>", "[docs](https://example.com)"),
        ("<!here> <!channel|all>", "@here all"),
        ("<@U123> <@U123|ann> <#C1|ops>", "@U123 @ann #ops"),
        ("a &lt;b&gt; &amp;amp;", "a <b> &amp;"),
        ("`*code*` *bold*", "`*code*` **bold**"),
        ("```\n*x* <y>\n```", "```\n*x* <y>\n```"),
        ("&lt;https://x|y&gt;", "<https://x|y>"),
        ("", ""),
    ],
)
def test_markup(slack: str, ours: str):
    assert from_mrkdwn(slack) == ours


def test_blocks_are_read_in_order_and_replace_the_text():
    post = parsed(
        {
            "text": "for notifications",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "Build & test"}},
                {"type": "section", "text": {"type": "mrkdwn", "text": "*ok*"}, "accessory": {"type": "button"}},
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "a"}, {"type": "plain_text", "text": "b"}]},
                {"type": "divider"},
                {
                    "type": "context",
                    "elements": [{"type": "image", "image_url": "x"}, {"type": "mrkdwn", "text": "by CI"}],
                },
                {"type": "image", "image_url": "https://example.com/i.png", "alt_text": "graph"},
                {"type": "actions", "elements": []},
            ],
        }
    )
    assert post.body == "**Build & test**\n**ok**\na\nb\n---\nby CI"
    assert (post.embeds[0].image, post.embeds[0].title) == ("https://example.com/i.png", "graph")
    assert post.ignored == ("blocks.section.accessory", "blocks.context.image", "blocks.actions")


def test_attachments_become_embeds():
    post = parsed(
        {
            "attachments": [
                {
                    "fallback": "not shown", "pretext": "before", "color": "#36a64f", "author_name": "Bot", "title": "T", "text": "x",
                    "fields": [{"title": "Env", "value": 5, "short": True}], "thumb_url": "https://t", "footer": "f", "ts": 1,
                },
                {"fallback": "alone"},
                {"color": "good"},
            ]
        }
    )  # fmt: skip
    first, second = post.embeds
    assert (post.body, first.color, first.site_name, first.description) == ("before", 0x36A64F, "Bot", "x")
    assert first.fields is not None
    assert [(one.name, one.value, one.inline) for one in first.fields] == [("Env", "5", True), ("", "f", False)]
    assert second.description == "alone"
    assert post.ignored == ("attachments.ts",)


@given(st.text(max_size=300))
def test_any_text_is_rewritten(text: str):
    assert isinstance(from_mrkdwn(text), str)


@given(
    ANY_JSON
    | st.fixed_dictionaries(
        {"blocks": st.lists(BLOCK, max_size=5)}, optional={"attachments": ANY_JSON, "text": ANY_JSON}
    )
)
def test_any_json_is_posted_or_refused(message: Any):
    try:
        post = parsed(message)
    except msgspec.DecodeError:
        return
    assert all(isinstance(name, str) for name in post.ignored)


@given(st.binary(max_size=200))
def test_any_form_is_posted_or_refused(body: bytes):
    try:
        from_slack(b"payload=" + body, "application/x-www-form-urlencoded; charset=utf-8")
    except msgspec.DecodeError:
        return
