"""What an operator sees of requests: counters by route, and failures that can be found again in the log."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.contract.chat.harness import community
from vox.errors import DependencyError


async def test_requests_are_counted_by_route_and_never_by_path(tmp_path: Path):
    async with community(f"sqlite:///{tmp_path / 'vox.db'}", tmp_path, expose_metrics=True) as rig:
        alice = await rig.register("alice")
        for code in ("a-code", "b-code"):
            await alice.get(f"/invites/{code}")
        await alice.get("/feeds/1/nothing/of/the/kind")
        await alice.delete("/server")
        text = (await rig.http.get("/metrics")).text
    assert 'vox_chat_requests_total{route="GET /api/v1/invites/{code}",status="4xx"} 2.0' in text
    assert 'vox_chat_requests_total{route="POST /api/v1/auth/register",status="2xx"} 1.0' in text
    assert 'vox_chat_requests_total{route="unmatched",status="4xx"} 2.0' in text
    assert 'vox_chat_request_seconds_count{route="GET /api/v1/invites/{code}"} 2.0' in text
    assert "b-code" not in text


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (RuntimeError("broken"), 500),
        (DependencyError("the database failed", code="database_failed", retryable=True), 503),
    ],
)
async def test_a_failure_names_its_request_and_its_route_but_not_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, status: int
):
    async with community(f"sqlite:///{tmp_path / 'vox.db'}", tmp_path) as rig:

        async def fails(*_: Any) -> Any:
            raise failure

        monkeypatch.setattr(rig.chat, "read", fails)
        with capture_logs() as lines:
            named = await rig.http.get("/api/v1/invites/a-code", headers={"x-request-id": "abc-1"})
            unnamed = await rig.http.get("/api/v1/invites/a-code", headers={"x-request-id": "x" * 500})
    assert {named.status_code, unnamed.status_code} == {status}
    assert named.headers["x-request-id"] == "abc-1"
    assert 16 <= len(unnamed.headers["x-request-id"]) <= 128
    assert named.headers["cache-control"] == "private, no-store"
    failed = [line for line in lines if line["event"] == "request failed"]
    assert [line["request_id"] for line in failed] == ["abc-1", unnamed.headers["x-request-id"]]
    assert {line["route"] for line in failed} == {"GET /api/v1/invites/{code}"}
    assert "a-code" not in str(failed)
