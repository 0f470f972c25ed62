import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vox.errors import UsageError
from vox.fleet.campaigns.imports.csv_rows import LONGEST_RECORD, BadRow, CsvReader, Row


def read(data, *cuts):
    reader = CsvReader()
    ends = [*sorted(cuts), len(data)]
    found, start = [], 0
    for end in ends:
        found += reader.receive(data[start:end])
        start = end
    return [*found, *reader.end()]


def test_rows_are_numbered_as_a_spreadsheet_does():
    found = read(b'number,name\r\n+12125550123,Ann\r\n\r\n+12125550124,"Bo, ""B""\nand"\r\n')
    assert found == [Row(2, ("+12125550123", "Ann")), Row(4, ("+12125550124", 'Bo, "B"\nand'))]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_the_separator_is_found_in_the_header(mark):
    assert read(f"\ufeffnumber{mark}name\n1{mark}2".encode()) == [Row(2, ("1", "2"))]


def test_each_bad_row_is_named_and_the_next_one_is_read():
    found = read(b'number,name\n1,a,extra\n2\n3,\xff\xfe\n4,"open\n5,e\n6,a\0b\n7,g\n')
    assert [(one.row, one.column) for one in found if isinstance(one, BadRow)] == [
        (2, ""),
        (3, ""),
        (4, "name"),
        (5, ""),
        (7, ""),
    ]
    assert [one.cells[0] for one in found if isinstance(one, Row)] == ["5", "7"]
    reasons = [one.reason for one in found if isinstance(one, BadRow)]
    assert "3 columns where the header has 2" in reasons[0]
    assert "0xff" in reasons[2]
    assert "never closed" in reasons[3]


def test_a_line_without_end_is_one_bad_row_and_takes_no_memory():
    reader = CsvReader()
    assert list(reader.receive(b"number,name\n")) == []
    found = [one for _ in range(100) for one in reader.receive(b"x" * LONGEST_RECORD)]
    assert [one.row for one in found if isinstance(one, BadRow)] == [2]
    assert len(reader._rest) <= LONGEST_RECORD
    assert list(reader.receive(b"yz\n1,2\n")) == [Row(3, ("1", "2"))]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"PK\x03\x04\x14\x00", "Excel"),
        (b"\xff\xfen\x00u\x00", "UTF-16"),
        (b"\x7fELF\x02\x01\x00\x00", "binary"),
        (b"number,number\n", "twice"),
        (b"number,\n1,2\n", "without a name"),
        (b'number,"na\n', "never closed"),
        (b"x" * (LONGEST_RECORD + 1), "first line"),
        (b",".join(b"c%d" % n for n in range(65)) + b"\n", "64"),
        (b"n\xfcmber,name\n", "UTF-8"),
    ],
)
def test_what_is_no_csv_is_refused_as_a_whole(data, said):
    with pytest.raises(UsageError, match=said):
        read(data)


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


@given(
    rows=st.lists(st.tuples(cells, cells).filter(lambda row: "".join(row).strip()), max_size=12),
    cuts=st.lists(st.integers(0, 300), max_size=6),
    newline=st.sampled_from(["\n", "\r\n"]),
)
@example(rows=[("\ufeff", "0")], cuts=[], newline="\n")
def test_what_was_written_is_read_however_it_arrives(rows, cuts, newline):
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerow(["number", "name"])
    writer.writerows(rows)
    data = text.getvalue().encode()
    found = read(data, *(min(cut, len(data)) for cut in cuts))
    assert [one.cells for one in found if isinstance(one, Row)] == rows


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=4))
def test_garbage_never_raises_anything_but_a_clear_refusal(data, cuts):
    try:
        whole = read(b"number,name\n" + data)
    except UsageError:
        return
    assert read(b"number,name\n" + data, *(min(cut, len(data)) for cut in cuts)) == whole
