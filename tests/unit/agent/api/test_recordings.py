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
    info = CallInfo("call_1", "test", session_id="5e55", carrier_call_id="CA42")
    return site, begin(site, info)


def begin(site: Site, info: CallInfo) -> Session:
    resources = site.server.resources
    session = Session(resources, resources.agents["default"], Line(), info, input_rate=8000)
    site.server.sessions.add(session)
    return session


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
@pytest.mark.parametrize("name", ["call_1", "CA42", "5e55"])
async def test_a_call_is_paused_and_resumed_by_each_of_its_ids(prefix: str, name: str):
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


async def test_the_calls_of_one_session_are_paused_together():
    site, first = site_with_call()
    second = begin(site, CallInfo("call_2", "webrtc", session_id="5e55"))
    other = begin(site, CallInfo("call_3", "webrtc"))
    assert (await site.request("POST", "/calls/5e55/recording/pause")).status == 200
    assert [one.recording.is_paused for one in (first, second, other)] == [True, True, False]
    assert (await site.request("POST", "/calls//recording/pause")).status == 404


async def test_a_client_cannot_take_the_name_of_a_carriers_call():
    site, session = site_with_call()
    for number in range(8):
        begin(site, CallInfo(f"call_x{number}", "ws", variables={"carrier_call_id": "CA42"}))
    answer = await site.request("POST", "/calls/CA42/recording/pause")
    assert answer.json["data"]["call_id"] == "call_1"
    assert [one for one in site.server.sessions if one.recording.is_paused] == [session]


async def test_only_post_changes_anything():
    site, session = site_with_call()
    assert (await site.request("GET", "/calls/call_1/recording/pause")).status == 405
    assert not session.recording.is_paused
    session.release()
