"""A community under test, and people in it who ask and are recorded."""

import contextlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from tests.e2e.wire_recording.http_client import Reply, request
from tests.e2e.wire_recording.processes import Running, started
from tests.e2e.wire_recording.recording import Recording
from tests.e2e.wire_recording.values import Values
from tests.free_ports import free_port
from vox.chat.database.migrations.prepare import prepare
from vox.chat.database.schema import roles
from vox.chat.events.permissions import P
from vox.stores.sql import SqlDatabase, sqlite_url

API = "/api/v1"
PASSWORD = "correct horse battery"
CHEAP_PASSWORDS = {"VOX_PASSWORD_MEMORY_KIB": "64", "VOX_PASSWORD_PASSES": "1"}
ORIGIN = "https://app.example"
EVERYONE_AS_RECORDED = 6443107123
"""Without SEND_EMBEDS and ATTACH_FILES, which new communities give to everyone."""


@dataclass(slots=True)
class Person:
    """An account of the community."""

    recording: Recording
    name: str
    user_id: int
    token: str

    def ask(self, line: str, note: str = "", body: Any = None, **more: Any) -> Reply:
        """Asks and records; `line` has the path without its prefix."""
        method, _, path = line.partition(" ")
        shown = f"{self.name}: {note}" if note else self.name
        return self.recording.ask(f"{method} {API}{path}", shown, token=self.token, json_body=body, **more)

    def do(self, line: str, body: Any = None) -> Any:
        """Asks for what must succeed and is recorded elsewhere; the JSON of the answer."""
        method, _, path = line.partition(" ")
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        reply = request(self.recording.port, method, API + path, headers=headers, body=content)
        assert reply.status < 300, (line, reply.status, reply.body)
        return reply.json() if reply.body else None

    def upload(self, path: str, note: str, parts: Sequence["Part"]) -> Reply:
        """Sends a form and records the answer."""
        body, kind = form(parts)
        headers = {"Content-Type": kind}
        return self.recording.ask(
            f"POST {API}{path}", f"{self.name}: {note}", token=self.token, headers=headers, body=body
        )

    def within(self, recording: Recording) -> "Person":
        """The same person, recorded in another file."""
        return replace(self, recording=recording)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form; a file where it has a file name."""

    name: str
    content: bytes
    filename: str = ""
    kind: str = ""


def form(parts: Sequence[Part]) -> tuple[bytes, str]:
    """A multipart body and its content type."""
    boundary = "wire-recording-boundary"
    pieces: list[bytes] = []
    for part in parts:
        head = f'Content-Disposition: form-data; name="{part.name}"'
        if part.filename:
            head += f'; filename="{part.filename}"'
        if part.kind:
            head += f"\r\nContent-Type: {part.kind}"
        pieces.append(f"--{boundary}\r\n{head}\r\n\r\n".encode() + part.content + b"\r\n")
    return b"".join(pieces) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


@contextlib.contextmanager
def chat(vox: Path, folder: Path, environment: Mapping[str, str]) -> Generator[tuple[Running, Values]]:
    """A `vox chat` without members, whose roles are those of a community that was founded before members could attach files."""
    port = free_port()
    found(folder)
    settings = {**CHEAP_PASSWORDS, "VOX_METRICS": "1", **environment}
    with started([str(vox), "chat", "--port", str(port)], port, folder, settings) as running:
        running.wait_until_healthy("/health")
        yield running, Values({f"127.0.0.1:{port}": "host"})


def found(folder: Path) -> None:
    """Makes the database with its two roles, as the recorded communities had them; one that is there stays."""
    if (folder / "vox.db").exists():
        return
    database = SqlDatabase(sqlite_url(folder / "vox.db"))
    database.open()
    prepare(database)
    founding = [("@everyone", 0, EVERYONE_AS_RECORDED), ("Admin", 1, int(P.ADMINISTRATOR))]
    rows = [{"name": name, "position": position, "permissions": mask} for name, position, mask in founding]
    database.run_sync(lambda connection: connection.execute(insert(roles), rows).rowcount)
    database.close()


def register(recording: Recording, name: str, **more: Any) -> Person:
    """Makes an account and records how."""
    body = {"username": name, "password": PASSWORD, **more}
    reply = recording.ask(f"POST {API}/auth/register", name, json_body=body, learn={"token": "token"})
    return Person(recording, name, reply.json()["user_id"], reply.json()["token"])
