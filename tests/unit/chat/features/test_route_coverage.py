"""docs/contributing/chat-coverage.md lists every route, frame and defect, and only those that exist.

A new route fails here until `python -m tests.contract.chat.coverage` has seen a test that asks it.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vox.chat import events
from vox.chat.features.routes import all_routes
from vox.protocols.gateway import CloseCode

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "contributing" / "chat-coverage.md").read_text()
FOLDERS = ("tests/contract", "tests/e2e", "tests/unit")
TEST = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
ORIGIN = {f"O{number}" for number in range(1, 19)}
ALWAYS_REFUSED = {"GET /api/v1/voice/media-cert": "there is no certificate to pin, which is what the answer says"}
OUT_OF_SCOPE = "out of scope: "
AGAIN = "run `python -m tests.contract.chat.coverage`"


def test_every_route_has_a_row_with_a_test() -> None:
    documented = rows("Routes")
    routes = {f"`{route.name}`" for table in all_routes() for route in table}
    assert routes - set(documented) == set(), AGAIN
    assert set(documented) - routes == set(), AGAIN
    assert [name for name, cells in documented.items() if not TEST.search(cells[-1])] == []


def test_every_route_was_seen_to_succeed_and_to_refuse_where_it_can() -> None:
    wrong: list[str] = []
    for table in all_routes():
        for route in table:
            statuses = rows("Routes")[f"`{route.name}`"][0].split(", ")
            succeeds = any(status.startswith("2") or status == "303" for status in statuses)
            if not succeeds and route.name not in ALWAYS_REFUSED:
                wrong.append(f"{route.name} never succeeded: {statuses}")
            if route.access.kind in {"permission", "feed", "room", "dm"} and "403" not in statuses:
                wrong.append(f"{route.name} never refused: {statuses}")
    assert wrong == []


def test_every_event_and_close_code_was_seen() -> None:
    told = {name for name, made in vars(events).items() if inspect.isfunction(made) and _makes_an_event(made)} - {
        "decode_event"
    }
    assert {f"`{name}`" for name in told} - set(rows("Gateway frames")) == set(), AGAIN
    elsewhere = {
        CloseCode.UNKNOWN_TYPE,  # no server of this protocol sends it
        CloseCode.UNKNOWN_ERROR,  # the token could not be checked: tests/unit/chat/gateway
        CloseCode.SESSION_TIMEOUT,  # 67.5 s of silence, on virtual time: tests/unit/chat/gateway
        CloseCode.REPLAY_EXHAUSTED,  # a thousand events: tests/unit/chat/gateway
    }
    assert {str(int(code)) for code in set(CloseCode) - elsewhere} - set(rows("Close codes")) == set(), AGAIN


def test_every_test_that_is_named_exists() -> None:
    existing = set(functions())
    assert [f"{file}::{name}" for file, name in TEST.findall(PAGE) if (file, name) not in existing] == []


def test_every_defect_has_a_test_or_the_reason_why_not() -> None:
    found = rows("Defects of the original") | rows("Fixed while compatible") | rows("Known bugs of the original")
    assert set(found) >= ORIGIN
    for name, cells in found.items():
        assert TEST.search(cells[-1]) or cells[-1].startswith(OUT_OF_SCOPE), name


def test_every_named_defect_test_is_in_the_table() -> None:
    """A test called after a defect that the table does not know would be lost there."""
    listed = rows("Defects of the original")
    for file, name in functions():
        number = re.match(r"test_(o\d+)_", name)
        if number and file == "test_defects.py":
            assert f"`{file}::{name}`" in listed[number[1].upper()][-1], name


def rows(heading: str) -> dict[str, list[str]]:
    """The rows of the first table under a heading: first cell, and the others."""
    section = re.split(r"^#+ ", PAGE.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    return {first: rest for first, *rest in cells[2:]}


def functions() -> Iterator[tuple[str, str]]:
    """File and name of every test function."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("test_*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                    yield path.name, node.name


def _makes_an_event(made: Callable[..., Any]) -> bool:
    return inspect.signature(made).return_annotation is events.Event
