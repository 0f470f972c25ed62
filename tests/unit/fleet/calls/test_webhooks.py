from vox.fleet.calls.webhooks import LONGEST_PAUSE_S, pause_before, signature
from vox.security.digests import hmac_digest


def test_the_signature_covers_time_and_body():
    assert signature("s", 7, "{}") == f"t=7,v1={hmac_digest('s', '7.{}', 'sha256').hex()}"
    assert signature("s", 8, "{}") != signature("s", 7, "{}")


def test_pauses_grow_up_to_an_hour():
    pauses = [pause_before(attempt) for attempt in range(2, 13)]
    assert pauses[:4] == [5, 15, 45, 135]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
    assert 4 * 3600 < sum(pauses) < 6 * 3600
