"""A media server without media: rooms and participants behind the RoomService API as servers of that protocol speak it (Twirp, JSON)."""

import base64
import hashlib
import json
from typing import Any

from tests.contract.chat.helpers_bots import Answer, Received
from vox.security.room_tokens import RoomClaims, RoomKey, read_room_token, sign_room_token

KEY = RoomKey("APItest", "a secret that only tests know, 32 bytes")
SERVICE = "/twirp/livekit.RoomService/"


class MediaServer:
    """The rooms; `decide` answers requests."""

    def __init__(self, now: Any) -> None:
        self.rooms: dict[str, dict[str, dict[str, Any]]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.fails_with: int | None = None
        self._now = now

    def connect(self, token: str) -> str:
        """A client joins with its token; its identity."""
        claims = read_room_token(token, {KEY.key: KEY.secret}, now=self._now())
        grant = claims.video
        assert grant.room_join
        permission = {
            "can_subscribe": grant.may_subscribe(),
            "can_publish": grant.may_publish(),
            "can_publish_data": grant.may_publish_data(),
            "can_publish_sources": [source.upper() for source in grant.can_publish_sources],
        }
        self.rooms.setdefault(grant.room, {})[claims.sub] = {
            "sid": f"PA_{claims.sub}", "identity": claims.sub, "name": claims.name, "state": "ACTIVE",
            "kind": (claims.kind or "standard").upper(), "joined_at": "1767225600", "permission": permission, "tracks": [],
            "attributes": claims.attributes,
        }  # fmt: skip
        return claims.sub

    def disconnect(self, identity: str) -> None:
        """A client goes."""
        for people in self.rooms.values():
            people.pop(identity, None)

    def publish(self, identity: str, source: str, *, muted: bool = False) -> None:
        """A client publishes, as far as it may."""
        for people in self.rooms.values():
            if identity in people:
                assert source in people[identity]["permission"]["can_publish_sources"], source
                people[identity]["tracks"] = [one for one in people[identity]["tracks"] if one["source"] != source]
                people[identity]["tracks"].append({"sid": f"TR_{source}", "source": source, "muted": muted})

    def everyone(self) -> dict[str, list[str]]:
        """Who is where."""
        return {room: sorted(people) for room, people in self.rooms.items() if people}

    def permission(self, identity: str) -> dict[str, Any]:
        """What a client may do at present."""
        return next(people[identity]["permission"] for people in self.rooms.values() if identity in people)

    def webhook(
        self, kind: str, room: str, identity: str = "", *, secret: str = KEY.secret
    ) -> tuple[dict[str, str], bytes]:
        """Headers and body of a webhook."""
        said: dict[str, Any] = {
            "event": kind,
            "id": "EV_1",
            "createdAt": "1767225600",
            "room": {"name": room, "sid": "RM_1"},
        }
        if identity:
            said["participant"] = {"identity": identity, "sid": f"PA_{identity}", "state": "ACTIVE"}
        body = json.dumps(said).encode()
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        token = sign_room_token(RoomKey(KEY.key, secret), RoomClaims(sha256=digest), now=self._now(), lifetime_s=300)
        return {"authorization": token, "content-type": "application/webhook+json"}, body

    def decide(self, request: Received) -> Answer:
        """Answers one request."""
        if self.fails_with is not None:
            return self.fails_with, {}, b"no"
        method = request.path.removeprefix(SERVICE)
        body = json.loads(request.body)
        self.calls.append((method, body))
        grant = read_room_token(
            request.headers["authorization"].removeprefix("Bearer "), {KEY.key: KEY.secret}, now=self._now()
        ).video
        if method in {"CreateRoom", "DeleteRoom"} and not grant.room_create:
            return refused(401, "unauthenticated")
        if method not in {"CreateRoom", "DeleteRoom", "ListRooms"} and (
            not grant.room_admin or grant.room != body["room"]
        ):
            return refused(401, "unauthenticated")
        return self._answer(method, body)

    def _answer(self, method: str, body: dict[str, Any]) -> Answer:
        people = self.rooms.get(body.get("room", ""))
        match method:
            case "ListRooms":
                names = body.get("names") or list(self.rooms)
                return ok({"rooms": [{"name": one, "num_participants": len(self.rooms.get(one, ()))} for one in names]})
            case "CreateRoom":
                self.rooms.setdefault(body["name"], {})
                return ok({"sid": "RM_1", "name": body["name"], "empty_timeout": body["empty_timeout"]})
            case "DeleteRoom":
                return ok({}) if self.rooms.pop(body["room"], None) is not None else refused(404, "not_found")
            case "ListParticipants":
                return ok({"participants": list((people or {}).values())})
            case _:
                who = (people or {}).get(body["identity"])
                if who is None:
                    return refused(404, "not_found")
                return self._of_participant(method, body, who)

    def _of_participant(self, method: str, body: dict[str, Any], who: dict[str, Any]) -> Answer:
        if method == "RemoveParticipant":
            del self.rooms[body["room"]][body["identity"]]
            return ok({})
        if method == "UpdateParticipant":
            who["permission"] = body["permission"]
            allowed = body["permission"]["can_publish_sources"] if body["permission"]["can_publish"] else []
            who["tracks"] = [one for one in who["tracks"] if one["source"] in allowed]
            return ok(who)
        return refused(404, "bad_route")


def ok(value: Any) -> Answer:
    """A successful answer."""
    return 200, {"content-type": "application/json"}, json.dumps(value).encode()


def refused(status: int, code: str) -> Answer:
    """An error as Twirp has it."""
    return status, {"content-type": "application/json"}, json.dumps({"code": code, "msg": "no"}).encode()
