"""What was asked of a process and what it answered, in a form that another run can be compared with."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.wire_recording.http_client import Frame, Reply, open_websocket, request
from tests.e2e.wire_recording.metric_names import metric_names
from tests.e2e.wire_recording.openapi_shape import routes
from tests.e2e.wire_recording.values import Values

FOLDER = Path(__file__).parent.parent / "recordings"
MAX_BYTES = 100_000

PROSE = {"/docs", "/redoc"}
"""Pages for people, whose words may change."""

STATIC = "/page/"
LONGEST_PATH = 200

_ASSETS = (
    "text/css",
    "text/html",
    "text/javascript",
    "image/",
    "video/",
    "audio/",
    "application/octet-stream",
    "text/plain",
)
_BOOT = re.compile(r"\b[0-9a-f]{8}(?=-\d+-\d+)")

Entry = dict[str, Any]


class Recording:
    """The exchanges of one file, by name in the order in which they were made.

    Args:
        name: the file's, without suffix.
        port: where the process listens.
        values: what the run has made; shared by all recordings of one process.
    """

    def __init__(self, name: str, port: int, values: Values) -> None:
        self.name = name
        self.port = port
        self.values = values
        self.entries: dict[str, Entry] = {}
        self.templates: tuple[str, ...] = ()

    def add(self, name: str, entry: Entry) -> None:
        """Keeps one entry; a name that is taken gets a number."""
        unique, number = name, 1
        while unique in self.entries:
            number += 1
            unique = f"{name} #{number}"
        self.entries[unique] = entry

    def ask(
        self,
        line: str,
        note: str = "",
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
        json_body: Any = None,
        body: bytes | None = None,
        learn: Mapping[str, str] | None = None,
        change: Callable[[Any], Any] | None = None,
        volatile: tuple[str, ...] = (),
    ) -> Reply:
        """Sends a request and keeps the answer.

        Args:
            line: method and path, as in "GET /health".
            note: what distinguishes this request from others with the same line.
            token: for `Authorization: Bearer`.
            headers: further headers.
            json_body: sent as JSON where given.
            body: sent as it is where given.
            learn: fields of the answer whose text is new, by dotted path, with the kind of placeholder for each.
            change: applied to the JSON answer before it is kept, for what has no fixed order or value.
            volatile: headers of the answer whose value differs from run to run.
        """
        method, _, path = line.partition(" ")
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if json_body is not None:
            body = json.dumps(json_body).encode()
            sent.setdefault("Content-Type", "application/json")
        reply = request(self.port, method, path, headers=sent, body=body)
        for field, kind in (learn or {}).items():
            found = _field(reply, field)
            assert isinstance(found, str), f"{line} [{note}]: no text at {field} in {reply.status} {reply.body[:300]!r}"
            self.values.learn(kind, found)
        self.keep(method, path, note, reply, change=change, volatile=volatile)
        return reply

    def upgrade(
        self, path: str, note: str, headers: Mapping[str, str] | None = None, *, volatile: tuple[str, ...] = ()
    ) -> Reply:
        """Asks for a WebSocket and keeps the answer to the handshake; the connection is dropped."""
        reply, connection = open_websocket(self.port, path, headers)
        if connection is not None:
            connection.drop()
        self.keep("GET", path, f"upgrade, {note}", reply, volatile=volatile)
        return reply

    def keep(
        self,
        method: str,
        path: str,
        note: str,
        reply: Reply,
        *,
        change: Callable[[Any], Any] | None = None,
        volatile: tuple[str, ...] = (),
    ) -> None:
        """Keeps an answer that was got elsewhere."""
        shown = f"{method} {self.values.text(path)}"
        if len(shown) > LONGEST_PATH:
            shown = f"{shown[:60]}… ({len(shown)} characters)"
        entry: Entry = {}
        template = self._template(method, urlsplit(path).path)
        if template is not None and template != shown:
            entry["route"] = template
        entry |= self._response(shown, reply, change, volatile)
        self.add(f"{shown} [{note}]" if note else shown, entry)

    def learn_routes(self) -> Any:
        """Reads the process' OpenAPI document, so that each entry can name its route; the document."""
        document = request(self.port, "GET", "/openapi.json").json()
        self.templates = routes(document)
        return document

    def frames(self, name: str, frames: list[Any]) -> None:
        """Keeps messages of a WebSocket, already in their placeholders."""
        self.add(name, {"frames": list(frames)})

    def frame(self, frame: Frame, *, decode: Callable[[bytes], Any] = json.loads) -> Any:
        """One message in a form to keep."""
        if frame.kind == "close":
            return {"close": frame.code, "reason": _reason(frame.reason)}
        return self.values.value(decode(frame.payload))

    def metrics(self, path: str = "/metrics") -> None:
        """Keeps the names of all metrics, their types and labels, and the values of labels that come from a closed set."""
        reply = request(self.port, "GET", path)
        self.add(f"GET {path} [names]", {"metrics": metric_names(reply.body.decode())})

    def _template(self, method: str, path: str) -> str | None:
        """The documented route of a path, the one with most literal parts where several fit."""
        parts = path.split("/")
        fitting: list[tuple[int, str]] = []
        for route in self.templates:
            verb, _, template = route.partition(" ")
            pieces = template.split("/")
            if verb != ("GET" if method == "HEAD" else method) or len(pieces) != len(parts):
                continue
            if all(piece == part or piece.startswith("{") for piece, part in zip(pieces, parts, strict=True)):
                fitting.append((sum(not piece.startswith("{") for piece in pieces), route))
        return max(fitting)[1] if fitting else None

    def _response(
        self, line: str, reply: Reply, change: Callable[[Any], Any] | None, volatile: tuple[str, ...]
    ) -> Entry:
        headers: dict[str, Any] = {}
        for name, value in reply.headers:
            lower = name.lower()
            shown = "<varies>" if lower in volatile else self._header(lower, value, line, reply)
            headers[lower] = [*headers[lower], shown] if lower in headers else [shown]
        entry: Entry = {"status": reply.status}
        entry["headers"] = {name: found[0] if len(found) == 1 else found for name, found in sorted(headers.items())}
        if reply.body:
            entry |= self._body(line, reply, change)
        return entry

    def _header(self, name: str, value: str, line: str, reply: Reply) -> str:
        if name in {"date", "last-modified"}:
            return "<date>"
        if name == "content-length":
            return "<length of the body>" if line.startswith("HEAD ") or int(value) == len(reply.body) else value
        if name == "allow":
            return ", ".join(sorted(value.split(", ")))  # a set: its order means nothing and is not always the same
        if name == "x-ratelimit-reset":
            return "<time>" if value.isdigit() else value
        if name == "sec-websocket-accept":
            return "<accept>"
        if name == "etag":
            return _etag(value) or _BOOT.sub("<boot>", self.values.text(value))
        return self.values.text(value)

    def _body(self, line: str, reply: Reply, change: Callable[[Any], Any] | None) -> Entry:
        kind, path = reply.header("content-type"), line.partition(" ")[2]
        if path in PROSE:
            return {"page": True}
        if path.startswith(STATIC) and reply.status < 300:
            return _digest(reply)
        if kind.startswith("application/json"):
            try:
                value = reply.json()
            except ValueError:
                return {"text": self.values.text(reply.body.decode())}
            entry: Entry = {"json": self.values.value(change(value) if change else value)}
            return entry | ({"ends": "\n"} if reply.body.endswith(b"\n") else {})
        if kind.startswith("text/plain; version="):
            return {"metrics": True}
        if kind.startswith(_ASSETS):
            return _digest(reply)
        return {"text": self.values.text(reply.body.decode("utf-8", "backslashreplace"))}

    def save(self, folder: Path = FOLDER) -> None:
        """Writes the file: each answer once, one line each, so that a changed answer is one changed line.

        Raises:
            AssertionError: the file would be larger than a file may be.
        """
        heads = _Numbered("h")
        answers = _Numbered("a")
        lines: list[str] = []
        for name, entry in self.entries.items():
            rest = {key: value for key, value in entry.items() if key != "route"}
            if "headers" in rest:
                rest["headers"] = heads.number_of(rest["headers"])
            lines.append(_line([name, entry.get("route", ""), answers.number_of(rest)]))
        text = f'{{"headers": {{\n{heads}\n}},\n"answers": {{\n{answers}\n}},\n"entries": [\n{_joined(lines)}\n]}}\n'
        assert len(text.encode()) < MAX_BYTES, f"{self.name}: {len(text.encode())} bytes; make two recordings of it"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(text, encoding="utf-8")


class _Numbered:
    """Values that occur again and again, each kept once."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._numbers: dict[str, str] = {}

    def number_of(self, value: Any) -> str:
        return self._numbers.setdefault(_line(value), f"{self._prefix}{len(self._numbers) + 1}")

    def __str__(self) -> str:
        return _joined([f"{_line(number)}: {value}" for value, number in self._numbers.items()])


def load(name: str, folder: Path = FOLDER) -> dict[str, Entry]:
    """The entries of a file."""
    content = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    found: dict[str, Entry] = {}
    for entry, route, number in content["entries"]:
        answer = dict(content["answers"][number])
        if "headers" in answer:
            answer["headers"] = content["headers"][answer["headers"]]
        found[entry] = {**({"route": route} if route else {}), **answer}
    return found


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _joined(lines: list[str]) -> str:
    return ",\n".join(lines)


def _field(reply: Reply, path: str) -> Any:
    try:
        found = reply.json()
        for part in path.split("."):
            found = found[int(part) if part.isdigit() else part]
    except (ValueError, LookupError, TypeError):
        return None
    return found


def _digest(reply: Reply) -> Entry:
    return {"sha256": hashlib.sha256(reply.body).hexdigest()[:16], "bytes": len(reply.body)}


def _etag(value: str) -> str:
    """A static file's tag is made of its size and its date."""
    return "<etag of a file>" if re.fullmatch(r'"[0-9a-f]{32}"', value) else ""


def _reason(text: str) -> str:
    """The reason of a close: a single word is a code, and one sentence is documented; the others are for people."""
    return text if " " not in text or text == "Server restarting" else "<text>"
