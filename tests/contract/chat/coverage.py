"""Which test asks which route: `python -m tests.contract.chat.coverage` runs the suites and writes docs/protocols/chat-coverage.md.

It watches the application itself, so a row says what was really asked and answered, not what a test is called.
tests/unit/chat/features/test_route_coverage.py refuses routes without a row, rows without a test, and defects without either.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vox.chat.app import ChatApp
from vox.chat.errors import Refusal
from vox.chat.features.routes import all_routes

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "protocols" / "chat-coverage.md"
SUITE = "tests/contract/chat"
SHOWN = 3
"""Tests named for each route or event: those that ask least else, because they are about it."""

Test = str
"""File and function, as in `test_auth_accounts.py::test_a_login`."""


@dataclass(slots=True)
class Seen:
    """What was asked while tests ran.

    Args:
        routes: by route, by status, the tests.
        events: by event type, the tests in which a socket was sent one.
        closes: by close code, the tests.
    """

    routes: dict[str, dict[int, set[Test]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    events: dict[str, set[Test]] = field(default_factory=lambda: defaultdict(set))
    closes: dict[int, set[Test]] = field(default_factory=lambda: defaultdict(set))


class Watcher:
    """A pytest plugin that stands between the client and the application."""

    def __init__(self) -> None:
        self.seen = Seen()
        self._test: Test | None = None
        self._serve = ChatApp.__call__

    def pytest_sessionstart(self) -> None:
        """Begins to watch."""
        watcher, serve = self, self._serve

        async def watched(app: ChatApp, scope: Any, receive: Any, send: Any) -> None:
            await serve(app, scope, receive, watcher.between(app, scope, send))

        ChatApp.__call__ = watched  # pyright: ignore[reportAttributeAccessIssue]  put back at the end

    def pytest_sessionfinish(self) -> None:
        """Ends it."""
        ChatApp.__call__ = self._serve  # pyright: ignore[reportAttributeAccessIssue]

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Remembers who asks."""
        self._test = f"{item.path.name}::{item.originalname if isinstance(item, pytest.Function) else item.name}"

    def between(self, app: ChatApp, scope: Any, send: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A `send` that notes what goes out."""
        test, seen, route = self._test, self.seen, ""
        if scope["type"] == "http":
            try:
                route = app.router.find(scope["method"], scope.get("raw_path", b"").decode("latin-1"))[0].name
            except Refusal:
                route = ""

        async def noted(message: Any) -> None:
            if test is not None:
                kind = message["type"]
                if kind == "http.response.start" and route:
                    seen.routes[route][message["status"]].add(test)
                elif kind == "websocket.send" and message.get("text") is not None:
                    seen.events[json.loads(message["text"])["type"]].add(test)
                elif kind == "websocket.close":
                    seen.closes[message.get("code", 1000)].add(test)
            await send(message)

        return noted


def page(seen: Seen, kept: str) -> str:
    """The page: what was seen, and the part that people write.

    Args:
        seen: of a run.
        kept: the present page; what stands from `## Defects` on stays.
    """
    routes = [route.name for table in all_routes() for route in table]
    asked = {name: set[Test]().union(*by_status.values()) for name, by_status in seen.routes.items()}
    weight: dict[Test, int] = defaultdict(int)
    for tests in (*asked.values(), *seen.events.values()):
        for test in tests:
            weight[test] += 1
    lines = [
        "# What shows that the chat server keeps its contract",
        "",
        "Made by `python -m tests.contract.chat.coverage`, which watches the behaviour suites of `tests/contract/chat` at work; every",
        "test of them runs on SQLite and on PostgreSQL (it watches the former). A row names the statuses that were answered and up to three tests,",
        "those that ask least else. `tests/unit/chat/features/test_route_coverage.py` holds this page to the code. What no test is *about*",
        "(hostile input, the OpenAPI document) is asked of every route by `test_wire_hostile.py`, `test_chat_hostile_bytes.py` and `test_chat_schemathesis.py`.",
        "",
        "## Routes",
        "",
        "| route | answered | tests |",
        "|---|---|---|",
    ]
    for name in sorted(routes, key=lambda name: (name.partition(" ")[2], name)):
        statuses = ", ".join(map(str, sorted(seen.routes.get(name, {}))))
        lines.append(f"| `{name}` | {statuses} | {_named(asked.get(name, ()), weight)} |")
    lines += ["", "## Gateway frames", "", "| frame | tests |", "|---|---|"]
    lines += [f"| `{name}` | {_named(seen.events[name], weight)} |" for name in sorted(seen.events)]
    lines += ["", "## Close codes", "", "| code | tests |", "|---|---|"]
    lines += [f"| {code} | {_named(seen.closes[code], weight)} |" for code in sorted(seen.closes)]
    _, mark, rest = kept.partition("## Defects")
    return "\n".join(lines) + "\n\n" + (mark + rest if mark else "## Defects\n")


def main() -> int:
    """Runs the suites and writes the page; the exit status is pytest's."""
    watcher = Watcher()
    # The application is imported before pytest starts, which is what it warns of.
    options = ["-q", "--no-header", "-p", "no:randomly", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    options += ["-k", "not postgresql and not hostile"]  # the same functions again, and those that are about no route
    status = pytest.main([*options, SUITE, *sys.argv[1:]], plugins=[watcher])
    if watcher.seen.routes:
        PAGE.write_text(page(watcher.seen, PAGE.read_text() if PAGE.exists() else ""))
    return int(status)


def _named(tests: Iterable[Test], weight: dict[Test, int]) -> str:
    chosen = sorted(tests, key=lambda test: (weight[test], test))[:SHOWN]
    return "<br>".join(f"`{test}`" for test in chosen)


if __name__ == "__main__":
    sys.exit(main())
