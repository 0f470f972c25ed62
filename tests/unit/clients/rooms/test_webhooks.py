"""Webhooks of media servers: only what is signed for its body counts."""

import base64
import hashlib
import json
from typing import Any

import pytest

from vox.clients.rooms.webhooks import read_webhook
from vox.errors import PeerError, UsageError
from vox.security.room_tokens import RoomClaims, RoomKey, sign_room_token

KEY = RoomKey("key", "secret")
KEYS = {KEY.key: KEY.secret}
NOW = 1_700_000_000.0


def signed(body: bytes, *, of: bytes | None = None, at: float = NOW, key: RoomKey = KEY, hexed: bool = False) -> str:
    digest = hashlib.sha256(body if of is None else of)
    text = digest.hexdigest() if hexed else base64.b64encode(digest.digest()).decode()
    return sign_room_token(key, RoomClaims(sha256=text), now=at, lifetime_s=86_400)


def body(**said: Any) -> bytes:
    return json.dumps({"event": "participant_joined", "id": "EV_1", "room": {"name": "vox-1"}} | said).encode()


def test_an_event_names_room_and_participant():
    sent = body(participant={"identity": "user-1", "state": "ACTIVE"}, createdAt="17")
    for authorization in (signed(sent), f"Bearer {signed(sent)}", signed(sent, hexed=True)):
        event = read_webhook(authorization, sent, KEYS, now=NOW)
        assert (event.kind, event.id, event.room) == ("participant_joined", "EV_1", "vox-1")
        assert event.participant is not None
        assert event.participant.identity == "user-1"
    assert read_webhook(signed(body()), body(), KEYS, now=NOW).participant is None
    assert read_webhook(signed(b'{"event": "x"}'), b'{"event": "x"}', KEYS, now=NOW).room == ""


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "bad_room_token"),
        ("Bearer x", "bad_room_token"),
        (signed(body(), key=RoomKey("key", "other")), "bad_room_token"),
        (signed(body(), key=RoomKey("other", "secret")), "bad_room_token"),
        (signed(body(), of=b"another"), "bad_signature"),
        (sign_room_token(KEY, RoomClaims(), now=NOW, lifetime_s=60), "bad_signature"),
        (signed(body(), at=NOW - 601), "room_token_expired"),
        (signed(body(), at=NOW - 100_000), "room_token_expired"),
    ],
)
def test_what_is_not_signed_for_this_body_is_refused(authorization: str, code: str):
    with pytest.raises(UsageError) as caught:
        read_webhook(authorization, body(), KEYS, now=NOW)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "sent",
    [b"", b"[]", b"{}", b'{"event": 1}', b'{"event": "x", "id": 1}', b'{"event":"x","participant":[]}', b"[" * 9000],
)
def test_a_signed_body_of_another_shape_is_refused(sent: bytes):
    with pytest.raises(PeerError):
        read_webhook(signed(sent), sent, KEYS, now=NOW)
