import re
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.features.moderation.queries import like_pattern

TYPES = st.text("ab._%\\", max_size=8)
GLOBS = st.text("ab._%\\*", max_size=8)


@pytest.mark.parametrize(
    ("glob", "pattern"), [("role.*", "role.%"), ("*", "%"), ("a_b", "a\\_b"), ("100%", "100\\%"), ("\\", "\\\\")]
)
def test_only_the_star_stands_for_something(glob: str, pattern: str):
    assert like_pattern(glob) == pattern


@given(TYPES, GLOBS)
def test_the_database_means_by_the_pattern_what_the_glob_says(kind: str, glob: str):
    with sqlite3.connect(":memory:") as connection:
        found = connection.execute("SELECT ? LIKE ? ESCAPE '\\'", (kind, like_pattern(glob))).fetchone()[0]
    connection.close()
    expected = re.fullmatch(".*".join(re.escape(part) for part in glob.split("*")), kind, re.DOTALL)
    assert bool(found) == bool(expected)
