import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.features.files.filenames import clean_mime, clean_name, disposition


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [("a.txt", "a.txt"), ("../../etc/passwd", "passwd"), ("C:\\x\\y.doc", "y.doc"), ("", "file"), ("..", "file"), ("/", "file"),
     ("  a  ", "a"), ("a\r\nb", "ab"), ("gnp\u202eexe.", "gnpexe."), ("Grüße.txt", "Grüße.txt"), ("a/", "a")],
)  # fmt: skip
def test_names(given_name, shown):
    assert clean_name(given_name) == shown


def test_long_names_keep_their_ending():
    assert clean_name("x" * 300 + ".tar") == "x" * 251 + ".tar"
    assert clean_name("x" * 300) == "x" * 255
    assert clean_name("a." + "x" * 300) == ("a." + "x" * 300)[:255]


@given(st.text(max_size=400))
def test_no_name_is_a_path_or_breaks_a_header(name):
    clean = clean_name(name)
    assert 0 < len(clean) <= 255
    assert clean not in {".", ".."}
    assert not set(clean) & set("/\\\0\r\n")
    assert not any(unicodedata.category(char) == "Cc" for char in clean)
    assert clean_name(clean) == clean
    header = disposition(name)
    assert header.isascii()
    assert header.startswith('attachment; filename="')
    assert not set(header.partition("''")[2]) & set("\"' ;,\r\n\\/")


def test_inline():
    assert disposition("a b.png", is_inline=True) == "inline; filename=\"a b.png\"; filename*=UTF-8''a%20b.png"


@pytest.mark.parametrize(
    ("text", "mime"),
    [("Text/HTML; charset=x", "text/html"), ("image/svg+xml", "image/svg+xml"), ("a/b\r\nX: y", ""), ("a", ""), ("a/", ""),
     ("/b", ""), ("", ""), ("a/b c", ""), ("ä/b", ""), ("a" * 100 + "/b", "")],
)  # fmt: skip
def test_mime(text, mime):
    assert clean_mime(text) == mime
