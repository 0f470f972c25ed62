from hypothesis import given
from hypothesis import strategies as st

from vox.chat.events.ids import FileId, UserId
from vox.chat.storage.signed_links import Grant, grant, is_valid

SECRET = bytes(range(32))
IDS = st.text("abcdefgh-_", min_size=1, max_size=22)


@given(IDS, st.integers(1, 1 << 62), st.integers(1, 1 << 40))
def test_a_link_is_valid_until_it_expires(file_id, user, expires):
    given_link = grant(SECRET, file_id, user, expires)
    assert is_valid(SECRET, file_id, given_link, expires - 1)
    assert not is_valid(SECRET, file_id, given_link, expires)


@given(IDS, IDS, st.integers(1, 1 << 62), st.integers(1, 1 << 62), st.integers(1, 9), st.integers(1, 9))
def test_no_part_can_be_exchanged(file_id, other_id, user, other_user, expires, other_expires):
    given_link = grant(SECRET, file_id, user, expires)
    changed = Grant(other_expires, other_user, given_link.signature)
    same = (file_id, user, expires) == (other_id, other_user, other_expires)
    assert is_valid(SECRET, other_id, changed, 0) == same


def test_another_secret_makes_other_links():
    given_link = grant(SECRET, FileId("file"), UserId(1), 10)
    assert not is_valid(bytes(32), FileId("file"), given_link, 0)
    assert not is_valid(SECRET, FileId("file"), Grant(10, UserId(1), "ä"), 0)
