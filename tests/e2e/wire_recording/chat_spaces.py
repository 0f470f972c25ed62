"""Feeds, rooms, categories, overrides, threads, messages, reactions, pins, conversations, search, /sync and read marks."""

import time
from typing import Any
from urllib.parse import quote

from tests.e2e.wire_recording.chat_world import Person

VIEW_SPACE, SEND_MESSAGES, MANAGE_SPACES = 1, 2, 1 << 24
THUMB = quote("👍")


def spaces(ada: Person, ben: Person, cy: Person) -> None:
    """All routes of spaces: `ada` is administrator, the others are members."""
    category = _categories(ada, ben)
    feed, secret = _feeds(ada, ben, category)
    _rooms(ada, ben, category)
    _overrides(ada, ben, feed)
    ben.ask("GET /server/layout", "a member")
    ada.ask("GET /server/layout", "an administrator")
    message = _messages(ada, ben, feed, secret)
    _threads(ada, ben, feed, message)
    _reactions(ada, ben, feed, message)
    _pins(ada, ben, feed, message)
    _conversations(ada, ben, cy)
    _search(ada, ben, feed)
    _sync(ada, ben, feed, message)
    _deleting(ada, ben, feed, message, category)


def _categories(ada: Person, ben: Person) -> int:
    category = ada.ask("POST /categories", "made", {"name": "texts", "position": 0}).json()["category_id"]
    ada.ask("POST /categories", "no position", {"name": "texts"})
    ben.ask("POST /categories", "without the permission", {"name": "x", "position": 1})
    ben.ask("GET /categories")
    ben.ask(f"GET /categories/{category}")
    ben.ask("GET /categories/987654", "unknown")
    ada.ask(f"PATCH /categories/{category}", "renamed", {"name": "words", "position": 1})
    ada.ask("PATCH /categories/987654", "unknown", {"name": "x"})
    return category


def _feeds(ada: Person, ben: Person, category: int) -> tuple[int, int]:
    new = {"name": "general", "type": "text", "category_id": category}
    feed = ada.ask("POST /feeds", "made", new).json()["feed_id"]
    hidden = [{"target_type": "role", "target_id": 1, "allow": 0, "deny": VIEW_SPACE}]
    secret = ada.ask("POST /feeds", "hidden", {**new, "name": "secret", "permission_overrides": hidden})
    ada.ask("POST /feeds", "an announcement", {**new, "name": "news", "type": "announcement"})
    ada.ask("POST /feeds", "an unknown type", {**new, "type": "video"})
    ada.ask("POST /feeds", "an unknown category", {**new, "category_id": 987654})
    ada.ask("POST /feeds", "an override of what is unknown", {
        **new, "permission_overrides": [{**hidden[0], "target_type": "group"}]})  # fmt: skip
    ben.ask("POST /feeds", "without the permission", new)
    ben.ask(f"GET /feeds/{feed}")
    ben.ask(f"GET /feeds/{secret.json()['feed_id']}", "hidden")
    ada.ask(f"GET /feeds/{secret.json()['feed_id']}", "hidden")
    ada.ask("GET /feeds/987654", "unknown")
    ben.ask("GET /feeds/987654", "unknown")
    ada.ask(f"PATCH /feeds/{feed}", "moved", {"topic": "t", "position": 1})
    ada.ask(f"PATCH /feeds/{feed}", "a large position", {"position": 1 << 31})
    ben.ask(f"PATCH /feeds/{feed}", "without the permission", {"topic": "x"})
    ben.ask(f"PUT /feeds/{feed}/subscribers")
    ben.ask(f"PUT /feeds/{secret.json()['feed_id']}/subscribers", "hidden")
    ben.ask(f"DELETE /feeds/{feed}/subscribers")
    return feed, secret.json()["feed_id"]


def _rooms(ada: Person, ben: Person, category: int) -> None:
    new = {"name": "hall", "type": "voice", "category_id": category}
    room = ada.ask("POST /rooms", "made", new).json()["room_id"]
    ada.ask("POST /rooms", "an unknown type", {**new, "type": "text"})
    ben.ask("POST /rooms", "without the permission", new)
    ben.ask(f"GET /rooms/{room}")
    ben.ask("GET /rooms/987654", "unknown")
    ada.ask(f"PATCH /rooms/{room}", "renamed", {"name": "stage", "position": 0})
    ben.ask(f"PATCH /rooms/{room}", "without the permission", {"name": "x"})
    ada.ask(f"PUT /rooms/{room}/permissions/role/1", "an override", {"allow": 0, "deny": 256})
    ada.ask(f"GET /rooms/{room}", "an override")
    ada.ask(f"DELETE /rooms/{room}/permissions/role/1", "an override")
    ada.ask(f"DELETE /rooms/{room}")
    ada.ask(f"DELETE /rooms/{room}", "again")


def _overrides(ada: Person, ben: Person, feed: int) -> None:
    mask = {"allow": 64, "deny": 0}
    ada.ask(f"PUT /feeds/{feed}/permissions/user/{ben.user_id}", "made", mask)
    ada.ask(f"GET /feeds/{feed}", "an override")
    ada.ask(f"PUT /feeds/{feed}/permissions/group/1", "an unknown type", mask)
    ada.ask(f"PUT /feeds/{feed}/permissions/user/987654", "an unknown user", mask)
    ada.ask(f"PUT /feeds/{feed}/permissions/role/987654", "an unknown role", mask)
    ada.ask(f"PUT /feeds/{feed}/permissions/user/{ben.user_id}", "no mask", {})
    ben.ask(f"PUT /feeds/{feed}/permissions/user/{ben.user_id}", "without the permission", mask)
    ada.ask(f"DELETE /feeds/{feed}/permissions/user/{ben.user_id}")
    ada.ask(f"DELETE /feeds/{feed}/permissions/user/{ben.user_id}", "again")


def _messages(ada: Person, ben: Person, feed: int, secret: int) -> int:
    path = f"/feeds/{feed}/messages"
    embed = '{"title":"t","fields":[{"name":"n","value":"v"}]}'
    first = ada.ask(f"POST {path}", "with an embed", {"body": "hello", "embed": embed, "mentions": [0, ben.user_id]})
    message = first.json()["msg_id"]
    told = {"body": "answer", "reply_to": message, "nonce": "n-1"}
    ben.ask(f"POST {path}", "an answer", told)
    ben.ask(f"POST {path}", "the same nonce", told)
    for note, body in (
        ("empty", {"body": "  "}),
        ("too long", {"body": "x" * 4001}),
        ("an unknown file", {"body": "x", "attachments": ["unknown"]}),
        ("a NUL", {"body": "a\0b"}),
        ("a number for a text", {"body": 1}),
    ):
        ben.ask(f"POST {path}", note, body)
    ada.ask(f"POST {path}", "a broken embed", {"body": "x", "embed": "{"})
    ben.ask(f"POST {path}", "an embed without the permission", {"body": "x", "embed": embed})
    ben.ask(f"POST {path}", "no JSON", body=None, headers={"Content-Type": "application/json"})
    ben.ask(f"POST /feeds/{secret}/messages", "hidden", {"body": "x"})
    ben.ask(f"GET {path}")
    ben.ask(f"GET {path}?limit=1&before={message}", "an empty page")
    ben.ask(f"GET {path}?around={message}&limit=2", "around")
    ben.ask(f"GET {path}?limit=0", "no page")
    ben.ask(f"GET {path}?before=x", "no number")
    ben.ask(f"GET {path}/{message}", "ids as texts", headers={"X-Vox-Ids": "string"})
    ben.ask(f"GET {path}/{message}")
    ben.ask(f"GET {path}/987654", "unknown")
    ada.ask(f"PATCH {path}/{message}", "edited", {"body": "hello again"})
    ben.ask(f"PATCH {path}/{message}", "another's", {"body": "x"})
    ada.ask(f"PATCH {path}/987654", "unknown", {"body": "x"})
    ben.ask(f"DELETE {path}/{message}", "another's")
    extra = [ben.do(f"POST {path}", {"body": f"number {n}"})["msg_id"] for n in range(3)]
    ben.ask(f"DELETE {path}/{extra[0]}", "one's own")
    ben.ask(f"DELETE {path}/{extra[0]}", "again")
    ben.ask(f"POST {path}/bulk-delete", "without the permission", {"msg_ids": extra})
    ada.ask(f"POST {path}/bulk-delete", "several", {"msg_ids": extra})
    ada.ask(f"POST {path}/bulk-delete", "too many", {"msg_ids": list(range(101))})
    return message


def _threads(ada: Person, ben: Person, feed: int, message: int) -> None:
    new = {"parent_msg_id": message, "name": "aside"}
    thread = ben.ask(f"POST /feeds/{feed}/threads", "made", new).json()["thread_id"]
    ben.ask(f"POST /feeds/{feed}/threads", "no name", {"parent_msg_id": message})
    ben.ask("POST /feeds/987654/threads", "unknown", new)
    ben.ask(f"GET /feeds/{feed}/threads")
    ben.ask(f"GET /feeds/{feed}/threads?after={thread}", "an empty page")
    ben.ask(f"GET /threads/{thread}")
    ben.ask("GET /threads/987654", "unknown")
    path = f"/feeds/{feed}/threads/{thread}/messages"
    ben.ask(f"POST {path}", "sent", {"body": "aside"})
    ben.ask(f"POST {path}", "empty", {})
    ben.ask(f"GET {path}")
    ben.ask(f"GET /feeds/{feed}/threads/987654/messages", "unknown")
    ben.ask(f"PUT /feeds/{feed}/threads/{thread}/subscribers")
    ben.ask(f"DELETE /feeds/{feed}/threads/{thread}/subscribers")
    ben.ask(f"PATCH /threads/{thread}", "without the permission", {"locked": True})
    ada.ask(f"PATCH /threads/{thread}", "locked", {"locked": True, "name": "beside"})
    ben.ask(f"POST {path}", "locked", {"body": "x"})
    ben.ask(f"DELETE /threads/{thread}", "without the permission")
    ada.ask(f"DELETE /threads/{thread}")
    ada.ask(f"DELETE /threads/{thread}", "again")


def _reactions(ada: Person, ben: Person, feed: int, message: int) -> None:
    path = f"/feeds/{feed}/messages/{message}/reactions"
    ben.ask(f"PUT {path}/{THUMB}")
    ada.ask(f"PUT {path}/{THUMB}", "a second")
    ben.ask(f"PUT {path}/{'x' * 65}", "too long")
    ben.ask(f"PUT /feeds/{feed}/messages/987654/reactions/{THUMB}", "unknown")
    ben.ask(f"GET {path}")
    ben.ask(f"GET {path}?limit=1&emoji={THUMB}", "a page")
    ben.ask(f"GET {path}?limit=0", "no page")
    ben.ask(f"DELETE {path}/{THUMB}")
    ben.ask(f"DELETE {path}/{THUMB}", "again")


def _pins(ada: Person, ben: Person, feed: int, message: int) -> None:
    ada.ask(f"PUT /feeds/{feed}/pins/{message}")
    ada.ask(f"PUT /feeds/{feed}/pins/987654", "unknown")
    ben.ask(f"PUT /feeds/{feed}/pins/{message}", "without the permission")
    ben.ask(f"GET /feeds/{feed}/pins")
    ada.ask(f"DELETE /feeds/{feed}/pins/{message}")
    ada.ask(f"DELETE /feeds/{feed}/pins/{message}", "again")


def _conversations(ada: Person, ben: Person, cy: Person) -> None:
    pair = ben.ask("POST /dms", "two", {"recipient_id": ada.user_id}).json()["dm_id"]
    ada.ask("POST /dms", "the same two", {"recipient_id": ben.user_id})
    group = ben.ask("POST /dms", "a group", {"recipient_ids": [ada.user_id, cy.user_id], "name": "three"}).json()[
        "dm_id"
    ]
    ben.ask("POST /dms", "no recipient", {})
    ben.ask("POST /dms", "oneself", {"recipient_id": ben.user_id})
    ben.ask("POST /dms", "unknown", {"recipient_id": 987654})
    ben.ask("POST /dms", "too many", {"recipient_ids": list(range(20))})
    ben.ask("GET /dms")
    ben.ask("GET /dms?limit=1", "a page")
    ben.ask(f"PATCH /dms/{group}", "named", {"name": "trio", "icon": "i"})
    cy.ask(f"PATCH /dms/{pair}", "no participant", {"name": "x"})
    ben.ask(f"PUT /dms/{pair}/recipients/{cy.user_id}", "no group")
    ben.ask(f"DELETE /dms/{pair}/recipients/{ada.user_id}", "no group")
    ben.ask(f"POST /dms/{pair}/convert-to-group")
    ben.ask("POST /dms/987654/convert-to-group", "unknown")
    ben.ask(f"DELETE /dms/{group}/recipients/{cy.user_id}")
    ben.ask(f"DELETE /dms/{group}/recipients/{ben.user_id}", "oneself")
    ben.ask(f"PUT /dms/{group}/recipients/{cy.user_id}")
    path = f"/dms/{group}/messages"
    sent = ben.ask(f"POST {path}", "sent", {"body": "between us", "opaque_blob": "Yg==", "mentions": [ada.user_id]})
    message = sent.json()["msg_id"]
    ben.ask(f"POST {path}", "empty", {})
    ben.ask(f"POST {path}", "too large a blob", {"opaque_blob": "x" * 65_537})
    ada.ask(f"GET {path}")
    ada.ask(f"GET {path}/{message}")
    ada.ask(f"GET {path}/987654", "unknown")
    ben.ask(f"PATCH {path}/{message}", "edited", {"body": "between the three"})
    ada.ask(f"PATCH {path}/{message}", "another's", {"body": "x"})
    ada.ask(f"PUT {path}/{message}/reactions/{THUMB}")
    ada.ask(f"PUT {path}/987654/reactions/{THUMB}", "unknown")
    ada.ask(f"DELETE {path}/{message}/reactions/{THUMB}")
    ada.ask(f"POST /dms/{group}/read", "marked", {"up_to_msg_id": message})
    ada.ask(f"POST /dms/{group}/read", "no number", {"up_to_msg_id": "x"})
    ada.ask(f"DELETE {path}/{message}", "another's")
    ben.ask(f"DELETE {path}/{message}")
    cy.ask(f"DELETE /dms/{group}", "leaves")
    cy.ask(f"GET {path}", "left")


def _search(ada: Person, ben: Person, feed: int) -> None:
    ben.ask("GET /messages/search?query=hello")
    ben.ask(f"GET /messages/search?query=answer&feed_id={feed}&author_id={ben.user_id}&limit=5", "narrowed")
    ben.ask("GET /messages/search?query=hello&has_embed=true", "with an embed")
    ben.ask("GET /messages/search", "no words")
    ben.ask("GET /messages/search?query=x&pinned=maybe", "no truth value")
    ben.ask("GET /messages/search?query=x&dm_id=987654", "an unknown conversation")
    ada.ask("GET /messages/search?query=x&feed_id=987654", "an unknown feed")


def _sync(ada: Person, ben: Person, feed: int, message: int) -> None:
    ben.ask(f"POST /feeds/{feed}/read", "marked", {"up_to_msg_id": message})
    ben.ask(f"POST /feeds/{feed}/read", "nothing", {})
    since = int(time.time() * 1000) - 120_000
    wanted: dict[str, Any] = {"since_timestamp": since, "categories": ["feeds", "read_states"]}
    ben.ask("POST /sync", "a member", {**wanted, "limit": 3})
    ben.ask("POST /sync", "an unknown category", {**wanted, "categories": ["weather"]})
    ben.ask("POST /sync", "long ago", {**wanted, "since_timestamp": since - 8 * 86_400_000})
    ben.ask("POST /sync", "no moment", {"categories": []})


def _deleting(ada: Person, ben: Person, feed: int, message: int, category: int) -> None:
    ada.ask(f"DELETE /feeds/{feed}/messages/{message}")
    ben.ask(f"DELETE /feeds/{feed}", "without the permission")
    ada.ask(f"DELETE /feeds/{feed}")
    ada.ask(f"DELETE /feeds/{feed}", "again")
    ben.ask(f"DELETE /categories/{category}", "without the permission")
    ada.ask(f"DELETE /categories/{category}")
    ada.ask(f"DELETE /categories/{category}", "again")
