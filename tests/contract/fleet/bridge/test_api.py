"""The bridge's REST API: who may do what, what is refused and why, and requests that are repeated."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.fleet.bridge.harness import FROM, SECRET, TO, running_bridge, webhooks_at, world
from vox.clients.carrier_simulator.behaviour import Behaviour
from vox.errors import UsageError
from vox.protocols import fleet as wire
from vox.security.digests import hmac_digest

CALL: dict[str, Any] = {"to": TO, "from": FROM, "bot_id": "helper"}
LATER = (datetime.now(UTC) + timedelta(hours=2)).isoformat()


def code_of(answer: httpx2.Response) -> str:
    return answer.json()["error"]["code"]


async def test_bad_requests_are_refused_by_name_and_nothing_is_dialled(tmp_path: Path):
    cases: list[tuple[dict[str, Any], int, str, str]] = [
        ({"to": "12345"}, 400, "NUMBER_INVALID", "to"),
        ({"to": "+1555"}, 400, "NUMBER_INVALID", "too short"),
        ({"from": "+999999"}, 400, "NUMBER_INVALID", "from"),
        ({"from": ""}, 400, "VALIDATION_ERROR", "from"),
        ({"pool": [FROM, "x"], "from": ""}, 400, "NUMBER_INVALID", "pool[1]"),
        ({"pool": [FROM]}, 400, "VALIDATION_ERROR", "pool"),
        ({"bot_id": ""}, 400, "VALIDATION_ERROR", "bot_id"),
        ({"bot_id": "../x"}, 400, "VALIDATION_ERROR", "bot_id"),
        ({"agent": "helper"}, 400, "VALIDATION_ERROR", "agent"),
        ({"bot_id": "nobody-there"}, 422, "BOT_UNKNOWN", "nobody-there"),
        ({"provider": "pigeon"}, 400, "PROVIDER_UNKNOWN", "pigeon"),
        ({"ring_timeout": 14}, 400, "VALIDATION_ERROR", "ring_timeout"),
        ({"ring_timeout": 121}, 400, "VALIDATION_ERROR", "ring_timeout"),
        ({"max_attempts": 0}, 400, "VALIDATION_ERROR", "max_attempts"),
        ({"amd": "perhaps"}, 400, "VALIDATION_ERROR", "amd"),
        ({"schedule_at": "2027-01-01T10:00:00"}, 400, "VALIDATION_ERROR", "schedule_at"),
        ({"schedule_at": "2099-01-01T10:00:00Z"}, 400, "VALIDATION_ERROR", "schedule_at"),
        ({"expires_at": "2020-01-01T10:00:00Z"}, 400, "VALIDATION_ERROR", "expires_at"),
        ({"window": {"start": "09:00", "end": "09:00", "timezone": "UTC"}}, 400, "WINDOW_INVALID", "never opens"),
        ({"window": {"start": "09:00", "end": "10:00", "timezone": "Nowhere"}}, 400, "WINDOW_INVALID", "Nowhere"),
        ({"webhook_url": "ftp://example.com/"}, 400, "URL_REFUSED", ""),
        ({"webhook_url": "http://169.254.169.254/latest"}, 400, "URL_REFUSED", ""),
        ({"tpo": TO}, 400, "VALIDATION_ERROR", "tpo"),
    ]
    async with world(tmp_path) as bridge:
        for change, status, code, named in cases:
            answer = await bridge.post("/v1/calls", {**CALL, **change})
            assert (answer.status_code, code_of(answer)) == (status, code), (change, answer.text)
            assert named in answer.text, (change, answer.text)
        raw = await bridge.http.post(
            f"{bridge.bridge.address}/v1/calls", content=b"{", headers={"authorization": f"Bearer {bridge.key}"}
        )
        assert (raw.status_code, code_of(raw)) == (400, "VALIDATION_ERROR")
        assert (await bridge.get("/v1/calls")).json()["calls"] == []
        assert not bridge.dialled()


async def test_a_repeated_request_is_answered_as_before_and_another_under_its_key_is_refused(tmp_path: Path):
    async with world(tmp_path) as bridge:
        body = {**CALL, "schedule_at": LATER}
        first, *others = await asyncio.gather(
            *(bridge.post("/v1/calls", body, idempotency_key="order-7") for _ in range(5))
        )
        assert first.status_code == 202
        assert {one.text for one in others} == {first.text}
        conflict = await bridge.post("/v1/calls", {**body, "max_attempts": 2}, idempotency_key="order-7")
        assert (conflict.status_code, code_of(conflict)) == (409, "IDEMPOTENCY_CONFLICT")
        assert len((await bridge.get("/v1/calls")).json()["calls"]) == 1
        await bridge.post("/v1/calls", body, idempotency_key="order-8")
        assert len((await bridge.get("/v1/calls")).json()["calls"]) == 2


async def test_keys_do_what_their_scopes_say_until_they_are_revoked(tmp_path: Path):
    async with world(tmp_path) as bridge:
        made = (await bridge.post("/v1/keys", {"name": "reader", "scopes": ["calls:read"]})).json()
        reader = made["key"]
        assert (await bridge.get("/v1/calls", key=reader)).status_code == 200
        for path, body in (
            ("/v1/calls", CALL),
            ("/v1/bots", {"id": "x"}),
            ("/v1/keys", {"name": "x", "scopes": ["admin"]}),
        ):
            refused = await bridge.post(path, body, key=reader)
            assert (refused.status_code, code_of(refused)) == (403, "FORBIDDEN")
        wrong = await bridge.get("/v1/calls", key="vbk_wrong")
        assert (wrong.status_code, code_of(wrong)) == (401, "UNAUTHORIZED")
        assert wrong.headers["www-authenticate"] == "Bearer"
        listed = (await bridge.get("/v1/keys")).json()["keys"]
        assert [key["name"] for key in listed] == ["first administrator", "reader"]
        assert "vbk_" not in json.dumps(listed)
        headers = {"authorization": f"Bearer {bridge.key}"}
        gone = await bridge.http.delete(f"{bridge.bridge.address}/v1/keys/{made['id']}", headers=headers)
        assert gone.status_code == 204
        assert (await bridge.get("/v1/calls", key=reader)).status_code == 401
        last = await bridge.http.delete(f"{bridge.bridge.address}/v1/keys/{listed[0]['id']}", headers=headers)
        assert (last.status_code, code_of(last)) == (409, "LAST_ADMIN_KEY")
        nonsense = await bridge.post("/v1/keys", {"name": "x", "scopes": ["everything"]})
        assert (nonsense.status_code, code_of(nonsense)) == (400, "UNKNOWN_SCOPE")


async def test_who_tries_many_wrong_keys_has_to_wait(tmp_path: Path):
    async with world(tmp_path) as bridge:
        answers = [await bridge.get("/v1/calls", key=f"vbk_{number}") for number in range(25)]
        assert [one.status_code for one in answers[:20]] == [401] * 20
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) > 0


async def test_workers_get_a_bots_configuration_with_its_secrets_and_operators_without(tmp_path: Path):
    async with world(tmp_path) as bridge:
        path = f"{bridge.bridge.address}/v1/bots/helper/config"
        asked = await bridge.http.get(
            path, params={"caller_id": "+1", "stream_id": "s"}, headers={"x-voxcore-secret": SECRET}
        )
        config = asked.json()
        assert (asked.status_code, config["prompt"], config["api_key"]) == (200, "Help.", "sk-1")
        assert config["session_id"].startswith("session_")
        assert config["webhook_url"] == f"{bridge.bridge.address}/v1/results"
        assert (await bridge.http.get(path, headers={"x-voxcore-secret": "no"})).status_code == 403
        assert (await bridge.http.get(path)).status_code == 403
        shown = (await bridge.get("/v1/bots/helper")).json()
        assert shown["config"]["api_key"] == "***"
        headers = {"authorization": f"Bearer {bridge.key}"}
        changed = {"config": {**shown["config"], "prompt": "Help more."}}
        put = await bridge.http.put(f"{bridge.bridge.address}/v1/bots/helper", json=changed, headers=headers)
        assert put.status_code == 200
        again = (await bridge.http.get(path, headers={"x-voxcore-secret": SECRET})).json()
        assert (again["prompt"], again["api_key"]) == ("Help more.", "sk-1")
        missing = await bridge.http.get(path.replace("helper", "none"), headers={"x-voxcore-secret": SECRET})
        assert missing.status_code == 404


async def test_a_bot_outside_its_hours_takes_no_calls(tmp_path: Path):
    async with world(tmp_path) as bridge:
        today = datetime.now(UTC).isoweekday()
        closed = {"start": "00:00", "end": "24:00", "timezone": "UTC", "days": [(today + 2) % 7 + 1]}
        await bridge.post("/v1/bots", {"id": "sleeper", "active_hours": [closed]})
        path = f"{bridge.bridge.address}/v1/bots/sleeper/config"
        answer = await bridge.http.get(path, headers={"x-voxcore-secret": SECRET})
        assert (answer.status_code, code_of(answer)) == (503, "BOT_CLOSED")
        twice = await bridge.post("/v1/bots", {"id": "sleeper"})
        assert (twice.status_code, code_of(twice)) == (409, "BOT_EXISTS")


async def test_a_call_outside_its_window_or_before_its_time_is_not_dialled_and_can_be_cancelled(tmp_path: Path):
    async with world(tmp_path, Behaviour(hangs_up_after_s=0.2)) as bridge:
        today = datetime.now(UTC).isoweekday()
        window = {"start": "00:00", "end": "24:00", "timezone": "UTC", "days": [(today + 2) % 7 + 1]}
        waiting = [await bridge.place(window=window), await bridge.place(schedule_at=LATER)]
        done = await bridge.until(await bridge.place(agent="helper", bot_id=None))
        assert done["status"] == "completed"
        assert len(bridge.dialled()) == 1
        for call_id in waiting:
            shown = (await bridge.post(f"/v1/calls/{call_id}/cancel")).json()
            assert shown["status"] == "canceled"
            again = await bridge.post(f"/v1/calls/{call_id}/cancel")
            assert (again.status_code, code_of(again)) == (409, "CALL_ENDED")
        unknown = await bridge.post("/v1/calls/call_0/cancel")
        assert (unknown.status_code, code_of(unknown)) == (404, "CALL_NOT_FOUND")


async def test_a_call_whose_time_is_over_before_it_could_be_dialled_expires(tmp_path: Path):
    async with world(tmp_path, slots=0) as bridge:
        expires = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        shown = await bridge.until(await bridge.place(expires_at=expires))
        assert shown["status"] == "expired"
        assert not bridge.dialled()


async def test_live_calls_are_transferred_prompted_and_hung_up(tmp_path: Path):
    async with world(tmp_path, Behaviour()) as bridge:
        early = await bridge.place(schedule_at=LATER)
        refused = await bridge.post(f"/v1/calls/{early}/transfer", {"to": FROM})
        assert (refused.status_code, code_of(refused)) == (409, "CALL_NOT_ANSWERED")
        call_id = await bridge.place()
        await bridge.shop.until(lambda: bridge.shop.talks and bridge.shop.talks[0].started is not None)
        bridge.worker.say(wire.Progress(call_id, wire.STARTED, {"class": "outbound"}))
        await bridge.until(call_id, "in_progress")
        assert (await bridge.post(f"/v1/calls/{call_id}/transfer", {"to": FROM})).status_code == 200
        assert (await bridge.post(f"/v1/calls/{call_id}/inject", {"text": "Say hello."})).status_code == 200
        cancelled = await bridge.post(f"/v1/calls/{call_id}/cancel")
        assert (cancelled.status_code, code_of(cancelled)) == (409, "CALL_ANSWERED")
        assert (await bridge.post(f"/v1/calls/{call_id}/hang_up")).status_code == 200
        assert (await bridge.until(call_id))["status"] == "completed"
        sent = [type(command) for command in bridge.worker.commands]
        assert sent == [wire.Transfer, wire.Inject]
        over = await bridge.post(f"/v1/calls/{call_id}/inject", {"text": "x"})
        assert (over.status_code, code_of(over)) == (409, "CALL_ENDED")


async def test_calls_are_listed_in_pages(tmp_path: Path):
    async with world(tmp_path) as bridge:
        placed = [await bridge.place(schedule_at=LATER) for _ in range(5)]
        seen: list[str] = []
        cursor = ""
        for _ in range(3):
            page = (await bridge.get(f"/v1/calls?limit=2&status=scheduled&cursor={cursor}")).json()
            seen += [call["id"] for call in page["calls"]]
            cursor = page["next_cursor"]
        assert sorted(seen) == sorted(placed)
        assert cursor == ""
        bad = await bridge.get("/v1/calls?cursor=x")
        assert (bad.status_code, code_of(bad)) == (400, "CURSOR_INVALID")


async def test_callbacks_that_are_not_the_carriers_are_refused(tmp_path: Path):
    async with world(tmp_path) as bridge:
        call_id = await bridge.place(schedule_at=LATER)
        base = f"{bridge.bridge.address}/carriers"
        form = {"CallSid": "CA1", "CallStatus": "completed"}
        for path in (
            f"/twilio/status?tag={call_id}-1&proof=0",
            f"/telnyx/status?tag={call_id}-1&proof=0",
            "/exotel/answer",
        ):
            assert (await bridge.http.post(f"{base}{path}", data=form)).status_code == 403
        assert (await bridge.http.post(f"{base}/pigeon/status", data=form)).status_code == 400
        assert (await bridge.call(call_id))["status"] == "scheduled"


async def test_events_are_signed_and_come_in_order_also_after_failures(tmp_path: Path):
    async with world(tmp_path, Behaviour(hangs_up_after_s=0.2), speed=30.0) as bridge:
        bridge.shop.status = 500
        call_id = await bridge.place(webhook_url=f"{bridge.shop.url}/status/events")
        await bridge.until(call_id)
        await bridge.shop.until(lambda: len(webhooks_at(bridge.shop)) >= 2)
        assert {event["sequence"] for event in webhooks_at(bridge.shop)} == {1}  # the first is repeated, none passes it
        bridge.shop.status = 200
        await bridge.shop.until(lambda: webhooks_at(bridge.shop)[-1]["type"] == "call.completed")
        sequences = [event["sequence"] for event in webhooks_at(bridge.shop)]
        assert sequences == sorted(sequences)
        hook = next(one for one in reversed(bridge.shop.received) if one.path == "/status/events").hook
        at_s, _, signed = hook.header("x-vox-signature").removeprefix("t=").partition(",v1=")
        assert hmac_digest("webhook-secret", f"{at_s}.".encode() + hook.body, "sha256").hex() == signed


async def test_an_event_that_is_never_taken_is_given_up_and_can_be_sent_again(tmp_path: Path):
    settings: dict[str, Any] = {"webhooks": {"allowed_private": ["127.0.0.0/8"], "secret": "s", "max_tries": 1}}
    async with world(tmp_path, Behaviour(hangs_up_after_s=0.2), **settings) as bridge:
        bridge.shop.status = 410
        call_id = await bridge.place(webhook_url=f"{bridge.shop.url}/status/events")
        await bridge.until(call_id)
        await bridge.shown_in_metrics('vox_bridge_webhooks_total{result="dead"}')
        dead = (await bridge.get("/v1/webhooks?state=dead")).json()["webhooks"]
        assert dead[0]["last_error"] == "status 410"
        bridge.shop.status = 200
        assert (await bridge.post(f"/v1/webhooks/{dead[0]['number']}/redeliver")).status_code == 204
        await bridge.shown_in_metrics('vox_bridge_webhooks_total{result="delivered"}')
        assert (await bridge.post("/v1/webhooks/999999/redeliver")).status_code == 404


async def test_results_of_calls_that_came_in_are_kept_too_and_the_fleets_list_is_a_setting(tmp_path: Path):
    async with world(tmp_path) as bridge:
        url = f"{bridge.bridge.address}/v1/results"
        result = {"session_id": "s9", "call_id": "", "bot_id": "helper", "transcript": []}
        answers = [
            (await bridge.http.post(url, json=result, headers={"x-voxcore-secret": SECRET})).json() for _ in range(2)
        ]
        assert answers == [{"status": "stored"}, {"status": "known"}]
        assert (await bridge.http.post(url, json=result)).status_code == 403
        headers = {"authorization": f"Bearer {bridge.key}"}
        path = f"{bridge.bridge.address}/v1/settings/voxcore_fleet"
        bad = await bridge.http.put(path, json={"value": ["not a url"]}, headers=headers)
        assert (bad.status_code, code_of(bad)) == (400, "SETTING_INVALID")
        assert (await bridge.http.put(path, json={"value": []}, headers=headers)).json()["value"] == []
        assert (await bridge.get("/v1/settings/none")).status_code == 404


async def test_the_documentation_describes_every_route_and_the_probes_answer(tmp_path: Path):
    async with world(tmp_path) as bridge:
        document = (await bridge.http.get(f"{bridge.bridge.address}/openapi.json")).json()
        assert {"/v1/calls", "/v1/calls/{id}/hang_up", "/v1/bots/{id}/config", "/v1/keys"} <= document["paths"].keys()
        assert not [path for path in document["paths"] if path.startswith("/carriers")]
        assert document["paths"]["/v1/calls"]["post"]["security"] == [{"key": []}]
        assert (await bridge.http.get(f"{bridge.bridge.address}/docs")).status_code == 200
        ready = (await bridge.http.get(f"{bridge.bridge.address}/ready")).json()
        assert ready == {"ready": True, "state": "ready", "checks": {"database": "ok"}}
        fleet = (await bridge.http.get(f"{bridge.bridge.address}/health/fleet")).json()
        assert fleet["fleet_max"] == 50
        assert len((await bridge.get("/v1/fleet")).json()["workers"]) == 1


async def test_a_second_bridge_on_the_file_is_refused(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'bridge.db'}"
    async with running_bridge(url, {}):
        with pytest.raises(UsageError, match="another bridge") as refused:
            async with running_bridge(url, {}):
                pass
        assert refused.value.code == "database_in_use"


async def test_a_pool_gives_each_contact_one_caller_id(tmp_path: Path):
    async with world(tmp_path) as bridge:
        pool = [f"+1555765432{digit}" for digit in range(5)]
        shown: dict[str, set[str]] = {}
        for contact in (TO, "+15551234568", "+15551234569"):
            for _ in range(3):
                call_id = await bridge.place(to=contact, pool=pool, schedule_at=LATER, **{"from": ""})
                shown.setdefault(contact, set()).add((await bridge.call(call_id))["from"])
        assert all(len(used) == 1 and used <= set(pool) for used in shown.values())


async def test_a_carrier_gets_no_more_calls_at_once_than_it_takes(tmp_path: Path):
    carriers = {"twilio": {"calls_per_second": 1000.0, "max_concurrent": 2}}
    async with world(tmp_path, Behaviour(), carriers=carriers) as bridge:
        placed = [await bridge.place() for _ in range(4)]
        await bridge.shop.until(lambda: len(bridge.shop.talks) == 2)
        live = [call for call in placed if (await bridge.call(call))["status"] not in {"queued", "scheduled"}]
        assert len(live) == 2
        assert len(bridge.dialled()) == 2
        for call_id in live:
            await bridge.post(f"/v1/calls/{call_id}/hang_up")
        await bridge.shop.until(lambda: len(bridge.shop.talks) == 4)


async def test_the_autoscale_signal_is_a_number_only_where_every_worker_was_heard(tmp_path: Path):
    async with world(tmp_path) as bridge:
        dispatcher = bridge.bridge.dispatcher
        dispatcher._known_from = inf  # as it is within the first lease of a bridge
        unknown = await bridge.get("/v1/fleet/autoscale")
        assert (unknown.status_code, code_of(unknown)) == (503, "FLEET_UNKNOWN"), "workers may still be coming back"
        assert int(unknown.headers["retry-after"]) >= 1
        await bridge.shown_in_metrics("vox_fleet_autoscale_slots NaN")
        dispatcher._known_from = 0.0
        assert (await bridge.get("/v1/fleet/autoscale?buffer=3")).json() == {"slots": 3}
        assert (await bridge.get("/v1/fleet/autoscale?buffer=-1")).status_code == 400
        await bridge.shown_in_metrics("vox_fleet_autoscale_slots 1.0")
        assert (await bridge.http.get(f"{bridge.bridge.address}/v1/fleet/autoscale")).status_code == 401
