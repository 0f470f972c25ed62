"""`.env` files: what the document prints works, and a line that is none is named."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import UsageError
from vox.runtime.env_file import parse_env, read_env_file, with_env_file


def test_the_documented_lines():
    text = "# how many calls\nMAX_CONCURRENT_CALLS=8\n\nVOXCORE_WORKERS=6\r\n"
    assert parse_env(text) == {"MAX_CONCURRENT_CALLS": "8", "VOXCORE_WORKERS": "6"}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=", ""),
        ("A=b c", "b c"),
        ("export A=b", "b"),
        (" A = b ", "b"),
        ("A=b # a comment", "b"),
        ("A=b#c", "b#c"),
        ("A=#c", "#c"),
        ("A= # only a comment", ""),
        ("A='b # c'", "b # c"),
        (r"A='b\n'", r"b\n"),
        (r'A="b\n\"c\" \$d" # e', 'b\n"c" $d'),
        (r'A="C:\dir"', r"C:\dir"),
        ("A=b=c", "b=c"),
        ("\ufeffA=b", "b"),
    ],
)
def test_a_value(line, value):
    assert parse_env(line) == {"A": value}


def test_the_last_line_of_a_name_holds():
    assert parse_env("A=1\nB=2\nA=3") == {"A": "3", "B": "2"}


@pytest.mark.parametrize("line", ["A", "1A=b", "A-B=c", "=c", 'A="b', "A='b", 'A="b"c', "a secret: hunter2"])
def test_a_line_that_is_none_is_named_without_its_value(line):
    with pytest.raises(UsageError) as caught:
        parse_env(f"OK=1\n{line}", "prod.env")
    assert caught.value.code == "env_malformed"
    assert "line 2 of prod.env" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(UsageError):
        assert isinstance(parse_env(text), dict)


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)


@given(st.dictionaries(NAMES, st.text(st.characters(exclude_characters="'\n\r", exclude_categories=["Cs"]))))
def test_single_quotes_keep_everything(variables):
    text = "\n".join(f"{name}='{value}'" for name, value in variables.items())
    assert parse_env(text) == variables


def test_the_process_wins_over_the_file(tmp_path):
    file = tmp_path / ".env"
    file.write_text("A=file\nB=file\nC=file\n")
    assert with_env_file({"A": "process", "C": ""}, file) == {"A": "process", "B": "file", "C": ""}


def test_no_file_is_no_variables_and_one_that_is_no_text_is_refused(tmp_path):
    assert read_env_file(tmp_path / ".env") == {}
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00A")
    for path in (binary, tmp_path):
        with pytest.raises(UsageError) as caught:
            read_env_file(path)
        assert caught.value.code == "env_unreadable"
    binary.write_bytes(b"A=b\n" * 100_000)
    with pytest.raises(UsageError, match="longer than"):
        read_env_file(binary)
