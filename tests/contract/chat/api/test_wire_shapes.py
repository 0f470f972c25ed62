"""The exact fields and their types of what the specification shows, in real answers: no more, no fewer, nothing renamed.

What was added to the original's fields stands in ADDED, with the reason; clients of the original ignore it.
"""

from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_spaces import feed, say, write

ADDED = {
    "GET /auth/sessions": {"last_used_at", "client", "method", "is_current"},  # which login is which
    "GET /keys/devices": {"one_time_prekeys", "key_packages", "is_current"},  # when to upload more keys
    "GET /keys/mls/1/key-packages": {"packages"},  # which device each is of
}
MESSAGE = {
    "msg_id": "int", "feed_id": "int", "dm_id": "null", "thread_id": "null", "author_id": "int", "body": "str",
    "opaque_blob": "null", "timestamp": "int", "reply_to": "null", "attachments": [], "embed": "null",
    "edit_timestamp": "null", "federated": "bool", "author_address": "null", "pinned_at": "null", "webhook_id": "null",
}  # fmt: skip
EMBED = {
    "title": "str", **dict.fromkeys((
        "description", "url", "site_name", "image", "image_width", "image_height", "video", "video_width", "video_height",
        "audio", "type", "locale", "color", "thumbnail",
    ), "null"), "fields": [{"name": "str", "value": "str", "inline": "bool"}],
}  # fmt: skip
OVERRIDE = {"target_type": "str", "target_id": "int", "allow": "int", "deny": "int"}
FEED = {
    "feed_id": "int", "name": "str", "type": "str", "topic": "null", "category_id": "null", "position": "int",
    "permission_overrides": [OVERRIDE],
}  # fmt: skip
ROOM = {
    "room_id": "int",
    **{name: kind for name, kind in FEED.items() if name not in {"feed_id", "topic"}},
    "permission_overrides": [],
}
CATEGORY = {"category_id": "int", "name": "str", "position": "int"}
THREAD = {
    "thread_id": "int", "parent_feed_id": "int", "parent_msg_id": "int", "name": "str", "archived": "bool", "locked": "bool",
}  # fmt: skip
MEMBER = {
    "user_id": "int", "username": "str", "display_name": "str", "avatar": "null", "nickname": "null", "role_ids": "ints",
}  # fmt: skip
ROLE = {"role_id": "int", "name": "str", "color": "null", "permissions": "int", "position": "int"}
INVITE = {
    "code": "str", "creator_id": "int", "feed_id": "null", "max_uses": "null", "uses": "int", "expires_at": "null",
    "created_at": "int",
}  # fmt: skip
BAN = {"user_id": "int", "display_name": "str", "reason": "null", "created_at": "int"}
DM = {"dm_id": "int", "participant_ids": ["int"], "is_group": "bool", "name": "null", "icon": "null"}
REPORT = {
    "report_id": "int", "reporter_id": "int", "reported_user_id": "int", "reason": "str", "status": "str", "created_at": "int",
}  # fmt: skip
FILE = {
    "file_id": "str", "name": "str", "size": "int", "mime": "str", "url": "str", "uploader_id": "int", "created_at": "int",
    "width": "null", "height": "null",
}  # fmt: skip


def paged(item: Any) -> dict[str, Any]:
    """A page of a cursor list."""
    return {"items": [item], "cursor": "str"}


READ: dict[str, Any] = {
    "GET /auth/sessions": {"sessions": [{"session_id": "int", "created_at": "int", "expires_at": "int"}]},
    "GET /auth/2fa": {"totp_enabled": "bool", "webauthn_enabled": "bool", "recovery_codes_left": "int"},
    "GET /gateway": {"url": "str", "media_url": "str", "protocol_version": "int", "min_version": "int", "max_version": "int"},
    "GET /server": {"name": "str", "icon": "null", "description": "null", "member_count": "int"},
    "GET /server/layout": {"categories": [CATEGORY], "feeds": [FEED], "rooms": [ROOM]},
    "GET /server/gifs": {"provider": "str", "api_key_set": "bool", "content_filter": "str", "locale": "null"},
    "GET /users/1": {
        "user_id": "int", "username": "str", "display_name": "str", "avatar": "null", "bio": "null", "roles": ["int"],
        "created_at": "int", "federated": "bool", "home_domain": "null",
    },
    "GET /users/1/presence": {"user_id": "int", "status": "str", "custom_status": "null", "activity": "null"},
    "GET /users/1/blocks": {"blocked_user_ids": ["int"]},
    "GET /users/1/friends": paged({"user_id": "int", "display_name": "str", "avatar": "null", "status": "str"}),
    "GET /users/1/dm-settings": {"dm_permission": "str"},
    "GET /members": paged(MEMBER),
    "GET /members/1": MEMBER,
    "GET /bans": paged(BAN),
    "GET /roles": paged(ROLE),
    "GET /roles/2/members": paged(MEMBER),
    "GET /invites": paged(INVITE),
    "GET /feeds/1": FEED,
    "GET /rooms/1": ROOM,
    "GET /categories": {"items": [CATEGORY]},
    "GET /categories/1": CATEGORY,
    "GET /feeds/1/threads": paged(THREAD),
    "GET /threads/1": THREAD,
    "GET /feeds/1/messages": {"messages": [MESSAGE]},
    "GET /feeds/1/pins": {"messages": [MESSAGE | {"pinned_at": "int"}]},
    "GET /messages/search?query=hello": {"results": [MESSAGE]},
    "GET /dms": paged(DM),
    "GET /dms/1/messages": {"messages": [MESSAGE | {"feed_id": "null", "dm_id": "int"}]},
    "GET /keys/devices": {"devices": [{"device_id": "str", "device_name": "str", "created_at": "int"}]},
    "GET /keys/prekeys/1": {
        "user_id": "int", "prekey_warning": "null",
        "devices": [{"device_id": "str", "identity_key": "str", "signed_prekey": "str", "one_time_prekey": "str"}],
    },
    "GET /keys/mls/1/key-packages": {"key_packages": ["str"]},
    "GET /keys/backup": {"encrypted_blob": "str"},
    "GET /reports": paged(REPORT),
    "GET /reports/1": REPORT | {
        "feed_id": "null", "msg_id": "null", "dm_id": "null", "description": "null", "evidence": [], "action": "null",
    },
    "GET /audit-log": {
        "entries": [
            {
                "entry_id": "int", "event_type": "str", "actor_id": "int", "target_id": "any", "metadata": "any",
                "timestamp": "int",
            }
        ],
        "cursor": "str",
    },
}  # fmt: skip
"""Chat.md sections 4 to 8 and 11: reading."""
WRITTEN: list[tuple[str, Any, int, Any]] = [
    ("POST /auth/register", {"username": "zoe", "password": "long enough"}, 201, {"user_id": "int", "token": "str"}),
    ("POST /auth/login", {"username": "zoe", "password": "long enough"}, 200,
     {"token": "str", "user_id": "int", "display_name": "str", "roles": []}),
    ("POST /auth/2fa/setup", {"method": "totp"}, 200,
     {"setup_id": "str", "method": "str", "totp_secret": "str", "totp_uri": "str", "creation_options": "null"}),
    ("PATCH /server", {"name": "New"}, 200, READ["GET /server"]),
    ("PATCH /users/1", {"display_name": "al"}, 200, READ["GET /users/1"]),
    ("PATCH /users/1/dm-settings", {"dm_permission": "nobody"}, 200, {"dm_permission": "str"}),
    ("PATCH /members/1", {"nickname": "al"}, 200, MEMBER | {"nickname": "str"}),
    ("POST /roles", {"name": "x", "permissions": 1, "position": 9}, 201, ROLE),
    ("PATCH /roles/3", {"name": "y"}, 200, ROLE),
    ("POST /feeds", {"name": "x", "type": "text"}, 201, FEED | {"permission_overrides": []}),
    ("PATCH /feeds/1", {"topic": "t"}, 200, FEED | {"topic": "str"}),
    ("POST /rooms", {"name": "x", "type": "stage"}, 201, ROOM),
    ("PATCH /rooms/1", {"name": "y"}, 200, ROOM),
    ("POST /categories", {"name": "x", "position": 1}, 201, CATEGORY),
    ("PATCH /categories/1", {"position": 1}, 200, CATEGORY),
    ("POST /feeds/1/threads", {"name": "x", "parent_msg_id": 1}, 201, THREAD),
    ("PATCH /threads/1", {"locked": True}, 200, THREAD),
    ("POST /feeds/1/messages", {"body": "x", "mentions": [1]}, 201,
     {"msg_id": "int", "timestamp": "int", "interaction_id": "null", "mentions": ["int"]}),
    ("POST /invites", {"max_uses": 5, "max_age": 60, "feed_id": 1}, 201,
     INVITE | {"feed_id": "int", "max_uses": "int", "expires_at": "int"}),
    ("PATCH /dms/1", {"name": "x"}, 200, DM | {"name": "str"}),
    ("POST /dms/1/convert-to-group", {}, 200, DM | {"name": "str"}),
    ("POST /reports", {"reported_user_id": 1, "reason": "spam"}, 201,
     {"report_id": "int"} | dict.fromkeys(
         ("reporter_id", "reported_user_id", "reason", "status", "created_at"), "null")),
    ("POST /keys/devices", {"device_id": "d2", "device_name": "x"}, 201, {"device_id": "str"}),
    ("POST /keys/devices/pair", {"device_name": "x", "method": "cpace"}, 201, {"pair_id": "str"}),
    ("POST /keys/mls/d1/key-packages", {"key_packages": ["YQ=="]}, 201, "null"),
    ("POST /sync", {"since_timestamp": "now", "categories": ["read_states"]}, 200,
     {"events": [], "server_timestamp": "int", "cursor": "null", "read_states": [{"dm_id": "int", "last_read_msg_id": "int"}]}),
]  # fmt: skip
"""The same sections: writing."""


@pytest.fixture
async def alice(chat: Rig) -> Person:
    """An administrator and one of everything."""
    alice, bob, carol = [await chat.register(name) for name in ("alice", "bob", "carol")]
    general = await feed(alice)
    message = await say(alice, general, "hello")
    mask = {"allow": 1, "deny": 0}
    for method, path, body in (
        ("PUT", f"/feeds/{general}/permissions/role/1", mask),
        ("PUT", f"/feeds/{general}/pins/{message}", None),
        ("POST", "/rooms", {"name": "voice", "type": "voice"}),
        ("POST", "/categories", {"name": "texts", "position": 0}),
        ("POST", f"/feeds/{general}/threads", {"name": "aside", "parent_msg_id": message}),
        ("POST", "/dms", {"recipient_id": bob.user_id}),
        ("POST", "/invites", {}),
        ("PUT", f"/users/1/friends/{bob.user_id}", None),
        ("PUT", f"/users/1/blocks/{carol.user_id}", None),
        ("POST", "/reports", {"reported_user_id": bob.user_id, "reason": "spam"}),
        ("PUT", f"/bans/{carol.user_id}", {}),
        ("POST", "/keys/devices", {"device_id": "d1", "device_name": "laptop"}),
        ("PUT", "/keys/prekeys/d1", {"identity_key": "YQ==", "signed_prekey": "YQ==", "one_time_prekeys": ["YQ=="]}),
        ("POST", "/keys/mls/d1/key-packages", {"key_packages": ["YQ=="]}),
        ("PUT", "/keys/backup", {"encrypted_blob": "sealed"}),
    ):
        await alice.ok(method, path, body)
    await alice.ok("POST", "/dms/1/read", {"up_to_msg_id": await write(alice, 1, "hello")})
    return alice


async def test_what_is_read_has_exactly_the_documented_fields(alice: Person) -> None:
    wrong = list[str]()
    for name, shape in READ.items():
        method, _, path = name.partition(" ")
        found = await alice.ok(method, path)
        if name == "GET /feeds/1/messages":
            found["messages"] = [message | {"pinned_at": None} for message in found["messages"]]
        if name == "GET /messages/search?query=hello":
            found["results"] = [message | {"pinned_at": None} for message in found["results"]]
        for problem in differences(found, shape, ADDED.get(name, set())):
            wrong.append(f"{name}: {problem}")
    assert not wrong, "\n".join(wrong)


async def test_what_is_written_is_answered_with_exactly_the_documented_fields(alice: Person) -> None:
    wrong = list[str]()
    for name, body, status, shape in WRITTEN:
        method, _, path = name.partition(" ")
        given = body | {"since_timestamp": alice.rig.chat.ids.next() >> 22} if "since_timestamp" in body else body
        reply = await alice.call(method, path, json=given)
        if reply.status_code != status:
            wrong.append(f"{name}: {reply.status_code} {reply.text}")
        else:
            wrong += [f"{name}: {problem}" for problem in differences(reply.json(), shape, set())]
    assert not wrong, "\n".join(wrong)


async def test_an_embed_and_a_file_have_exactly_the_documented_fields(alice: Person) -> None:
    upload = await alice.call("POST", "/feeds/1/files", files={"file": ("a.txt", b"hello", "text/plain")})
    assert differences(upload.json(), FILE, set()) == []
    embed = '{"title":"t","fields":[{"name":"n","value":"v"}]}'
    body = {"embed": embed, "attachments": [upload.json()["file_id"]]}
    msg_id = (await alice.ok("POST", "/feeds/1/messages", body))["msg_id"]
    message = await alice.ok("GET", f"/feeds/1/messages/{msg_id}")
    attached = FILE | {"uploader_id": "null", "created_at": "null"}
    shape = MESSAGE | {"body": "null", "embed": EMBED, "attachments": [attached]}
    assert differences(message, shape, set()) == []


async def test_limits_are_one_flat_object_of_numbers(alice: Person) -> None:
    limits = await alice.ok("GET", "/server/limits")
    assert len(limits) > 55
    assert all(isinstance(value, int) for value in limits.values())
    assert limits["message_body_max"] == 4000


def differences(value: Any, shape: Any, added: set[str]) -> list[str]:
    """Where a JSON value is not of a shape: dicts of names, lists of one shape, and names of types."""
    if shape == "any":
        return []
    if shape == "ints":
        return [] if isinstance(value, list) and all(isinstance(item, int) for item in value) else [f"{value!r}"]  # pyright: ignore[reportUnknownVariableType]  JSON
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{value!r} is no object"]
        missing, extra = shape.keys() - value.keys(), value.keys() - shape.keys() - added
        found = [f"lacks {sorted(missing)}"] if missing else []
        found += [f"has also {sorted(extra)}"] if extra else []
        for name in shape.keys() & value.keys():
            found += [f"{name}: {problem}" for problem in differences(value[name], shape[name], added)]
        return found
    if isinstance(shape, list):
        if not isinstance(value, list) or bool(shape) is not bool(value):
            return [f"{value!r} is not like {shape}"]
        return [problem for item in value for problem in differences(item, shape[0], added)]
    kind = "null" if value is None else type(value).__name__
    return [] if kind == shape else [f"is {kind}, not {shape}"]
