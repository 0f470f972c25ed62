"""Campaigns of a real bridge over its API: simulated carriers ring, answer, are busy; a played worker has the slots."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.fleet.bridge.harness import World, world
from tests.time_limits import WAIT_S
from vox.clients.carrier_simulator.behaviour import ApiFault, Behaviour, Outcome
from vox.protocols import fleet as wire

ALL_DAY = {"windows": [{"start": "00:00", "end": "24:00"}], "pacing": {"calls_per_s": 50, "max_concurrent": 50}}


def berliners(count: int) -> list[str]:
    """German mobile numbers."""
    return [f"+49151{10_000_000 + number}" for number in range(count)]


async def put_csv(bridge: World, path: str, data: bytes) -> Any:
    headers = {"authorization": f"Bearer {bridge.key}", "content-type": "text/csv"}
    answer = await bridge.http.put(f"{bridge.bridge.address}{path}", content=data, headers=headers)
    return answer.status_code, answer.json()


async def campaign(bridge: World, numbers: list[str], **form: Any) -> str:
    body = {"name": "spring", "bot_id": "helper", "rules": ALL_DAY, **form}
    made = await bridge.post("/v1/campaigns", {**body, "caller_ids": ["+12125550100"]})
    assert made.status_code == 201, made.text
    campaign_id = made.json()["id"]
    added = await bridge.post(
        f"/v1/campaigns/{campaign_id}/recipients", {"recipients": [{"number": number} for number in numbers]}
    )
    assert added.json()["rejected"] == 0, added.text
    started = await bridge.post(f"/v1/campaigns/{campaign_id}/start")
    assert started.status_code == 200, started.text
    return campaign_id


async def until(bridge: World, campaign_id: str, state: str) -> dict[str, Any]:
    async with asyncio.timeout(WAIT_S):
        while True:
            shown = (await bridge.get(f"/v1/campaigns/{campaign_id}")).json()
            if shown["state"] == state:
                return shown
            await asyncio.sleep(0.05)


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)


async def test_a_campaign_from_the_csv_file_to_the_last_answer(tmp_path: Path):
    async with world(tmp_path, Behaviour(hangs_up_after_s=0.2)) as bridge:
        made = await bridge.post(
            "/v1/campaigns", {"name": "spring", "bot_id": "helper", "caller_ids": ["+12125550100"], "rules": ALL_DAY}
        )
        campaign_id = made.json()["id"]
        data = "number,name\n" + "".join(f"{number},Ann\n" for number in berliners(3)) + "12,Bo\n"
        status, done = await put_csv(bridge, f"/v1/campaigns/{campaign_id}/imports/first", data.encode())
        assert (status, done["state"], done["accepted"], done["rejected"]) == (200, "done", 3, 1)
        assert done["errors"][0]["row"] == 5
        await bridge.post(f"/v1/campaigns/{campaign_id}/start")
        shown = await until(bridge, campaign_id, "completed")
        assert shown["progress"]["recipients"] == {"reached": 3}
        assert shown["progress"]["abandon"] == {"answered": 3, "abandoned": 0}
        assert sorted(one.record.order.to for one in bridge.dialled()) == berliners(3)
        assert {offer.metadata["variables"]["name"] for offer in bridge.worker.offers} == {"Ann"}
        calls = (await bridge.get("/v1/calls")).json()["calls"]
        for call in calls:
            [decision] = (await bridge.get(f"/v1/calls/{call['id']}/explanation")).json()["decisions"]
            assert (decision["is_same"], decision["is_intact"]) == (True, True)
            assert decision["repeated"]["verdict"] == "dial"
        ledger = (await bridge.get(f"/v1/campaigns/{campaign_id}/ledger")).json()["entries"]
        assert [one["entry"]["reason"] for one in ledger] == ["due"] * 3


async def test_a_carrier_that_times_out_after_dialling_is_not_asked_twice(tmp_path: Path):
    behaviour = Behaviour(api=ApiFault.ERROR_AFTER_DIALLING, hangs_up_after_s=0.2)
    async with world(tmp_path, behaviour) as bridge:
        campaign_id = await campaign(bridge, berliners(2))
        await until(bridge, campaign_id, "completed")
        assert sorted(one.record.order.to for one in bridge.dialled()) == berliners(2)


async def test_a_number_that_is_listed_while_its_call_waits_for_a_slot_is_never_dialled(tmp_path: Path):
    async with world(tmp_path, Behaviour(hangs_up_after_s=0.2)) as bridge:
        refused: list[wire.Offer] = []

        def refuse(message: wire.BridgeMessage) -> None:
            if isinstance(message, wire.Offer):  # although the worker's status says that there is room
                refused.append(message)
                asyncio.get_running_loop().call_soon(bridge.worker.say, wire.Busy(message.offer_id, 1.0))

        bridge.worker.take, take = refuse, bridge.worker.take
        campaign_id = await campaign(bridge, berliners(1))
        await eventually(lambda: bool(refused))
        listed = await bridge.post("/v1/do-not-call", {"numbers": berliners(1)})
        assert listed.json()["accepted"] == 1
        bridge.worker.take = take
        shown = await until(bridge, campaign_id, "completed")
        assert shown["progress"]["recipients"] == {"do_not_call": 1}
        assert bridge.dialled() == []
        [call] = (await bridge.get("/v1/calls")).json()["calls"]
        decisions = (await bridge.get(f"/v1/calls/{call['id']}/explanation")).json()["decisions"]
        assert [one["entry"]["reason"] for one in decisions] == ["due", "do_not_call_global"]


async def test_an_opt_out_of_the_call_reaches_the_list(tmp_path: Path):
    async with world(tmp_path, Behaviour(outcome=Outcome.BUSY)) as bridge:
        campaign_id = await campaign(bridge, berliners(1), tenant="acme")
        await eventually(lambda: bool(bridge.dialled()))
        [call] = (await bridge.get("/v1/calls")).json()["calls"]
        said = [{"role": "bot", "content": "Shall we stop calling you?"}, {"role": "customer", "content": "Yes"}]
        result = {"call_id": call["id"], "session_id": "1", "transcript": said}
        await bridge.bridge.worker_events.take_result(result)
        found = await bridge.get(f"/v1/do-not-call?number=%2B{berliners(1)[0][1:]}&tenant=acme")
        assert found.json()["scopes"] == []
        said = [{"role": "customer", "content": "Please stop calling me."}]
        await bridge.bridge.worker_events.take_result(result | {"session_id": "2", "transcript": said})
        found = await bridge.get(f"/v1/do-not-call?number=%2B{berliners(1)[0][1:]}&tenant=acme")
        assert found.json()["scopes"] == ["tenant"]
        assert campaign_id


@pytest.mark.parametrize("told", [([""], "DTMF: 9"), (["1", "9"],)], ids=["transcript", "digits"])
async def test_the_keys_of_the_opt_out_count_in_the_result_of_a_call_where_they_were_an_entry_of_their_own(
    tmp_path: Path, told: tuple[Any, ...]
):
    async with world(tmp_path, Behaviour(outcome=Outcome.BUSY)) as bridge:
        await campaign(bridge, berliners(1), tenant="acme")
        await eventually(lambda: bool(bridge.dialled()))
        [call] = (await bridge.get("/v1/calls")).json()["calls"]
        assert bridge.worker.offers[0].metadata["reports"] == ["digits"]

        async def scopes_after(session: str, digits: Any, said: str = "Hello", role: str = "customer") -> list[str]:
            lines = [{"role": role, "content": said}]
            result = {"call_id": call["id"], "session_id": session, "digits": digits, "transcript": lines}
            await bridge.bridge.worker_events.take_result(result)
            found = await bridge.get(f"/v1/do-not-call?number=%2B{berliners(1)[0][1:]}&tenant=acme")
            return found.json()["scopes"]

        assert await scopes_after("1", ["19", "1"]) == []
        assert await scopes_after("2", "9") == []
        assert await scopes_after("3", [], "DTMF: 19") == []
        assert await scopes_after("4", [], "DTMF: 9", "bot") == []
        assert await scopes_after("5", *told) == ["tenant"]


BAD: list[tuple[str, str, Any, int, str]] = [
    ("POST", "/v1/campaigns", {"name": "x", "bot_id": "none"}, 422, "BOT_UNKNOWN"),
    ("POST", "/v1/campaigns", {"name": "x", "bot_id": "helper", "provider": "acme"}, 400, "PROVIDER_UNKNOWN"),
    ("POST", "/v1/campaigns", {"name": "x", "bot_id": "helper", "caller_ids": ["12"]}, 400, "NUMBER_INVALID"),
    ("POST", "/v1/campaigns", {"name": "x", "bot_id": "helper", "pre_dial_url": "file:///x"}, 400, "URL_REFUSED"),
    (
        "POST",
        "/v1/campaigns",
        {"name": "x", "bot_id": "helper", "rules": {"windows": [{"start": "17:00", "end": "09:00"}]}},
        400,
        "CAMPAIGN_RULES_INVALID",
    ),
    (
        "POST",
        "/v1/campaigns",
        {"name": "x", "bot_id": "helper", "rules": {"windows": [{"start": "20:00", "end": "20:01"}]}},
        400,
        "CAMPAIGN_RULES_INVALID",
    ),
    ("POST", "/v1/campaigns/camp_0/start", None, 404, "CAMPAIGN_NOT_FOUND"),
    ("GET", "/v1/campaigns/camp_0", None, 404, "CAMPAIGN_NOT_FOUND"),
    ("GET", "/v1/imports/none", None, 404, "IMPORT_NOT_FOUND"),
    ("GET", "/v1/calls/call_0/explanation", None, 404, "CALL_NOT_FOUND"),
    ("POST", "/v1/do-not-call", {"numbers": [], "scope": "campaign"}, 400, "VALIDATION_ERROR"),
]


async def test_bad_input_is_refused_with_what_is_wrong(tmp_path: Path):
    async with world(tmp_path) as bridge:
        for method, path, body, status, code in BAD:
            answer = await (bridge.post(path, body) if method == "POST" else bridge.get(path))
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


async def test_a_campaign_without_recipients_is_not_started(tmp_path: Path):
    async with world(tmp_path) as bridge:
        made = await bridge.post("/v1/campaigns", {"name": "x", "bot_id": "helper"})
        answer = await bridge.post(f"/v1/campaigns/{made.json()['id']}/start")
        assert answer.status_code == 422
        assert "no recipients" in answer.json()["error"]["message"]
        status, refused = await put_csv(bridge, f"/v1/campaigns/{made.json()['id']}/imports/a", b"PK\x03\x04zip")
        assert (status, refused["error"]["code"]) == (400, "CSV_INVALID")
        document = (await bridge.get("/openapi.json")).json()
        path = document["paths"]["/v1/campaigns/{id}/imports/{import_id}"]["put"]
        assert list(path["requestBody"]["content"]) == ["text/csv"]
