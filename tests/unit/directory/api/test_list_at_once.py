"""The list that is answered before a request becomes a scope is the one that a scope gets, head and body."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.directory.harness import LONDON, SYDNEY, rig
from vox.directory.app import create_app

PLAIN = [
    "lat=1&lon=2",
    "lat=-33.8&lon=151.2&limit=1",
    "lat=90&lon=-180.0&limit=100",
    "lat=0.1234567&lon=-0.5&limit=010",
]
OTHER = [
    *("", "lat=1", "lat=1&lon=2&limit=0", "lat=1&lon=2&limit=101", "lat=91&lon=2", "lat=1&lon=181", "lon=2&lat=1"),
    *(
        "lat=1&lon=2&lat=1",
        "lat=1&lon=2&wait=30s",
        "lat=%31&lon=2",
        "lat=1&lon=2#x",
        "lat=+1&lon=2",
        "lat=1&lon=2&",
        "lat=1e1&lon=2",
    ),
    *("lat=.5&lon=2", "lat=1.&lon=2", "lat=nan&lon=2", "lat=1&lon=2\n", "lat=1&lon=2&limit=-1"),
]


async def by_scope(app: Any, query: str) -> tuple[int, bytes, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/v1/relays", "query_string": query.encode(), "headers": []}
    await app(scope, None, send)
    head = b"".join(b"%b: %b\r\n" % header for header in sent[0]["headers"])
    return sent[0]["status"], head, sent[1]["body"]


@pytest.mark.parametrize("query", PLAIN)
async def test_a_plain_query_is_answered_the_same(tmp_path: Path, query: str):
    async with rig(tmp_path) as it:
        app = create_app(it.directory)
        target = f"/v1/relays?{query}".encode()
        assert app.answer_at_once(target, []) == await by_scope(app, query)  # none is listed
        await it.register(LONDON)
        await it.register(SYDNEY)
        at_once = app.answer_at_once(target, [(b"accept", b"*/*")])
        assert at_once == await by_scope(app, query)
        assert at_once is not None
        assert at_once[2].count(b"distance_km") in {1, 2}
        assert 'vox_directory_requests_total{route="list",status="200"} 4' in it.directory.metrics.render().decode()


@pytest.mark.parametrize("query", OTHER)
async def test_any_other_query_becomes_a_scope(tmp_path: Path, query: str):
    async with rig(tmp_path) as it:
        assert create_app(it.directory).answer_at_once(f"/v1/relays?{query}".encode(), []) is None


async def test_other_targets_and_conditional_requests_become_scopes(tmp_path: Path):
    async with rig(tmp_path) as it:
        app = create_app(it.directory)
        for target in (b"/v1/relays", b"/v1/relays/select?lat=1&lon=2", b"http://here/v1/relays?lat=1&lon=2", b"*"):
            assert app.answer_at_once(target, []) is None
        assert app.answer_at_once(b"/v1/relays?lat=1&lon=2", [(b"if-none-match", b"*")]) is None
