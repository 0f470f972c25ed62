"""The agent server as an object: it forgets what is over, ends what is left, and follows its life cycle."""

import asyncio
from pathlib import Path
from typing import Any, Self

import pytest

from tests.unit.agent.api.asgi import Site
from vox.agent.admission import Busy
from vox.agent.call.session import Session
from vox.agent.call.transport import CallInfo
from vox.agent.config.resources import Resources
from vox.agent.config.settings import AgentSettings
from vox.errors import DependencyError
from vox.protocols.agent_json import encode_client_frame


async def test_a_call_is_forgotten_when_it_is_over():
    where = Site()
    answered = await where.upgrade("/ws", says=(encode_client_frame("TranscriptionFrame", {"text": "hi"}),))
    assert answered.status == 101
    assert where.server.sessions == set()
    assert where.server._tasks == set()
    assert (where.server.admission.calls, where.server.lifecycle.holds) == (0, 0)


async def test_a_session_whose_task_never_ran_gives_back_what_it_holds():
    where = Site()
    line: Any = type("Line", (), {"encoding": "mulaw", "sample_rate": 8000, "has_marks": False})()
    line.shows_progress, line.send_audio, line.send_event = False, print, print
    session = Session(
        where.server.resources, where.server.resources.agents["default"], line, CallInfo("c", "test"), input_rate=8000
    )

    async def connection() -> None:
        async with asyncio.TaskGroup() as tasks:
            where.server.keep(session, tasks)
            raise RuntimeError("the connection failed before anything ran")

    with pytest.raises(ExceptionGroup):
        await connection()
    assert where.server.sessions == set()
    assert where.server.resources.voice_activity.is_closed  # type: ignore[attr-defined]


async def test_a_server_that_cannot_start_closes_what_it_has_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    where = Site(recording={"enable": True, "folder": str(tmp_path)})
    tasks = asyncio.all_tasks()
    monkeypatch.setattr(Resources, "__aenter__", _refuses)
    with pytest.raises(DependencyError):
        await where.server.__aenter__()
    assert asyncio.all_tasks() == tasks
    assert not where.server.is_open


async def _refuses(_resources: Resources) -> Resources:
    raise DependencyError("no provider", code="provider_failed")


async def test_a_draining_server_refuses_and_says_so():
    where = Site()
    where.server.lifecycle.subscribe(where.server._follow)
    where.server.lifecycle.drain()
    assert isinstance(where.server.admission.reserve(0.0), Busy)
    answered = await where.upgrade("/ws")
    assert answered.status == 503
    assert int(answered.headers["retry-after"]) >= 1
    assert (await where.request("GET", "/ready")).status == 503


async def test_an_upgrade_that_is_refused_is_counted_under_its_route():
    where = Site(server_api_key="k")
    await where.upgrade("/ws")
    await where.upgrade("/telephony/ws/nobody/1.x")
    await where.upgrade("/" + "x" * 5000)
    text = where.server.metrics.render().decode()
    for route in ("ws", "telephony_ws", "fallback"):
        assert f'voxray_http_requests_total{{method="GET",route="{route}",status="4xx"}} 1.0' in text


async def test_a_strange_host_on_the_page_stays_out_of_its_policy():
    where = Site()
    for host in ("a.example; script-src *", "a.example", "[::1]:8080"):
        answered = await where.request("GET", "/", headers={"host": host})
        policy = answered.headers["content-security-policy"]
        assert (host in policy) is (";" not in host)


async def test_a_provider_that_does_not_open_is_named(monkeypatch: pytest.MonkeyPatch):
    where = Site()
    settings = AgentSettings.model_validate({"stt_provider": "fake", "llm_provider": "fake", "tts_provider": "fake"})
    resources = Resources(settings, where.clock, where.server.metrics, {})
    resources.voice_activity = _Opens()  # type: ignore[assignment]
    monkeypatch.setattr("vox.agent.config.resources.OPEN_TIMEOUT_S", 0.01)
    monkeypatch.setattr("vox.providers.stt.fake.FakeSpeechToText.__aenter__", _never)
    with pytest.raises(DependencyError) as failed:
        await resources.__aenter__()
    assert (failed.value.code, "'fake'" in str(failed.value)) == ("provider_timeout", True)


class _Opens:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        return None


async def _never(_driver: object) -> None:
    await asyncio.Event().wait()
