"""Every answer, frame and metric name of chat, agent and directory is what was recorded.

How a recording is taken, and what is not compared, stands in `tests/e2e/wire_recording/__main__.py` and `comparison.py`.
"""

import copy
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.wire_recording.comparison import differences
from tests.e2e.wire_recording.recording import FOLDER, MAX_BYTES, Recording, load
from tests.e2e.wire_recording.scenes import SCENES
from tests.e2e.wire_recording.values import Values

VOX = Path(sys.executable).parent / "vox"
SCENES_AT_ONCE = 2
MOST_SHOWN = 100
NO_SUCCESS = {
    "POST /api/v1/embeds/resolve": "asks the network",
    "GET /api/v1/gifs/search": "asks the network",
    "GET /api/v1/gifs/trending": "asks the network",
}
"""Chat routes whose success cannot be recorded without a network."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, "Future[list[Recording]]"]]:
    """The scenes that are tested, run a few at a time while the first is waited for."""
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    names = {call.params.get("scene") for call in calls if call is not None}
    with ThreadPoolExecutor(SCENES_AT_ONCE) as pool:
        yield {
            name: pool.submit(run, VOX, tmp_path_factory.mktemp(name)) for name, run in SCENES.items() if name in names
        }


@pytest.mark.parametrize("scene", SCENES)
def test_everything_on_the_wire_is_as_recorded(scene: str, runs: dict[str, "Future[list[Recording]]"]) -> None:
    found = [
        one
        for recording in runs[scene].result()
        for one in differences(recording.name, load(recording.name), recording.entries)
    ]
    if found:
        more = [f"and {len(found) - MOST_SHOWN} more"] if len(found) > MOST_SHOWN else []
        pytest.fail("\n".join([*map(str, found[:MOST_SHOWN]), *more]), pytrace=False)


def test_every_chat_route_is_recorded_with_a_success_and_a_refusal() -> None:
    statuses: dict[str, set[int]] = {}
    for file in FOLDER.glob("chat_*.json"):
        for name, entry in load(file.stem).items():
            route = entry.get("route", name.partition(" [")[0])
            statuses.setdefault(route, set()).add(entry.get("status", 0))
    documented = load("chat_edge")["GET /openapi.json [shape]"]["openapi"]["routes"]
    without_success = [route for route in documented if not any(200 <= status < 300 for status in statuses[route])]
    without_refusal = [route for route in documented if not any(400 <= status < 500 for status in statuses[route])]
    assert (sorted(without_success), without_refusal) == (sorted(NO_SUCCESS), [])


def test_every_directory_route_is_recorded() -> None:
    asked = {
        entry.get("route", name.partition(" [")[0])
        for file in FOLDER.glob("directory_*.json")
        for name, entry in load(file.stem).items()
    }
    documented = load("directory_lists")["GET /openapi.json [shape]"]["openapi"]["routes"]
    assert [route for route in documented if route not in asked] == []


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_a_recording_is_small_and_holds_nothing_of_the_machine_that_took_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.encode()) < MAX_BYTES
    assert re.findall(r"/(?:home|root|tmp|work|Users)/|vox_sess_[\w-]{20}|\b127\.0\.0\.1:(?!4443\b|9/)\d", text) == []


def changed(path: str, value: Any) -> dict[str, Any]:
    """A recording of one answer with another value at a dotted path; None takes it away."""
    entries: dict[str, Any] = copy.deepcopy(ANSWER)
    *parents, last = path.split(".")
    inner: Any = entries["GET /x"]
    for name in parents:
        inner = inner[int(name) if isinstance(inner, list) else name]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return entries


ANSWER: dict[str, Any] = {
    "GET /x": {
        "status": 200,
        "headers": {"a": "1"},
        "json": {"id": 1, "list": [{"b": 1}]},
        "frames": [{"seq": 1}, {"seq": 2}],
    }
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("status", 201),
        ("headers.a", "2"),
        ("headers.a", None),
        ("headers.b", "1"),
        ("json.id", "1"),
        ("json.id", True),
        ("json.more", 1),
        ("json.list.0.b", None),
        ("frames", [{"seq": 2}, {"seq": 1}]),
        ("frames", [{"seq": 1}]),
    ],
)
def test_any_other_status_header_key_type_or_order_is_a_difference(path: str, value: Any) -> None:
    found = differences("some", ANSWER, changed(path, value))
    assert found
    assert all(one.where.startswith(path) for one in found)
    assert differences("some", ANSWER, copy.deepcopy(ANSWER)) == []


def test_an_answer_more_or_less_is_a_difference() -> None:
    assert [one.kind for one in differences("some", ANSWER, {})] == ["removed"]
    assert [one.kind for one in differences("some", {}, ANSWER)] == ["added"]


def test_only_what_is_meant_to_differ_may() -> None:
    def found(recording: str, entry: str, before: Any, after: Any) -> int:
        return len(differences(recording, {entry: before}, {entry: after}))

    ready, checks = {"status": 200, "json": {"status": "ok"}}, {"status": 200, "json": {"status": "ok", "checks": {}}}
    assert found("agent_http", "GET /ready", ready, checks) == 0
    assert found("agent_http", "GET /health", ready, checks) == 1
    assert found("agent_http", "GET /ready", checks, ready) == 1
    assert found("agent_http", "GET /ready", ready, {**checks, "status": 503}) == 1
    page = {"headers": {"date": "<date>"}}
    assert (
        found("agent_http", "GET /", page, {"headers": {**page["headers"], "x-content-type-options": "nosniff"}}) == 0
    )
    assert found("agent_http", "GET /", page, {"headers": {**page["headers"], "set-cookie": "x"}}) == 1
    assert (
        found("agent_http", "GET /ws", page, {"headers": {**page["headers"], "x-content-type-options": "nosniff"}}) == 1
    )


def test_placeholders_keep_identity_and_type_and_nothing_else_is_replaced() -> None:
    now = time.time()
    first, second = (int((now + more) * 1000) << 22 for more in (0, 1))
    values = Values({"127.0.0.1:81": "host"})
    values.learn("token", "secret-token")
    shown = values.value(
        {
            "ids": [first, second, str(first)],
            "times": [int(now), int(now * 1000), int(now) + 30 * 86_400],
            "texts": ["a secret-token at http://127.0.0.1:81/", "2099-01-01T00:00:00Z"],
            "numbers": [1, 6_443_107_123, (1 << 63) - 1, 1.5, True, None],
            "error": {"code": "X", "message": "No.", "retry_after_ms": 17},
        }
    )
    assert shown == {
        "ids": ["<id:1>", "<id:2>", "<id:1 as text>"],
        "times": ["<now s>", "<now ms>", "<30 days s>"],
        "texts": ["a <token:1> at http://<host>/", "2099-01-01T00:00:00Z"],
        "numbers": [1, 6_443_107_123, (1 << 63) - 1, 1.5, True, None],
        "error": {"code": "X", "message": "<text>", "retry_after_ms": "<number>"},
    }
