from vox.chat.events import NEEDED_CAPABILITY, Users, read_update, settings_update
from vox.chat.events.ids import DmId, FeedId, MessageId, UserId
from vox.protocols.gateway import ACCOUNT_EVENTS, CAPABILITIES

ANN = UserId(1)


def test_a_mark_says_where_it_is_and_whether_it_went_back_by_intention() -> None:
    forward = read_update(user_id=ANN, feed_id=FeedId(4), last_read_msg_id=MessageId(9))
    assert forward.payload == {"user_id": 1, "feed_id": 4, "last_read_msg_id": 9}
    back = read_update(user_id=ANN, dm_id=DmId(5), last_read_msg_id=MessageId(0), is_unread=True)
    assert back.payload == {"user_id": 1, "dm_id": 5, "last_read_msg_id": 0, "unread": True}


def test_only_the_user_s_sessions_that_asked_are_told() -> None:
    for event in (
        settings_update(user_id=ANN, revision=3),
        read_update(user_id=ANN, feed_id=FeedId(4), last_read_msg_id=MessageId(9)),
    ):
        assert event.audience == Users((ANN,))
        assert event.facts == {NEEDED_CAPABILITY: ACCOUNT_EVENTS}
    assert ACCOUNT_EVENTS in CAPABILITIES
