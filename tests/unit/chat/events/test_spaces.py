"""Events around spaces: for who may view them, with what only servers need kept out of the payload."""

from vox.chat.events import spaces
from vox.chat.events.audience import EVERYONE, FormerViewers, SpaceOverride, Viewers
from vox.chat.events.ids import CategoryId, FeedId, RoleId, RoomId, ThreadId, UserId

OVERRIDES = (SpaceOverride("role", RoleId(1), 2, 3), SpaceOverride("user", UserId(4)))


def test_first_overrides_and_positions_stay_between_servers() -> None:
    feed = spaces.feed_create(feed_id=FeedId(7), name="n", topic="t", position=3, overrides=OVERRIDES)
    assert feed.payload == {"feed_id": 7, "name": "n", "type": "text", "topic": "t"}
    assert feed.facts["position"] == 3
    assert [list(row) for row in feed.facts["overrides"]] == [["role", 1, 2, 3], ["user", 4, 0, 0]]
    room = spaces.room_create(room_id=RoomId(8), name="r", max_members=5, overrides=OVERRIDES)
    assert room.payload == {"room_id": 8, "name": "r", "type": "voice"}
    assert room.facts["max_members"] == 5


def test_a_space_that_is_gone_is_told_to_those_who_could_view_it() -> None:
    for event in (
        spaces.feed_delete(feed_id=FeedId(7), overrides=iter(OVERRIDES)),
        spaces.room_delete(room_id=RoomId(7), overrides=iter(OVERRIDES)),
    ):
        assert event.audience == FormerViewers(OVERRIDES)
        assert len(event.payload) == 1


def test_neighbours_that_moved_stay_between_servers() -> None:
    event = spaces.feed_update(feed_id=FeedId(7), changed={"position": 0}, feeds={7: 0, 8: 1}, rooms={9: 2})
    assert event.payload == {"feed_id": 7, "position": 0}
    assert [list(pair) for pair in event.facts["feeds"]] == [[7, 0], [8, 1]]
    assert [list(pair) for pair in event.facts["rooms"]] == [[9, 2]]
    assert list(spaces.category_update(category_id=CategoryId(1), changed={}).facts["categories"]) == []


def test_threads_are_for_who_may_view_their_feed_and_categories_for_everyone() -> None:
    assert spaces.thread_create(thread_id=ThreadId(9), parent_feed_id=FeedId(7), name="n").audience == Viewers(
        "feed", FeedId(7)
    )
    assert spaces.thread_update(thread_id=ThreadId(9), parent_feed_id=FeedId(7), changed={}).audience == Viewers(
        "feed", FeedId(7)
    )
    assert spaces.room_update(room_id=RoomId(8), changed={}).audience == Viewers("room", RoomId(8))
    assert spaces.category_create(category_id=CategoryId(1), name="c").payload == {"category_id": 1, "name": "c"}
    assert spaces.category_delete(category_id=CategoryId(1)).audience == EVERYONE
