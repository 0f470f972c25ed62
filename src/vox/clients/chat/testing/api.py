"""The REST side of the fake server: the routes that bots use, in the shapes of the documents.

What is not here answers 501 and says so; `FakeChatServer.answer` gives it an answer.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from vox.clients.chat.testing.community import Community, FakeMessage, FakeUser

Body = dict[str, Any]


class Refused(Exception):  # noqa: N818  an answer, not a failure
    """An answer that is not a success."""

    def __init__(self, status: int, code: str, message: str = "", **more: Any) -> None:
        super().__init__(message or code)
        self.status = status
        self.error = {"code": code, "message": message or code, **more}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: who asks what. `upload` is the file of a form: name, type and bytes."""

    user: FakeUser
    body: Body
    query: dict[str, str]
    upload: tuple[str, str, bytes] | None = None

    def number(self, name: str) -> int | None:
        """A number of the query."""
        text = self.query.get(name, "")
        return int(text) if text.isdigit() else None


Endpoint = Callable[..., Any]
_ROUTES: Final[list[tuple[str, re.Pattern[str], Endpoint]]] = []
_MAX_PAGE: Final = 100


def route(method: str, template: str) -> Callable[[Endpoint], Endpoint]:
    """Adds the function below; `{name}` is a number in the path, `{name:s}` a text."""
    pattern = re.sub(r"\{(\w+):s\}", r"(?P<\1>[^/]+)", template)
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>\\d+)", pattern)

    def add(endpoint: Endpoint) -> Endpoint:
        _ROUTES.append((method, re.compile(pattern), endpoint))
        return endpoint

    return add


def find(method: str, path: str) -> tuple[Endpoint, dict[str, Any]] | None:
    """What answers a request, and the values in its path."""
    for verb, pattern, endpoint in _ROUTES:
        if verb == method and (match := pattern.fullmatch(path)):
            values = {name: int(text) if text.isdigit() else text for name, text in match.groupdict().items()}
            return endpoint, values
    return None


def _place(community: Community, feed_id: int | None, dm_id: int | None) -> tuple[str, int]:
    if feed_id is not None:
        if feed_id not in community.feeds:
            raise Refused(404, "SPACE_NOT_FOUND")
        return "feed_id", feed_id
    if dm_id not in community.dms:
        raise Refused(403, "NOT_DM_PARTICIPANT")
    return "dm_id", dm_id


def _message(community: Community, msg_id: int, **place: int | None) -> FakeMessage:
    found = community.messages.get(msg_id)
    if found is None or found.place != _place(community, place.get("feed_id"), place.get("dm_id")):
        raise Refused(404, "MESSAGE_NOT_FOUND")
    return found


def _user(community: Community, user_id: int | str, asked: Asked) -> FakeUser:
    found = asked.user if user_id == "@me" else community.users.get(int(user_id) if str(user_id).isdigit() else 0)
    if found is None:
        raise Refused(404, "USER_NOT_FOUND")
    return found


def _listed(items: list[Any]) -> Body:
    """A whole list on one page."""
    return {"items": items, "cursor": None}


@route("GET", "/users/{user_id:s}")
def _get_user(community: Community, asked: Asked, user_id: int | str) -> Body:
    user = _user(community, user_id, asked)
    return {"user_id": user.user_id, "username": user.name, "display_name": user.name, "roles": user.roles}


def _member(user: FakeUser) -> Body:
    return {
        "user_id": user.user_id,
        "username": user.name,
        "display_name": user.name,
        "nickname": user.nickname,
        "role_ids": user.roles,
    }


@route("GET", "/members")
def _members(community: Community, asked: Asked) -> Body:
    return _listed([_member(user) for user in community.users.values()])


@route("GET", "/members/{user_id:s}")
def _get_member(community: Community, asked: Asked, user_id: int | str) -> Body:
    return _member(_user(community, user_id, asked))


@route("PATCH", "/members/{user_id:s}")
def _rename(community: Community, asked: Asked, user_id: int | str) -> Body:
    user = _user(community, user_id, asked)
    user.nickname = asked.body.get("nickname") or ""
    community.publish("member_update", {"user_id": user.user_id, "nickname": user.nickname})
    return _member(user)


@route("DELETE", "/members/{user_id:s}")
def _kick(community: Community, asked: Asked, user_id: int | str) -> None:
    user = _user(community, user_id, asked)
    del community.users[user.user_id]
    community.publish("member_leave", {"user_id": user.user_id})


@route("PUT", "/bans/{user_id}")
def _ban(community: Community, asked: Asked, user_id: int) -> Body:
    user = _user(community, user_id, asked)
    del community.users[user.user_id]
    community.publish("member_ban", {"user_id": user_id})
    return {"user_id": user_id, "display_name": user.name, "reason": asked.body.get("reason")}


@route("GET", "/roles")
def _roles(community: Community, asked: Asked) -> Body:
    return _listed(list(community.roles.values()))


@route("PUT", "/members/{user_id}/roles/{role_id}")
def _assign(community: Community, asked: Asked, user_id: int, role_id: int) -> None:
    user = _user(community, user_id, asked)
    if role_id not in user.roles:
        user.roles.append(role_id)
        community.publish("role_assign", {"user_id": user_id, "role_id": role_id})


@route("DELETE", "/members/{user_id}/roles/{role_id}")
def _revoke(community: Community, asked: Asked, user_id: int, role_id: int) -> None:
    user = _user(community, user_id, asked)
    if role_id in user.roles:
        user.roles.remove(role_id)
        community.publish("role_revoke", {"user_id": user_id, "role_id": role_id})


@route("PUT", "/feeds/{feed_id}/permissions/{kind:s}/{target_id}")
@route("DELETE", "/feeds/{feed_id}/permissions/{kind:s}/{target_id}")
@route("POST", "/feeds/{feed_id}/read")
@route("PUT", "/feeds/{feed_id}/subscribers")
@route("DELETE", "/feeds/{feed_id}/subscribers")
def _noted(community: Community, asked: Asked, feed_id: int, **values: Any) -> None:
    _place(community, feed_id, None)


@route("GET", "/server")
def _server(community: Community, asked: Asked) -> Body:
    return {"name": "Fake", "icon": None, "description": None, "member_count": len(community.users)}


@route("GET", "/server/layout")
def _layout(community: Community, asked: Asked) -> Body:
    return {"categories": [], "feeds": list(community.feeds.values()), "rooms": []}


@route("GET", "/feeds/{feed_id}")
def _feed(community: Community, asked: Asked, feed_id: int) -> Body:
    _place(community, feed_id, None)
    return community.feeds[feed_id]


@route("POST", "/feeds")
def _create_feed(community: Community, asked: Asked) -> Body:
    return community.feeds[community.add_feed(asked.body["name"], asked.body.get("type", "text"))]


@route("GET", "/feeds/{feed_id}/threads")
def _threads(community: Community, asked: Asked, feed_id: int) -> Body:
    return _listed([one for one in community.threads.values() if one["parent_feed_id"] == feed_id])


@route("POST", "/feeds/{feed_id}/threads")
def _create_thread(community: Community, asked: Asked, feed_id: int) -> Body:
    _place(community, feed_id, None)
    thread_id = community.number()
    community.threads[thread_id] = {"thread_id": thread_id, "parent_feed_id": feed_id, **asked.body}
    community.publish("thread_create", community.threads[thread_id])
    return community.threads[thread_id]


@route("GET", "/feeds/{feed_id}/messages")
@route("GET", "/dms/{dm_id}/messages")
@route("GET", "/feeds/{feed_id}/threads/{thread_id}/messages")
def _history(
    community: Community,
    asked: Asked,
    feed_id: int | None = None,
    dm_id: int | None = None,
    thread_id: int | None = None,
) -> Body:
    place = _place(community, feed_id, dm_id)
    before, after = asked.number("before"), asked.number("after")
    found = [
        one.on_the_wire()
        for one in sorted(community.messages.values(), key=lambda one: -one.msg_id)
        if one.place == place and one.thread_id == thread_id
        if (before is None or one.msg_id < before) and (after is None or one.msg_id > after)
    ]
    return {"messages": found[: min(asked.number("limit") or 50, _MAX_PAGE)]}


@route("GET", "/feeds/{feed_id}/messages/{msg_id}")
@route("GET", "/dms/{dm_id}/messages/{msg_id}")
def _one_message(community: Community, asked: Asked, msg_id: int, **place: int) -> Body:
    return _message(community, msg_id, **place).on_the_wire()


@route("POST", "/feeds/{feed_id}/messages")
@route("POST", "/dms/{dm_id}/messages")
@route("POST", "/feeds/{feed_id}/threads/{thread_id}/messages")
def _send(
    community: Community,
    asked: Asked,
    feed_id: int | None = None,
    dm_id: int | None = None,
    thread_id: int | None = None,
) -> Body:
    place, body = _place(community, feed_id, dm_id), asked.body
    known = community.nonces.get((asked.user.user_id, body.get("nonce") or ""))
    if known is not None:
        return known
    text: str = body.get("body") or ""
    attachments: list[str] = body.get("attachments") or []
    if not text.strip() and not attachments and not body.get("embed"):
        raise Refused(400, "EMPTY_MESSAGE")
    if any(file_id not in community.files for file_id in attachments):
        raise Refused(400, "INVALID_ATTACHMENT")
    message = community.post(
        asked.user.user_id,
        place,
        text,
        thread_id=thread_id,
        reply_to=body.get("reply_to"),
        mentions=body.get("mentions") or [],
        attachments=[community.files[file_id][0] for file_id in attachments],
        components=(body.get("components") or []) if asked.user.is_bot else [],
    )
    answer = {"msg_id": message.msg_id, "timestamp": message.timestamp, "mentions": message.mentions}
    if body.get("nonce"):
        community.nonces[asked.user.user_id, body["nonce"]] = answer
    return answer


@route("PATCH", "/feeds/{feed_id}/messages/{msg_id}")
@route("PATCH", "/dms/{dm_id}/messages/{msg_id}")
def _edit(community: Community, asked: Asked, msg_id: int, **place: int) -> Body:
    message = _message(community, msg_id, **place)
    if message.author_id != asked.user.user_id:
        raise Refused(403, "FORBIDDEN", "Only the author edits a message.")
    community.edit(message, asked.body)
    return {"msg_id": msg_id, "edit_timestamp": message.edit_timestamp}


@route("DELETE", "/feeds/{feed_id}/messages/{msg_id}")
@route("DELETE", "/dms/{dm_id}/messages/{msg_id}")
def _delete(community: Community, asked: Asked, msg_id: int, **place: int) -> None:
    community.delete(_message(community, msg_id, **place))


@route("POST", "/feeds/{feed_id}/messages/bulk-delete")
def _bulk_delete(community: Community, asked: Asked, feed_id: int) -> None:
    gone = [msg_id for msg_id in asked.body["msg_ids"] if community.messages.pop(msg_id, None) is not None]
    community.publish("message_bulk_delete", {"feed_id": feed_id, "msg_ids": gone})


@route("GET", "/feeds/{feed_id}/messages/{msg_id}/reactions")
def _reactions(community: Community, asked: Asked, msg_id: int, **place: int) -> Body:
    found = _message(community, msg_id, **place).reactions
    return {"reactions": [{"emoji": emoji, "user_ids": ids} for emoji, ids in found.items() if ids]}


@route("PUT", "/feeds/{feed_id}/messages/{msg_id}/reactions/{emoji:s}")
@route("PUT", "/dms/{dm_id}/messages/{msg_id}/reactions/{emoji:s}")
def _react(community: Community, asked: Asked, msg_id: int, emoji: str, **place: int) -> None:
    community.react(_message(community, msg_id, **place), asked.user.user_id, str(emoji), is_there=True)


@route("DELETE", "/feeds/{feed_id}/messages/{msg_id}/reactions/{emoji:s}")
@route("DELETE", "/dms/{dm_id}/messages/{msg_id}/reactions/{emoji:s}")
def _unreact(community: Community, asked: Asked, msg_id: int, emoji: str, **place: int) -> None:
    community.react(_message(community, msg_id, **place), asked.user.user_id, str(emoji), is_there=False)


@route("PUT", "/feeds/{feed_id}/pins/{msg_id}")
def _pin(community: Community, asked: Asked, feed_id: int, msg_id: int) -> None:
    _message(community, msg_id, feed_id=feed_id).is_pinned = True
    community.publish("message_pin_update", {"msg_id": msg_id, "feed_id": feed_id, "pinned": True})


@route("DELETE", "/feeds/{feed_id}/pins/{msg_id}")
def _unpin(community: Community, asked: Asked, feed_id: int, msg_id: int) -> None:
    _message(community, msg_id, feed_id=feed_id).is_pinned = False
    community.publish("message_pin_update", {"msg_id": msg_id, "feed_id": feed_id, "pinned": False})


@route("GET", "/feeds/{feed_id}/pins")
def _pins(community: Community, asked: Asked, feed_id: int) -> Body:
    place = _place(community, feed_id, None)
    return {
        "messages": [one.on_the_wire() for one in community.messages.values() if one.is_pinned and one.place == place]
    }


@route("GET", "/messages/search")
def _search(community: Community, asked: Asked) -> Body:
    query = asked.query.get("query", "").lower()
    found = [one.on_the_wire() for one in community.messages.values() if query in one.body.lower()]
    return {"results": found[::-1]}


@route("POST", "/feeds/{feed_id}/files")
@route("POST", "/dms/{dm_id}/files")
def _upload(community: Community, asked: Asked, **place: int) -> Body:
    _place(community, place.get("feed_id"), place.get("dm_id"))
    if asked.upload is None:
        raise Refused(422, "VALIDATION_ERROR", "a form with a file is needed")
    name, mime, data = asked.upload
    file_id = f"file-{community.number()}"
    file = {
        "file_id": file_id,
        "name": name,
        "size": len(data),
        "mime": mime,
        "url": f"/api/v1/files/{file_id}",
        "uploader_id": asked.user.user_id,
    }
    community.files[file_id] = file, data
    return file


@route("GET", "/files/{file_id:s}")
def _download(community: Community, asked: Asked, file_id: str) -> bytes:
    if str(file_id) not in community.files:
        raise Refused(404, "FILE_NOT_FOUND")
    return community.files[str(file_id)][1]


@route("DELETE", "/files/{file_id:s}")
def _delete_file(community: Community, asked: Asked, file_id: str) -> None:
    community.files.pop(str(file_id), None)


@route("GET", "/dms")
def _dms(community: Community, asked: Asked) -> Body:
    return _listed([dm for dm in community.dms.values() if asked.user.user_id in dm["participant_ids"]])


@route("POST", "/dms")
def _open_dm(community: Community, asked: Asked) -> Body:
    ids = asked.body.get("recipient_ids") or [asked.body["recipient_id"]]
    return community.conversation([asked.user.user_id, *ids], asked.body.get("name") or "")


@route("POST", "/sync")
def _sync(community: Community, asked: Asked) -> Body:
    return {"events": [], "server_timestamp": 0, "cursor": None, "read_states": []}


@route("PUT", "/bots/{user_id}/commands")
def _set_commands(community: Community, asked: Asked, user_id: int) -> Body:
    if not asked.user.is_bot or asked.user.user_id != user_id:
        raise Refused(403, "FORBIDDEN", "Only a bot has commands.")
    community.commands[user_id] = asked.body["commands"]
    community.publish("bot_commands_update", {"bot_id": user_id, "commands": asked.body["commands"]})
    return {"ok": True}


@route("GET", "/commands")
def _commands(community: Community, asked: Asked) -> Body:
    return {"commands": [{**one, "bot_id": bot} for bot, known in community.commands.items() for one in known]}


@route("POST", "/interactions/{interaction_id:s}/response")
def _respond(community: Community, asked: Asked, interaction_id: str) -> None:
    interaction = community.interactions.get(str(interaction_id))
    if interaction is None or interaction.answer is not None:
        raise Refused(404, "INTERACTION_NOT_FOUND", reason="unknown" if interaction is None else "answered")
    if interaction.bot_id != asked.user.user_id:
        raise Refused(403, "FORBIDDEN")
    community.answered(interaction, asked.body)


@route("POST", "/reports")
def _report(community: Community, asked: Asked) -> Body:
    return {"report_id": community.number()}
