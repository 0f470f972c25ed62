import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.features.files.open_graph import card, decoded
from vox.chat.features.messages.schemas import Embed

AT = "https://example.org/folder/page?x=1"


def meta(**tags: str) -> str:
    return "".join(f'<meta property="og:{name.replace("__", ":")}" content="{value}">' for name, value in tags.items())


def test_empty_page_gives_an_empty_card():
    assert card("", AT) == Embed()
    assert card("just text", AT) == Embed()


def test_first_tag_of_a_name_wins_and_the_body_is_not_read():
    assert card(meta(title="one") + meta(title="two"), AT).title == "one"
    assert card("<title>t</title><body>" + meta(title="in the body"), AT).title == "t"
    assert card("<head></head>" + meta(title="behind the head"), AT) == Embed()


@pytest.mark.parametrize(
    ("given_address", "shown"),
    [("/a.png", "https://example.org/a.png"), ("b.png", "https://example.org/folder/b.png"), ("//cdn.test/c", "https://cdn.test/c"),
     ("http://x.test/", "http://x.test/"), ("javascript:alert(1)", None), ("data:image/png;base64,x", None), ("file:///etc", None),
     ("http://user:pw@x.test/", None), ("http://", None), ("http://[::1", None), ("a b", None), ("x" * 3000, None), ("", None)],
)  # fmt: skip
def test_addresses_are_absolute_and_of_the_web(given_address, shown):
    assert card(meta(image=given_address), AT).image == shown


def test_texts_are_cut_and_numbers_bounded():
    long = card(meta(title="x" * 999, description="y" * 9999, image__width="640", image__height="99999"), AT)
    assert (len(long.title or ""), len(long.description or "")) == (256, 4096)
    assert (long.image_width, long.image_height) == (640, None)
    assert card(meta(image__width="-1", image__height="1e9"), AT) == Embed()


def test_character_references_are_resolved_once():
    assert card(meta(title="&lt;b&gt; &amp;amp;"), AT).title == "<b> &amp;"


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [("ä".encode(), "text/html", "ä"), (b"\xe4", "text/html; charset=ISO-8859-1", "ä"),
     (b'<meta charset="windows-1252">\x80', "text/html", '<meta charset="windows-1252">€'), (b"\xff", "text/html", "\ufffd"),
     (b"\\x41", "text/html; charset=unicode_escape", "\\x41"), (b"x", "text/html; charset=zlib_codec", "x"),
     (b"x", "text/html; charset=nonsense", "x")],
)  # fmt: skip
def test_charsets_are_those_of_the_web(body, content_type, text):
    assert decoded(body, content_type) == text


@given(st.text(max_size=300) | st.lists(st.sampled_from(["<", ">", "<!", "<![", "<!--", "-->", "<meta ", "og:title", "=", "'", '"', "&#", "</", "?>", "<title>", "x"]), max_size=60).map("".join))  # fmt: skip
def test_any_page_gives_a_card(page):
    found = card(page, AT)
    assert len(found.title or "") <= 256
