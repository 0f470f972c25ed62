"""How relays join that nobody knows yet: with a token that is good once, or when an operator approves; on virtual time (virtual_loop) where time
matters."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.directory.harness import LONDON, SYDNEY, Rig, rig
from tests.unit.directory.helpers_access import KEYS, bearer, registration, signed
from tests.unit.directory.helpers_api import agree, stream
from vox.directory.database import audit_log, enrolment, join_tokens
from vox.protocols.relay_directory import CHALLENGE_HEADER, challenge_message
from vox.security.http_signatures import KeyPair, fingerprint, new_key_pair, sign_bytes

TOKEN = {"access": {"mode": "token", "admin_key": "admin-0123456789abcdef"}}
APPROVAL = {"access": {"mode": "approval", "admin_key": "admin-0123456789abcdef"}}
ADMIN = bearer("admin")


async def token(it: Rig, **body: Any) -> str:
    answer = await it.http.post("/v1/join-tokens", json=body, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    return answer.json()["token"]


async def join(it: Rig, pair: KeyPair, **change: Any) -> tuple[int, str]:
    """Status, and the code of an error or else the relay's id."""
    answer = await it.http.request(**registration(pair, **change))
    return answer.status_code, answer.json().get("code") or answer.json()["id"]


async def actions(it: Rig) -> list[str]:
    return [one.action for one in await it.directory.database.write(audit_log.entries)]


async def test_a_join_token_lets_one_relay_in_and_no_other(tmp_path):
    first, second = new_key_pair(), new_key_pair()
    other = {"url": LONDON["url"]}
    async with rig(tmp_path, TOKEN) as it:
        good = await token(it, note="Sydney")
        assert await join(it, first) == (403, "JOIN_TOKEN_REFUSED")
        assert await join(it, first, join_token="vox_join_guessed") == (403, "JOIN_TOKEN_REFUSED")
        status, relay_id = await join(it, first, join_token=good)
        assert status == 201
        assert await join(it, second, join_token=good, **other) == (403, "JOIN_TOKEN_REFUSED")
        assert await join(it, first, name="again") == (200, relay_id)  # the first answer may have been lost
        beat = await it.http.request(**signed(first, "POST", f"/v1/relays/{relay_id}/heartbeat"))
        assert beat.status_code == 200
        entries = await it.directory.database.write(audit_log.entries)
    assert [one.action for one in entries] == ["renew", "register", "token"]
    assert entries[1].detail.startswith(fingerprint(first.public))
    assert entries[2].detail.rpartition(" ")[2] in entries[1].detail
    assert (entries[2].actor, good in repr(entries)) == ("key:admin", False)


async def test_two_that_come_with_one_token_at_once_are_not_both_let_in(tmp_path):
    async with rig(tmp_path, TOKEN) as it:
        good = await token(it)
        asking = [join(it, new_key_pair(), join_token=good, url=f"wss://r{n}.example.com") for n in range(8)]
        answers = await asyncio.gather(*asking)
    assert sorted(status for status, _ in answers) == [201] + [403] * 7


async def test_a_join_token_expires_and_can_be_deleted(tmp_path):
    clock, pair = FakeClock(), new_key_pair()
    async with rig(tmp_path, TOKEN, clock=clock) as it:
        short = await token(it, ttl_ms=60_000, note="short")
        clock.advance(1.0)
        deleted = await token(it, note="deleted")
        shown = (await it.http.get("/v1/join-tokens", headers=ADMIN)).json()
        assert [one["note"] for one in shown["join_tokens"]] == ["short", "deleted"]
        assert short not in str(shown)
        path = f"/v1/join-tokens/{shown['join_tokens'][1]['id']}"
        assert [(await it.http.delete(path, headers=ADMIN)).status_code for _ in range(2)] == [200, 404]
        assert await join(it, pair, join_token=deleted) == (403, "JOIN_TOKEN_REFUSED")
        clock.advance(60.0)
        body = {**SYDNEY, "signing_key": pair.public, "join_token": short}
        late = await it.http.request(**signed(pair, "POST", "/v1/relays/register", body, age_s=-60))
        assert (late.status_code, late.json()["code"]) == (403, "JOIN_TOKEN_REFUSED")
        assert (await it.http.get("/v1/join-tokens", headers=ADMIN)).json()["count"] == 0


async def test_the_text_of_a_join_token_is_nowhere_in_the_database(tmp_path):
    async with rig(tmp_path, TOKEN) as it:
        good = await token(it)
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert good.encode() not in kept
    assert join_tokens.digest(good).encode() in kept


async def test_join_tokens_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(join_tokens, "MAX_TOKENS", 2)
    async with rig(tmp_path, TOKEN) as it:
        answers = [await it.http.post("/v1/join-tokens", headers=ADMIN) for _ in range(3)]
    assert [one.status_code for one in answers] == [201, 201, 409]
    assert answers[2].json()["code"] == "TOO_MANY_JOIN_TOKENS"


@pytest.mark.parametrize("mode", ["open", "keys", "token", "approval"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/join-tokens"),
        ("GET", "/v1/join-tokens"),
        ("DELETE", "/v1/join-tokens/1"),
        ("GET", "/v1/relays/waiting"),
        ("POST", "/v1/relays/nobody/approve"),
        ("POST", "/v1/relays/nobody/refuse"),
    ],
)
async def test_only_administrators_decide_who_joins(tmp_path, mode: str, method: str, path: str):
    access = {"access": {**KEYS["access"], "mode": mode}}
    async with rig(tmp_path, access) as it:
        nobody = await it.http.request(method, path)
        alice = await it.http.request(method, path, headers=bearer("alice"))
    assert (nobody.status_code, nobody.json()["code"]) == (401, "UNAUTHORIZED")
    assert (alice.status_code, alice.json()["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize("body", [{"ttl_ms": 1}, {"ttl_ms": 31 * 86_400_000}, {"note": "x" * 201}, {"note": "a\nb"}])
async def test_a_wrong_join_token_is_not_made(tmp_path, body: dict[str, Any]):
    async with rig(tmp_path, TOKEN) as it:
        answer = await it.http.post("/v1/join-tokens", json=body, headers=ADMIN)
    assert (answer.status_code, [one["path"] for one in answer.json()["errors"]]) == (400, list(body))


@pytest.mark.parametrize("mode", [TOKEN, APPROVAL])
async def test_an_api_key_needs_neither_token_nor_approval_and_nobody_comes_without_any(tmp_path, mode: dict[str, Any]):
    async with rig(tmp_path, mode) as it:
        nobody = await it.http.post("/v1/relays/register", json=SYDNEY)
        assert (nobody.status_code, nobody.json()["code"]) == (401, "UNAUTHORIZED")
        assert "approval" not in await it.register(SYDNEY, headers=ADMIN)
        assert await it.listed() == ["Sydney"]


async def test_nothing_is_looked_up_for_a_stranger_without_a_token(tmp_path):
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["93.184.215.14"]

    async with rig(tmp_path, {**TOKEN, "health_check": {"enabled": True}}) as it:
        it.directory.prober.guard._resolver = resolve  # type: ignore[attr-defined]
        assert (await join(it, new_key_pair()))[0] == 403
    assert asked == []


async def test_a_relay_waits_until_an_operator_approves(tmp_path):
    pair = new_key_pair()
    async with rig(tmp_path, APPROVAL) as it:
        answer = (await it.http.request(**registration(pair))).json()
        assert (answer["healthy"], answer["state"], answer["approval"]) == (False, "pending", "waiting")
        path = f"/v1/relays/{answer['id']}"
        assert await it.listed() == []
        assert (await it.http.get("/v1/relays/select")).json()["code"] == "NO_RELAY_AVAILABLE"
        assert (await it.http.request(**registration(pair, name="Sydney 2"))).json()["approval"] == "waiting"
        beat = await it.http.request(**signed(pair, "POST", f"{path}/heartbeat", {"current_connections": 1}))
        assert beat.status_code == 200
        shown = (await it.http.get("/v1/relays/waiting", headers=ADMIN)).json()
        assert (shown["count"], shown["relays"][0]["key_id"]) == (1, fingerprint(pair.public))
        metrics = (await it.http.get("/metrics")).text
        assert 'vox_directory_relays{state="waiting"} 1' in metrics
        by_itself = await it.http.request(**signed(pair, "POST", f"{path}/approve"))
        assert by_itself.status_code in {401, 403}
        approved = await it.http.post(f"{path}/approve", headers=ADMIN)
        assert (approved.status_code, approved.json()["state"], "approval" in approved.json()) == (
            200,
            "healthy",
            False,
        )
        assert await it.listed() == ["Sydney 2"]
        assert (await it.http.post(f"{path}/approve", headers=ADMIN)).status_code == 200  # twice is once
        assert (await it.http.post(f"{path}/refuse", headers=ADMIN)).json()["code"] == "RELAY_NOT_WAITING"
        assert (await actions(it)).count("approve") == 1


async def test_who_waits_and_who_was_approved_is_known_after_a_restart(tmp_path):
    waiting, approved = new_key_pair(), new_key_pair()
    async with rig(tmp_path, APPROVAL) as it:
        await join(it, waiting)
        _, relay_id = await join(it, approved, url=LONDON["url"], name="London")
        await it.http.post(f"/v1/relays/{relay_id}/approve", headers=ADMIN)
    async with rig(tmp_path, APPROVAL) as it:
        assert await it.listed() == ["London"]
        assert (await it.http.get("/v1/relays/waiting", headers=ADMIN)).json()["relays"][0]["name"] == "Sydney"


async def test_a_refused_relay_does_not_come_back_by_asking_again(tmp_path):
    pair = new_key_pair()
    async with rig(tmp_path, APPROVAL) as it:
        _, relay_id = await join(it, pair)
        answer = await it.http.post(f"/v1/relays/{relay_id}/refuse", json={"reason": "who is it?"}, headers=ADMIN)
        assert (answer.status_code, answer.json()) == (200, {"status": "refused"})
        assert (await it.http.get(f"/v1/relays/{relay_id}/status")).status_code == 404
        assert await join(it, pair) == (403, "ENROLMENT_REFUSED")
        [entry, *_] = await it.directory.database.write(audit_log.entries)
        assert (entry.action, entry.actor, entry.detail) == ("refuse", "key:admin", "who is it?")
        assert (await join(it, new_key_pair()))[0] == 201  # another key at that address is another relay


@pytest.mark.parametrize(("mode", "code"), [(TOKEN, "JOIN_TOKEN_REFUSED"), (APPROVAL, "")])
async def test_a_dead_relay_that_had_joined_comes_back_and_a_deleted_one_begins_anew(tmp_path, mode: Any, code: str):
    pair = new_key_pair()
    async with rig(tmp_path, mode) as it:
        extra = {"join_token": await token(it)}
        _, relay_id = await join(it, pair, **extra)
        await it.http.post(f"/v1/relays/{relay_id}/approve", headers=ADMIN)
        await it.directory.registration.remove(relay_id)
        assert await join(it, pair) == (201, relay_id)
        assert await it.listed() == ["Sydney"]
        await it.http.delete(f"/v1/relays/{relay_id}", headers=ADMIN)
        assert await join(it, pair) == ((403, code) if code else (201, relay_id))
        assert await it.listed() == []


async def test_a_dead_relay_that_waited_waits_again(tmp_path):
    pair = new_key_pair()
    async with rig(tmp_path, APPROVAL) as it:
        _, relay_id = await join(it, pair)
        await it.directory.registration.remove(relay_id)
        assert (await join(it, pair))[0] == 201
        assert await it.listed() == []


async def test_strangers_that_fail_together_do_not_make_the_directory_doubt_itself(tmp_path, virtual_clock):
    config = {**APPROVAL, "health_check": {"interval_ms": 30_000, "timeout_ms": 5000}}
    async with rig(tmp_path, config, clock=virtual_clock) as it:
        for number in range(8):
            pair, host = new_key_pair(), f"r{number}.example.com"
            it.internet.answers[f"https://{host}/_health"] = well(pair, f"wss://{host}")
            assert (await join(it, pair, url=f"wss://{host}"))[0] == 201
        it.internet.answers["https://sydney.example.com/_health"] = (200, b"OK")
        await it.register(SYDNEY, headers=ADMIN)
        await asyncio.sleep(120)
        waiting = (await it.http.get("/v1/relays/waiting", headers=ADMIN)).json()["relays"]
        assert [one["reachable"] for one in waiting] == [True] * 8
        assert await it.listed() == ["Sydney"]
        it.internet.answers.clear()
        await asyncio.sleep(200)
        assert await it.listed() == []


def well(pair: KeyPair, url: str) -> Callable[[dict[str, str]], tuple[int, bytes]]:
    """A relay that proves that the address is its own."""

    def answer(headers: dict[str, str]) -> tuple[int, bytes]:
        signature = sign_bytes(pair.private, challenge_message(url, headers[CHALLENGE_HEADER]))
        return 200, json.dumps({"challenge_signature": signature}).encode()

    return answer


async def test_no_more_relays_wait_than_operators_can_read(tmp_path, monkeypatch):
    monkeypatch.setattr(enrolment, "MAX_WAITING", 1)
    async with rig(tmp_path, APPROVAL) as it:
        assert (await join(it, new_key_pair()))[0] == 201
        refused = await it.http.request(**registration(new_key_pair(), url=LONDON["url"]))
    assert (refused.status_code, refused.json()["code"]) == (503, "TOO_MANY_WAITING")
    assert refused.headers["retry-after"] == "600"


async def test_what_a_waiting_relay_calls_itself_is_told_to_nobody(tmp_path, virtual_clock):
    pair = new_key_pair()
    async with rig(tmp_path, APPROVAL, clock=virtual_clock) as it:
        _, relay_id = await join(it, pair, name="Buy here")
        events = stream(it).listen()
        assert b"Buy here" not in await anext(events)
        await it.http.request(**signed(pair, "POST", f"/v1/relays/{relay_id}/heartbeat", {"draining": True}))
        assert b"Buy here" not in await anext(events)
        await it.http.post(f"/v1/relays/{relay_id}/approve", headers=ADMIN)
        assert b"Buy here" in await anext(events)
        await events.aclose()


async def test_administrators_are_answered_as_the_api_describes(tmp_path):
    async with rig(tmp_path, APPROVAL) as it:
        await token(it)
        await join(it, new_key_pair())
        document = (await it.http.get("/openapi.json")).json()
        for path in ("/v1/join-tokens", "/v1/relays/waiting"):
            answer = (await it.http.get(path, headers=ADMIN)).json()
            schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            agree(schema, answer)
        made = (await it.http.post("/v1/join-tokens", headers=ADMIN)).json()
        described = document["paths"]["/v1/join-tokens"]["post"]["responses"]["201"]["content"]["application/json"]
        agree(described["schema"], made)
