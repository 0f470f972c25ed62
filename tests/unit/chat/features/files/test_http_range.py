import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.errors import Refusal
from vox.chat.features.files.http_range import Span, requested


@pytest.mark.parametrize(
    ("header", "span"),
    [("bytes=0-0", Span(0, 1)), ("bytes=5-", Span(5, 10)), ("bytes=-4", Span(6, 10)), ("bytes=-40", Span(0, 10)),
     ("bytes=8-99", Span(8, 10)), ("", None), ("bytes=-", None), ("bytes=4-2", None), ("bytes=0-1,2-3", None),
     ("bytes =0-1", None), ("lines=0-1", None), ("bytes=1", None), ("bytes=0-1 ", None)],
)  # fmt: skip
def test_ranges(header, span):
    assert requested(header, 10) == span


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)])
def test_not_satisfiable(header, size):
    with pytest.raises(Refusal) as error:
        requested(header, size)
    assert error.value.status == 416


@given(st.text(max_size=60) | st.from_regex(r"bytes=\d{0,25}-\d{0,25}", fullmatch=True), st.integers(0, 1 << 40))
def test_every_span_lies_in_the_file(header, size):
    try:
        span = requested(header, size)
    except Refusal:
        return
    assert span is None or 0 <= span.start < span.end <= size
