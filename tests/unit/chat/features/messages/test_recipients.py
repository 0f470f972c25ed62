from hypothesis import given
from hypothesis import strategies as st

from vox.chat.events.ids import UserId
from vox.chat.features.messages.recipients import PREVIEW_CHARS, Recipients, preview, recipients_of

USERS = st.integers(1, 8)
GROUPS = st.lists(USERS, max_size=8)


def test_the_first_reason_wins_and_the_author_hears_nothing():
    circle = Recipients(
        author_id=UserId(1),
        mentioned=[UserId(2), UserId(1)],
        answered=UserId(4),
        followers=[UserId(1), UserId(2), UserId(5)],
    )
    assert list(recipients_of(circle, lambda _user: True)) == [
        (2, "mention"),
        (4, "reply"),
        (5, "message"),
    ]


def test_who_answers_himself_is_not_told():
    assert list(recipients_of(Recipients(author_id=UserId(1), answered=UserId(1)), lambda _user: True)) == []


@given(USERS, GROUPS, st.none() | USERS, GROUPS, st.sets(USERS))
def test_everybody_concerned_who_may_read_is_told_once(
    author: UserId,
    mentioned: list[UserId],
    answered: UserId | None,
    followers: list[UserId],
    readers: set[UserId],
):
    told = [user for user, _ in recipients_of(Recipients(author, mentioned, answered, followers), readers.__contains__)]
    concerned = {*mentioned, *followers} | ({answered} if answered else set())
    assert sorted(told) == sorted((concerned & readers) - {author})


def test_a_preview_is_at_most_a_hundred_characters():
    assert preview("x" * 100) == "x" * 100
    assert preview("x" * 101) == "x" * 99 + "…"
    assert len(preview("y" * 4000) or "") == PREVIEW_CHARS
    assert preview(None) is None
