"""Access tokens as an application's server signs them for LiveKit's clients."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

KEY = "sdktest"
SECRET = "a-secret-of-thirty-two-characters"


def room_token(identity: str, room: str, *, name: str = "", kind: str = "standard", **grants: Any) -> str:
    """A token to join that room for an hour; `grants` are those of `video` that differ from a full member's."""
    video = {
        "roomJoin": True, "room": room, "canPublish": True, "canSubscribe": True, "canPublishData": True,
        "canUpdateOwnMetadata": True, **grants,
    }  # fmt: skip
    return signed({"sub": identity, "name": name or identity, "kind": kind, "video": video})


def admin_token(room: str) -> str:
    """A token for RoomService."""
    return signed({"video": {"roomAdmin": True, "roomCreate": True, "roomList": True, "room": room}})


def signed(claims: dict[str, Any]) -> str:
    """The claims as a JSON Web Token of the tests' key."""
    now = int(time.time())
    body = {"iss": KEY, "nbf": now - 10, "exp": now + 3600, **claims}
    parts = [_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, body)]
    signature = hmac.digest(SECRET.encode(), ".".join(parts).encode(), hashlib.sha256)
    return ".".join([*parts, _encoded(signature)])


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
