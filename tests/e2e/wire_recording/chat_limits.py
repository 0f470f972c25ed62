"""Rate limits, registration by invite, and how the gateway lets clients in or sends them away."""

import contextlib
import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.e2e.wire_recording.chat_world import API, CHEAP_PASSWORDS, PASSWORD, Person
from tests.e2e.wire_recording.gateway_client import gateway
from tests.e2e.wire_recording.http_client import request
from tests.e2e.wire_recording.processes import inherited, wait_until
from tests.e2e.wire_recording.recording import Recording
from tests.time_limits import scaled

REMAINING = ("x-ratelimit-remaining", "retry-after")
"""Headers that tell how much time has passed, once a bucket is being refilled."""
REFUSED_TOKEN = 4004
READ_ONLY = (
    "/feeds/1", "/roles", "/members", "/invites", "/emoji", "/reports", "/server", "/dms", "/files/unknown", "/gifs/search?q=x",
)  # fmt: skip
"""One path of each category of limits."""


def make_administrator(vox: Path, folder: Path) -> None:
    """Makes the first administrator by the command that exists for it: where registration is not open, the first account is none."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "admin.log").open("wb") as log:
        subprocess.run(
            [vox, "chat", "admin", "create", "ada"],
            cwd=folder,
            env=inherited() | CHEAP_PASSWORDS,
            input=f"{PASSWORD}\n".encode(),
            stdout=log,
            stderr=log,
            check=True,
            timeout=scaled(60),
        )


class Addresses:
    """Addresses of clients as a trusted proxy names them, each used once."""

    def __init__(self) -> None:
        self._numbers: Iterator[int] = itertools.count(1)

    def next(self) -> dict[str, str]:
        """The headers of a client at a new address."""
        return {"X-Forwarded-For": f"192.0.2.{next(self._numbers)}"}


def limits(recording: Recording) -> tuple[Person, Person]:
    """Every category's headers, and each way to get a 429; an administrator and a member who was invited."""
    addresses = Addresses()
    credentials = {"username": "ada", "password": PASSWORD}
    login = recording.ask(f"POST {API}/auth/login", "first", headers=addresses.next(), json_body=credentials, learn={
        "token": "token"})  # fmt: skip
    ada = Person(recording, "ada", login.json()["user_id"], login.json()["token"])
    for path in READ_ONLY:
        ada.ask(f"GET {path}", "the first of its category")
    client, line = addresses.next(), f"POST {API}/auth/login"
    for shown in ("the first of an address", "the second of an address"):
        recording.ask(line, shown, headers=client, json_body={})
    wait_until(lambda: request(recording.port, "POST", f"{API}/auth/login", headers=client, body=b"{}").status == 429)
    recording.ask(line, "too many of an address", headers=client, json_body={}, volatile=("retry-after",))
    client = addresses.next()
    wait_until(lambda: request(recording.port, "GET", f"{API}/gateway", headers=client).status == 429)
    recording.ask(f"GET {API}/gateway", "too many of an address", headers=client, volatile=("retry-after",))
    recording.ask("GET /health", "no limit", headers=client)
    client = addresses.next() | {"Authorization": "Bearer vox_sess_unknown"}
    for path in ["/feeds/1/messages"] * 50 + ["/members"] * 20 + ["/files/unknown"] * 20:
        if b"AUTH_RATE_LIMITED" in request(recording.port, "GET", API + path, headers=client).body:
            break  # after 60, and some more on a slow machine, because one is forgotten each second
    recording.ask(f"GET {API}/feeds/1", "too many unknown tokens of an address", headers=client, volatile=REMAINING)
    return ada, _invited(recording, ada, addresses)


def _invited(recording: Recording, ada: Person, addresses: Addresses) -> Person:
    line, wanted = f"POST {API}/auth/register", {"username": "ben", "password": PASSWORD}
    code = ada.do("POST /invites", {"max_uses": 1})["code"]
    recording.values.learn("invite", code)

    def ask(note: str, **more: str) -> Any:
        return recording.ask(line, note, headers=addresses.next(), json_body={**wanted, **more}).json()

    ask("no invite")
    ask("an unknown invite", invite_code="unknown")
    made = recording.ask(line, "an invite", headers=addresses.next(), json_body=wanted | {"invite_code": code}, learn={
        "token": "token"}).json()  # fmt: skip
    ask("an invite that is used up", username="cy", invite_code=code)
    return Person(recording, "ben", made["user_id"], made["token"])


def admission(recording: Recording, ada: Person, ben: Person) -> None:
    """What the gateway says to a client that does not, or not any more, belong there."""
    addresses = Addresses()

    def said(name: str, message: str | bytes) -> None:
        with gateway(recording, headers=addresses.next()) as one:
            one.expect("hello")
            one.socket.send(message)
            one.until_closed()
            one.record(f"gateway [{name}]")

    said("no JSON", "nonsense")
    said("a list", "[]")
    said("no type", "{}")
    said("a binary message", b'{"type":"identify","d":{"token":"x"}}')
    said("a large first message", '{"type":"identify","d":{"token":"' + "x" * 8192 + '"}}')
    said("a heartbeat first", '{"type":"heartbeat"}')
    said("no token", '{"type":"identify","d":{}}')
    said("an unknown token", '{"type":"identify","d":{"token":"vox_sess_unknown"}}')
    said("a ticket", '{"type":"identify","d":{"token":"mfa_ticket"}}')
    said("another version", '{"type":"identify","d":{"token":"x","protocol_version":2}}')
    said("resume, no session", '{"type":"resume","d":{"token":"x"}}')
    resume = f'{{"type":"resume","d":{{"token":"{ben.token}","session_id":"sess_unknown","last_seq":1}}}}'
    said("resume, an unknown session", resume)
    _sessions(recording, ada, ben, addresses)
    _counts(recording, ada, ben, addresses)


def _sessions(recording: Recording, ada: Person, ben: Person, addresses: Addresses) -> None:
    with gateway(recording, headers=addresses.next(), change=_without_presences) as one:
        one.identify(ben.token)
        one.send("identify", {"token": ben.token})
        one.until_closed()
        one.record("gateway [identify twice]")
    with gateway(
        recording, "?compress=zstd&v=1&encoding=json", headers=addresses.next(), change=_without_presences
    ) as one:
        one.identify(ben.token, protocol_version=1, capabilities=["string_ids", "presence_batch", "unheard_of"])
        one.send("heartbeat", {"seq": 1})
        one.expect("heartbeat_ack")
        one.record("gateway [zstd, string_ids and presence_batch]")
        with gateway(recording, headers=addresses.next()) as other:
            other.expect("hello")
            other.send("resume", {"token": ada.token, "session_id": one.ready["session_id"], "last_seq": 1})
            other.until_closed()
            other.record("gateway [resume, another user's session]")
        with gateway(recording, headers=addresses.next()) as other:
            other.expect("hello")
            other.send("resume", {"token": ben.token, "session_id": one.ready["session_id"], "last_seq": 900})
            other.until_closed()
            other.record("gateway [resume, numbers that were never given]")
    with gateway(recording, headers=addresses.next(), change=_without_presences) as one:
        one.identify(ben.token)
        one.send("presence_update", {"status": "offline"})
        one.send("presence_update", {"status": "idle", "activity": {"a": "x" * 600}})
        one.send("typing", {"feed_id": []})
        one.socket.send('{"type":"typing","d":{"feed_id":"' + "x" * (64 << 10) + '"}}')
        one.send("unheard_of", {"a": 1})
        one.send("heartbeat")
        one.expect("heartbeat_ack")
        one.record("gateway [errors in a session]")
    with gateway(recording, headers=addresses.next(), change=_without_presences) as one:
        one.identify(ben.token)
        for _ in range(120):
            one.send("heartbeat")
        one.until_closed()
        recording.frames("gateway [121 messages]", one.kept[-1:])


def _counts(recording: Recording, ada: Person, ben: Person, addresses: Addresses) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(gateway(recording, headers=addresses.next())).identify(ada.token)
        with gateway(recording, headers=addresses.next()) as sixth:
            sixth.expect("hello")
            sixth.send("identify", {"token": ada.token})
            sixth.until_closed()
            sixth.record("gateway [the sixth session of a user]")
    client = addresses.next()
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(gateway(recording, headers=client)).expect("hello")
        with gateway(recording, headers=client) as eleventh:
            eleventh.until_closed()
            eleventh.record("gateway [the eleventh connection of an address]")
    client = addresses.next()
    for number in range(1, 30):
        with gateway(recording, headers=client) as one:
            one.expect("hello")
            one.send("identify", {"token": f"vox_sess_unknown{number}"})
            one.until_closed()
        if one.kept[-1]["close"] != REFUSED_TOKEN:
            # The eleventh; a later one on a slow machine, because one is forgotten each six seconds.
            one.record("gateway [too many refused tokens of an address]")
            break
    ada.do("PATCH /server/limits", {"limits": {"max_total_connections": 0}})
    with gateway(recording, headers=addresses.next()) as one:
        one.until_closed()
        one.record("gateway [the server is full]")
    ada.do("PATCH /server/limits", {"limits": {"max_total_connections": 100}})
    with gateway(recording, headers=addresses.next(), change=_without_presences) as one:
        one.identify(ben.token)
        ben.do("POST /auth/logout")
        one.until_closed()
        one.record("gateway [logged out]")


def _without_presences(message: Any) -> Any:
    """Who left a moment ago is still shown as present, so who is shown depends on how fast this machine is."""
    if message["type"] == "presence_update":
        return None
    if message["type"] == "ready":
        return {**message, "d": {**message["d"], "presences": "<presences>"}}
    return message
