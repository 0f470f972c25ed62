"""The files of ban lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.features.members.ban_lists import ExportedBan, bans_of_csv, csv_of

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30).filter(
    str.strip
)


@given(st.lists(st.tuples(st.integers(1, 2**62), CELL, st.none() | CELL), max_size=10))
def test_what_is_written_is_read_again(rows: list[tuple[int, str, str | None]]):
    bans = [ExportedBan(user_id=number, username=name, reason=reason) for number, name, reason in rows]
    read = bans_of_csv(csv_of(bans))
    assert [(ban.user_id, ban.username, ban.reason) for ban in read] == rows


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x"])
def test_no_cell_is_a_formula(cell: str):
    line = csv_of([ExportedBan(username=cell)]).splitlines()[1]
    assert f",'{cell}," in line


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2", 'username\n"open', "user_id\nx", "user_id\n99999999999999999999", "username\n" + "a\n" * 10_001],
)
def test_what_is_no_list(text: str):
    with pytest.raises(ValueError, match=r"CSV|number|at most"):
        bans_of_csv(text)
