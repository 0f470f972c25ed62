"""Every event of the gateway that the routes cause, as an administrator and a member get it, and how a session goes on or ends."""

import select
from typing import Any
from urllib.parse import quote

from tests.e2e.wire_recording.chat_files import picture
from tests.e2e.wire_recording.chat_world import API, Part, Person, form, register
from tests.e2e.wire_recording.gateway_client import Gateway, gateway
from tests.e2e.wire_recording.http_client import request
from tests.e2e.wire_recording.processes import Running
from tests.e2e.wire_recording.recording import Recording

THUMB = quote("👍")
VIEW_SPACE = 1


def events(recording: Recording, running: Running) -> None:
    """What two sessions are told while everything happens that can; then a resume, and the end of the process."""
    ada, ben, cy = (register(recording, name) for name in ("ada", "ben", "cy"))
    with gateway(recording) as first, gateway(recording, "?compress=zstd") as second:
        first.identify(ada.token)
        second.identify(ben.token, capabilities=["string_ids"])
        second.expect("presence_update")
        first.expect("presence_update")
        _presence(first, second)
        feed = _spaces(ada, ben)
        _messages(ada, ben, feed, first)
        _conversations(ada, ben, cy)
        _people(recording, ada, ben, cy)
        _files(ada)
        _visibility(ada, feed)
        _end(ada, ben, first, second)
        first.record("events [an administrator]")
        second.record("events [a member, ids as texts, compressed]")
        _resume(recording, ada, ben, first, second)
    recording.metrics()
    _draining(recording, running)


def _presence(first: Gateway, second: Gateway) -> None:
    for said in (
        {"status": "dnd", "custom_status": "away", "activity": {"name": "chess"}},
        {"status": "invisible"},
        {"status": "online"},
    ):
        second.send("presence_update", said)
        second.expect("presence_update")
        first.expect("presence_update")


def _spaces(ada: Person, ben: Person) -> int:
    category = ada.do("POST /categories", {"name": "words", "position": 0})["category_id"]
    ada.do(f"PATCH /categories/{category}", {"name": "texts"})
    feed = ada.do("POST /feeds", {"name": "general", "type": "text", "category_id": category})["feed_id"]
    ada.do(f"PATCH /feeds/{feed}", {"topic": "t", "position": 0})
    room = ada.do("POST /rooms", {"name": "hall", "type": "voice"})["room_id"]
    ada.do(f"PATCH /rooms/{room}", {"name": "stage"})
    ada.do(f"PUT /rooms/{room}/permissions/role/1", {"allow": 0, "deny": 256})
    ada.do(f"DELETE /rooms/{room}/permissions/role/1")
    ada.do(f"DELETE /rooms/{room}")
    ben.do(f"PUT /feeds/{feed}/subscribers")
    ben.do(f"DELETE /feeds/{feed}/subscribers")
    ada.do(f"DELETE /categories/{category}")
    return feed


def _messages(ada: Person, ben: Person, feed: int, first: Gateway) -> None:
    path = f"/feeds/{feed}/messages"
    embed = '{"title":"t"}'
    message = ada.do(f"POST {path}", {"body": "hello", "mentions": [ben.user_id, 0], "embed": embed})["msg_id"]
    answer = ben.do(f"POST {path}", {"body": "answer", "reply_to": message})["msg_id"]
    ada.do(f"PATCH {path}/{message}", {"body": "hello again"})
    ben.do(f"PUT {path}/{message}/reactions/{THUMB}")
    ben.do(f"DELETE {path}/{message}/reactions/{THUMB}")
    ada.do(f"PUT /feeds/{feed}/pins/{message}")
    ada.do(f"DELETE /feeds/{feed}/pins/{message}")
    thread = ben.do(f"POST /feeds/{feed}/threads", {"parent_msg_id": message, "name": "aside"})["thread_id"]
    ada.do(f"PUT /feeds/{feed}/threads/{thread}/subscribers")
    ben.do(f"POST /feeds/{feed}/threads/{thread}/messages", {"body": "beside"})
    ada.do(f"DELETE /feeds/{feed}/threads/{thread}/subscribers")
    ada.do(f"PATCH /threads/{thread}", {"name": "beside", "archived": True})
    ada.do(f"DELETE /threads/{thread}")
    first.send("typing", {"feed_id": feed})
    first.expect("typing_start")
    ben.do(f"POST /feeds/{feed}/read", {"up_to_msg_id": message})
    ben.do(f"DELETE {path}/{answer}")
    ada.do(f"POST {path}/bulk-delete", {"msg_ids": [message]})


def _conversations(ada: Person, ben: Person, cy: Person) -> None:
    pair = ben.do("POST /dms", {"recipient_id": ada.user_id})["dm_id"]
    group = ben.do("POST /dms", {"recipient_ids": [ada.user_id, cy.user_id], "name": "three"})["dm_id"]
    ben.do(f"PATCH /dms/{group}", {"name": "trio"})
    ben.do(f"POST /dms/{pair}/convert-to-group")
    path = f"/dms/{group}/messages"
    message = ben.do(f"POST {path}", {"body": "between us", "opaque_blob": "Yg=="})["msg_id"]
    ben.do(f"PATCH {path}/{message}", {"body": "between the three"})
    ada.do(f"PUT {path}/{message}/reactions/{THUMB}")
    ada.do(f"DELETE {path}/{message}/reactions/{THUMB}")
    ada.do(f"POST /dms/{group}/read", {"up_to_msg_id": message})
    ben.do(f"DELETE {path}/{message}")
    ben.do(f"DELETE /dms/{group}/recipients/{cy.user_id}")
    ben.do(f"PUT /dms/{group}/recipients/{cy.user_id}")
    cy.do(f"DELETE /dms/{group}")


def _people(recording: Recording, ada: Person, ben: Person, cy: Person) -> None:
    ada.do("PATCH /server", {"name": "The house", "description": "d"})
    ben.do("PATCH /users/@me", {"display_name": "Ben", "bio": "b"})
    ben.do("PATCH /members/@me", {"nickname": "benny"})
    role = ada.do("POST /roles", {"name": "keepers", "permissions": 1, "position": 3})["role_id"]
    ada.do(f"PATCH /roles/{role}", {"name": "janitors", "color": 255})
    ada.do(f"PUT /members/{ben.user_id}/roles/{role}")
    ada.do(f"DELETE /members/{ben.user_id}/roles/{role}")
    ada.do(f"DELETE /roles/{role}")
    for verb in ("accept", "reject"):
        ben.do(f"PUT /users/@me/friends/{ada.user_id}")
        ada.do(f"POST /users/@me/friends/{ben.user_id}/{verb}")
        if verb == "accept":
            ben.do(f"DELETE /users/@me/friends/{ada.user_id}")
    ben.do(f"PUT /users/@me/blocks/{cy.user_id}")
    ben.do(f"DELETE /users/@me/blocks/{cy.user_id}")
    code = ben.do("POST /invites", {"max_uses": 5})["code"]
    recording.values.learn("invite", code)
    ada.do(f"DELETE /members/{cy.user_id}", {"reason": "r"})
    cy.do("POST /members/join", {"invite_code": code})
    ada.do(f"DELETE /invites/{code}")
    ada.do(f"PUT /bans/{cy.user_id}", {"reason": "r"})
    ada.do(f"DELETE /bans/{cy.user_id}")
    register(recording, "dot")


def _files(ada: Person) -> None:
    for kind, key in (("emoji", "emoji_id"), ("stickers", "sticker_id")):
        body, content_type = form([Part("image", picture(), "dot.png", "image/png"), Part("name", b"dot")])
        headers = {"Authorization": f"Bearer {ada.token}", "Content-Type": content_type}
        made = request(ada.recording.port, "POST", f"{API}/{kind}", headers=headers, body=body).json()
        ada.do(f"PATCH /{kind}/{made[key]}", {"name": "point"})
        ada.do(f"DELETE /{kind}/{made[key]}")


def _visibility(ada: Person, feed: int) -> None:
    """For a member a feed vanishes and appears with its overrides."""
    ada.do(f"PUT /feeds/{feed}/permissions/role/1", {"allow": 0, "deny": VIEW_SPACE})
    ada.do(f"POST /feeds/{feed}/messages", {"body": "secret"})
    ada.do(f"DELETE /feeds/{feed}/permissions/role/1")
    ada.do(f"DELETE /feeds/{feed}")


def _end(ada: Person, ben: Person, *sessions: Gateway) -> None:
    """What everybody is told last: when it has come, so has everything before it."""
    ada.do("PATCH /server", {"description": "the end"})
    for session in sessions:
        while (session.expect("server_update")["d"]).get("description") != "the end":
            pass


def _resume(recording: Recording, ada: Person, ben: Person, first: Gateway, second: Gateway) -> None:
    first.kept.clear()
    second.socket.drop()
    feed = ada.do("POST /feeds", {"name": "later", "type": "text"})["feed_id"]
    missed = ada.do(f"POST /feeds/{feed}/messages", {"body": "missed"})["msg_id"]
    asked: dict[str, Any] = {"token": ben.token, "session_id": second.ready["session_id"], "last_seq": second.last_seq}
    with gateway(recording) as third:
        third.expect("hello")
        third.send("resume", asked)
        third.expect("resumed")
        ada.do(f"DELETE /feeds/{feed}/messages/{missed}")
        third.expect("message_delete")
        third.record("gateway [resume]")
        with gateway(recording) as fourth:
            fourth.expect("hello")
            fourth.send("resume", {**asked, "last_seq": third.last_seq})
            fourth.expect("resumed")
            third.kept.clear()
            third.until_closed()
            third.record("gateway [resumed by another connection]")
        ada.do(f"PUT /bans/{ben.user_id}", {})
    _banned(recording, ada, first)


def _banned(recording: Recording, ada: Person, first: Gateway) -> None:
    eve = register(recording, "eve")
    with gateway(recording, change=lambda message: message if message["type"] == "hello" else None) as one:
        one.identify(eve.token)
        ada.do(f"PUT /bans/{eve.user_id}", {})
        one.until_closed()
        one.record("gateway [banned]")
    first.socket.drop()


def _draining(recording: Recording, running: Running) -> None:
    """After SIGTERM one of two clients is sent away at once and the other one later, so there is time to ask in between."""
    people = [register(recording, name) for name in ("fay", "gus")]
    only_hello = {"hello"}
    with (
        gateway(recording, change=lambda message: message if message["type"] in only_hello else None) as one,
        gateway(recording, change=lambda message: message if message["type"] in only_hello else None) as other,
    ):
        one.identify(people[0].token)
        other.identify(people[1].token)
        running.terminate()
        leaving = _first_closed(one, other)
        leaving.record("gateway [the server stops]")
        recording.ask("GET /ready", "draining", volatile=("retry-after",))
        recording.ask("GET /health", "draining")
        recording.ask(f"GET {API}/server", "draining", token=people[0].token)
        with gateway(recording) as late:
            late.until_closed()
            late.record("gateway [a server that stops]")


def _first_closed(*sessions: Gateway) -> Gateway:
    """The session that is closed first; none of its messages is left unread."""
    open_sessions = {session.socket.fileno(): session for session in sessions}
    while True:
        ready, _, _ = select.select(list(open_sessions), [], [], 30)
        for number in ready:
            if open_sessions[number].next() is None:
                return open_sessions[number]
