import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.http.header_values import (
    content_disposition,
    etag_matches,
    extended_value,
    form_filename,
    media_type,
    parameterised,
)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("Multipart/Form-Data; Boundary=xx", ("multipart/form-data", {"boundary": "xx"})),
        ('form-data; name="a;b"; filename="c \\"d\\".txt"', ("form-data", {"name": "a;b", "filename": 'c "d".txt'})),
        ('form-data ;name = "x" ; ; a=1', ("form-data", {"name": "x", "a": "1"})),
        ('form-data; filename="C:\\temp\\x.txt"', ("form-data", {"filename": "C:\\temp\\x.txt"})),
        ("a/b; x=1; x=2", ("a/b", {"x": "1"})),
        ('a/b; x="open', ("a/b", {})),
        ("", ("", {})),
    ],
)
def test_parameters_and_quotes(value: str, found: tuple[str, dict[str, str]]):
    assert parameterised(value) == found


def test_media_type_has_no_case_and_no_parameters():
    assert media_type(" Application/JSON ; charset=utf-8") == "application/json"


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ('filename="5%22 screen.png"', '5" screen.png'),
        ('filename="a%0D%0Ab.txt"', "a\r\nb.txt"),
        ('filename="100%25.txt"', "100%25.txt"),
        ("filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"),
        ("filename=plain.txt; filename*=UTF-8''other.txt", "plain.txt"),
        ("filename*=EBCDIC''x", ""),
        ("", ""),
    ],
)
def test_file_names_of_forms(sent: str, name: str):
    assert form_filename(parameterised(f"form-data; {sent}")[1]) == name


def test_extended_values_of_either_charset():
    assert extended_value("iso-8859-1'en'%A3") == "£"
    assert extended_value("no quotes") == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a b.png", "attachment; filename=\"a b.png\"; filename*=UTF-8''a%20b.png"),
        ('5" 50%.txt', "attachment; filename=\"5_ 50_.txt\"; filename*=UTF-8''5%22%2050%25.txt"),
        ("Café.txt", "attachment; filename=\"Cafe.txt\"; filename*=UTF-8''Caf%C3%A9.txt"),
        ("日.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%E6%97%A5.txt"),
    ],
)
def test_downloads_have_a_name_for_every_client(name: str, value: str):
    assert content_disposition("attachment", name) == value


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=40))
def test_no_name_ends_the_header_and_each_is_read_back(name: str):
    header = content_disposition("inline", name)
    assert header.isascii()
    assert not set(header) & {"\r", "\n", "\0"}
    kind, parameters = parameterised(header)
    assert kind == "inline"
    assert extended_value(parameters["filename*"]) == name
    if set(name) <= set(string.ascii_letters + " .") and name.strip() == name:
        assert parameters["filename"] == name


@pytest.mark.parametrize("header", ['"abc"', 'W/"abc"', '"x", W/"abc"', "*", ' "x" , "abc" ', '"a,b", "abc"'])
def test_tags_that_are_named_match(header: str):
    assert etag_matches(header, '"abc"')
    assert etag_matches(header, 'W/"abc"')


@pytest.mark.parametrize("header", ["", '"ab"', "abc", '"x" "abc"', 'w/"abc"', '"abc', '"x, "abc""'])
def test_others_do_not(header: str):
    assert not etag_matches(header, '"abc"')
