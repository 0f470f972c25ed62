"""Pausing and resuming a call's recording over HTTP."""

from typing import Any

import pytest

from tests.unit.agent.api.asgi import Site
from tests.unit.agent.call_harness import Line
from vox.agent.call.session import Session
from vox.agent.call.transport import CallInfo

KEY = {"x-api-key": "secret"}


def site_with_call(**config: Any) -> tuple[Site, Session]:
    site = Site(**config)
    resources = site.server.resources
    info = CallInfo("call_1", "test", variables={"carrier_call_id": "CA42"})
    session = Session(resources, resources.agents["default"], Line(), info, input_rate=8000)
    site.server.sessions.add(session)
    return site, session


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
@pytest.mark.parametrize("name", ["call_1", "CA42"])
async def test_a_call_is_paused_and_resumed_by_either_id(prefix: str, name: str):
    site, session = site_with_call(server_api_key="secret")
    answer = await site.request("POST", f"{prefix}/calls/{name}/recording/pause", headers=KEY)
    assert (answer.status, answer.json["data"]) == (
        200,
        {"call_id": "call_1", "is_recorded": False, "is_paused": True},
    )
    assert session.recording.is_redacted
    answer = await site.request("POST", f"{prefix}/calls/{name}/recording/resume", headers=KEY)
    assert (answer.status, answer.json["data"]["is_paused"]) == (200, False)


@pytest.mark.parametrize("what", ["pause", "resume"])
async def test_strangers_and_unknown_calls_are_refused(what: str):
    site, session = site_with_call(server_api_key="secret")
    assert (await site.request("POST", f"/calls/call_1/recording/{what}")).status == 401
    wrong = {"x-api-key": "guess"}
    assert (await site.request("POST", f"/calls/call_1/recording/{what}", headers=wrong)).status == 401
    answer = await site.request("POST", f"/calls/call_2/recording/{what}", headers=KEY)
    assert (answer.status, answer.json["error"]["code"]) == (404, "NOT_FOUND")
    elsewhere = {**KEY, "origin": "https://evil.example", "host": "vox.example"}
    assert (await site.request("POST", f"/calls/call_1/recording/{what}", headers=elsewhere)).status == 403
    assert not session.recording.was_redacted


async def test_only_post_changes_anything():
    site, session = site_with_call()
    assert (await site.request("GET", "/calls/call_1/recording/pause")).status == 405
    assert not session.recording.is_paused
    session.release()
