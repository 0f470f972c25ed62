import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.errors import Refusal
from vox.chat.features.files.multipart import MAX_FIELD_BYTES, MAX_PARTS, FileStarts, FormReader

FORM = "multipart/form-data; boundary=b"


def part(name: str, content: bytes, more: str = "") -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"


def read(pieces: list[bytes], kind: str = FORM) -> tuple[FormReader, list[FileStarts], bytes]:
    reader = FormReader(kind, "file")
    starts: list[FileStarts] = []
    content = b""
    for piece in pieces:
        for event in reader.receive(piece):
            if isinstance(event, FileStarts):
                starts.append(event)
            else:
                content += event
    reader.finish()
    return reader, starts, content


def refusal_of(body: bytes, kind: str = FORM) -> str:
    with pytest.raises(Refusal) as error:
        read([body], kind)
    assert error.value.wire_code == "VALIDATION_ERROR"
    return str(error.value)


@given(
    content=st.binary(max_size=300) | st.just(b"\r\n--b\r") | st.just(b"\r\n--" * 20),
    cuts=st.lists(st.integers(1, 50), min_size=1, max_size=40),
)
def test_any_cut_of_a_form_reads_alike(content, cuts):
    if b"\r\n--b" in b"\r\n" + content + b"\r\n":
        content = content.replace(b"b", b"c")
    body = (
        part("name", b"n\xc3\xa4me") + part("file", content, '; filename="x.txt"') + part("mime", b"a/b") + b"--b--\r\n"
    )
    pieces, at = [], 0
    while at < len(body):
        step = cuts[len(pieces) % len(cuts)]
        pieces.append(body[at : at + step])
        at += step
    reader, starts, got = read(pieces)
    assert got == content
    assert [start.filename for start in starts] == ["x.txt"]
    assert reader.fields == {"name": "näme", "mime": "a/b"}


@given(st.binary(max_size=2000), st.booleans())
def test_garbage_is_refused_and_nothing_else_happens(garbage, has_begin):
    body = (part("file", b"x", '; filename="x"')[:-2] if has_begin else b"") + garbage
    with contextlib.suppress(Refusal):
        read([body])


def test_type_of_the_part_is_in_lower_case_without_parameters():
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\ncontent-TYPE: Text/HTML; charset=x\r\n\r\n'
    _, starts, content = read([head + b"body\r\n--b--\r\n"])
    assert (starts[0].content_type, content) == ("text/html", b"body")


def test_extended_file_name():
    more = "; filename*=UTF-8''na%C3%AFve%20x.txt"
    assert read([part("file", b"", more) + b"--b--\r\n"])[1][0].filename == "naïve x.txt"


def test_boundary_may_be_quoted():
    _, _, content = read([part("file", b"x") + b"--b--\r\n"], 'multipart/form-data; boundary="b"')
    assert content == b"x"


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=b"])  # fmt: skip
def test_what_is_no_form_is_refused(kind):
    assert "boundary" in refusal_of(b"", kind)


def test_boundary_is_bounded():
    refusal_of(b"", "multipart/form-data; boundary=" + "b" * 500)


def test_missing_file_and_missing_end_are_told():
    assert "file: field required" in refusal_of(part("other", b"x") + b"--b--\r\n")
    assert "last boundary" in refusal_of(part("file", b"x"))


def test_parts_are_bounded():
    most = b"".join(part(f"f{index}", b"") for index in range(MAX_PARTS - 1))
    read([most + part("file", b"x") + b"--b--\r\n"])
    assert "parts" in refusal_of(most + part("one", b"") + part("file", b"x") + b"--b--\r\n")


def test_fields_are_bounded():
    read([part("name", b"x" * MAX_FIELD_BYTES) + part("file", b"x") + b"--b--\r\n"])
    assert "field" in refusal_of(part("name", b"x" * (MAX_FIELD_BYTES + 1)) + part("file", b"x") + b"--b--\r\n")


def test_what_is_around_the_file_is_bounded():
    assert "around" in refusal_of(b"\r\n" * 100_000 + part("file", b"x") + b"--b--\r\n")


def test_memory_does_not_grow_with_the_file():
    reader = FormReader(FORM, "file")
    reader.receive(part("file", b"")[:-2])
    for _ in range(100):
        events = reader.receive(b"x" * 10_000)
        assert sum(len(event) for event in events if isinstance(event, bytes)) == 10_000
    assert not reader._text
    assert not reader._events
