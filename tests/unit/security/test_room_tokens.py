import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import UsageError
from vox.runtime.clock import SystemClock
from vox.security import digests
from vox.security.room_tokens import (
    MAX_TOKEN_BYTES,
    SOURCES,
    RoomClaims,
    RoomKey,
    SipGrant,
    VideoGrant,
    read_room_token,
    sign_room_token,
)

NOW = 1_700_000_000.0
KEY = RoomKey("APIkey", "a secret of thirty-two characters")
KEYS = {KEY.key: KEY.secret, "other": "another secret"}
JOIN = VideoGrant(room_join=True, room="7")


def part(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims, *, secret=KEY.secret, header=None):
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'} if header is None else header)}.{part(claims)}"
    return f"{signed}.{part(digests.hmac_digest(secret, signed, 'sha256'))}"


def foreign(**claims):
    return {"iss": KEY.key, "sub": "ann", "exp": NOW + 60, "video": {"roomJoin": True, "room": "7"}} | claims


def read(text, *, keys=KEYS, now=NOW):
    return read_room_token(text, keys, now=now)


def refusal(text, **how):
    with pytest.raises(UsageError) as caught:
        read(text, **how)
    return caught.value.code


def signed(claims, **how):
    return sign_room_token(KEY, claims, now=NOW, **({"lifetime_s": 60.0} | how))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
flags = st.sampled_from([None, True, False])
grants = st.builds(
    VideoGrant,
    room=texts,
    room_join=st.booleans(),
    room_admin=st.booleans(),
    can_publish=flags,
    can_subscribe=flags,
    can_publish_data=flags,
    can_publish_sources=st.lists(st.sampled_from(SOURCES), unique=True).map(tuple),
    can_update_own_metadata=flags,
    hidden=st.booleans(),
    agent=st.booleans(),
    destination_room=texts,
)
all_claims = st.builds(
    RoomClaims,
    sub=texts.filter(bool),
    name=texts,
    kind=st.sampled_from(["", "agent", "sip"]),
    metadata=texts,
    attributes=st.dictionaries(texts, texts, max_size=3),
    sha256=texts,
    video=grants,
    sip=st.builds(SipGrant, admin=st.booleans(), call=st.booleans()),
)


@given(all_claims)
def test_what_was_signed_is_read(claims):
    got = read(signed(claims))
    assert (got.iss, got.nbf, got.exp) == (KEY.key, NOW, NOW + 60)
    assert got.video == claims.video
    assert (got.sub, got.name, got.kind, got.metadata) == (claims.sub, claims.name, claims.kind, claims.metadata)
    assert (got.attributes, got.sha256, got.sip) == (claims.attributes, claims.sha256, claims.sip)


@given(all_claims, st.data())
def test_a_token_with_any_character_changed_is_refused(claims, data):
    text = signed(claims)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(exclude_categories=["Cs"]).filter(lambda c: c != text[at]))
    assert refusal(text[:at] + other + text[at + 1 :]) == "bad_room_token"


@given(
    st.text(max_size=80)
    | st.binary(max_size=80).map(lambda data: f"{part({'alg': 'HS256'})}.{part(data)}.{part(b'x')}")
)
def test_garbage_is_refused(text):
    assert refusal(text) == "bad_room_token"


@given(st.recursive(st.none() | st.booleans() | st.floats() | texts, lambda x: st.lists(x) | st.dictionaries(texts, x)))
def test_a_signed_token_of_any_shape_is_read_or_refused(value):
    for claims in (value, foreign(video=value), foreign(exp=value), foreign(attributes=value), foreign(sub=value)):
        try:
            read(token(claims))
        except UsageError as error:
            assert error.code in {"bad_room_token", "room_token_expired"}  # noqa: PT017  any of both, for any value


def test_the_claims_are_those_of_the_protocol():
    text = signed(
        RoomClaims(sub="ann", name="Ann", kind="agent", video=VideoGrant(room_join=True, room="7", can_publish=False))
    )
    claims = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
    assert claims == {
        "iss": "APIkey",
        "sub": "ann",
        "name": "Ann",
        "kind": "agent",
        "nbf": NOW,
        "exp": NOW + 60,
        "video": {"roomJoin": True, "room": "7", "canPublish": False},
    }


def test_nulls_of_other_signers_are_what_was_not_said():
    video = {"roomJoin": True, "room": "7", "canPublish": None, "hidden": None, "someday": 1}
    got = read(token(foreign(video=video, attributes=None, metadata=None, unknown={})))
    assert got.attributes == {}
    assert got.video == JOIN


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "HS512"}, {"alg": ["HS256"]}, {}, []])
def test_a_token_does_not_choose_its_own_check(header):
    assert refusal(token(foreign(), header=header)) == "bad_room_token"
    assert refusal(f"{part({'alg': 'none'})}.{part(foreign())}.") == "bad_room_token"


def test_only_known_keys_count():
    assert read(token(foreign(iss="other"), secret="another secret")).iss == "other"
    for claims, secret in [
        (foreign(iss="other"), KEY.secret),
        (foreign(iss="stranger"), KEY.secret),
        (foreign(iss="stranger"), ""),
        (foreign(iss="stranger"), "0" * 32),
        (foreign(), ""),
    ]:
        assert refusal(token(claims, secret=secret)) == "bad_room_token"
    assert refusal(token(foreign(iss="empty"), secret=""), keys={"empty": ""}) == "bad_room_token"


def test_it_holds_for_its_time():
    text = signed(RoomClaims(sub="ann", video=JOIN))
    assert read(text, now=NOW - 10)
    assert read(text, now=NOW + 69)
    assert refusal(text, now=NOW - 11) == "bad_room_token"
    assert refusal(text, now=NOW + 70) == "room_token_expired"
    undated = foreign()
    del undated["exp"]
    assert refusal(token(undated)) == "bad_room_token"


@pytest.mark.parametrize(
    "video", [{"roomJoin": True, "room": "r" * 257}, {"roomJoin": "yes"}, {"roomJoin": True, "room": 7}, []]
)
def test_grants_that_are_none_are_refused(video):
    assert refusal(token(foreign(video=video))) == "bad_room_token"


def test_those_who_join_have_an_identity():
    for who in ("", "x" * 257):
        assert refusal(token(foreign(sub=who))) == "bad_room_token"
        with pytest.raises(UsageError, match="identity"):
            signed(RoomClaims(sub=who, video=JOIN))
    assert read(token(foreign(sub="", video={"roomAdmin": True, "room": "7"}))).video.room_admin


def test_a_token_is_bounded():
    assert refusal("a" * (MAX_TOKEN_BYTES + 1)) == "bad_room_token"
    assert refusal(token(foreign(metadata="m" * MAX_TOKEN_BYTES))) == "bad_room_token"


def test_without_a_secret_nothing_is_signed():
    for key in (RoomKey("", "s"), RoomKey("k", "")):
        with pytest.raises(UsageError, match="no key"):
            sign_room_token(key, RoomClaims(sub="ann"), now=NOW, lifetime_s=1)
    assert "secret" not in repr(KEY).replace("secret=", "")


def test_what_is_not_said_of_a_grant():
    silent = VideoGrant()
    assert silent.may_publish()
    assert silent.may_publish("camera")
    assert silent.may_subscribe()
    assert silent.may_publish_data()
    assert not silent.may_update_own_metadata()
    muted = VideoGrant(can_publish=False, can_subscribe=False, can_update_own_metadata=True)
    assert not muted.may_publish("microphone")
    assert not muted.may_publish_data()
    assert not muted.may_subscribe()
    assert muted.may_update_own_metadata()
    assert VideoGrant(can_publish=False, can_publish_data=True).may_publish_data()
    spoken = VideoGrant(can_publish_sources=("microphone",))
    assert spoken.may_publish("microphone")
    assert spoken.may_publish()
    assert not spoken.may_publish("screen_share")


def test_the_official_library_reads_ours_and_we_read_its():
    api = pytest.importorskip("livekit.api")
    ours = sign_room_token(
        KEY,
        RoomClaims(sub="ann", name="Ann", attributes={"a": "b"}, video=JOIN),
        now=SystemClock().unix(),
        lifetime_s=60,
    )
    claims = api.TokenVerifier(KEY.key, KEY.secret).verify(ours)
    assert (claims.identity, claims.name, claims.video.room, claims.video.room_join) == ("ann", "Ann", "7", True)
    grants = api.VideoGrants(room_join=True, room="7", can_publish=False, can_publish_sources=["microphone"])
    theirs = api.AccessToken(KEY.key, KEY.secret).with_identity("bob").with_kind("agent").with_grants(grants).to_jwt()
    got = read_room_token(theirs, KEYS, now=SystemClock().unix())
    assert (got.sub, got.kind, got.video.can_publish, got.video.can_publish_sources) == (
        "bob",
        "agent",
        False,
        ("microphone",),
    )
