"""What the rest of the bridge may rely on."""

from vox.fleet.dispatch.contract import OFFER_DEADLINE_S, PLACE_DEADLINE_S, Placed, Placement


def test_a_second_worker_can_be_asked_within_the_deadline():
    assert 2 * OFFER_DEADLINE_S <= PLACE_DEADLINE_S


def test_a_token_does_not_stand_in_a_log():
    assert "secret" not in repr(Placed("w-1", "ws://w/stream", "secret", "rsv_1"))


def test_calls_do_not_share_metadata():
    assert Placement("a", "inbound", "bot").metadata is not Placement("b", "inbound", "bot").metadata
