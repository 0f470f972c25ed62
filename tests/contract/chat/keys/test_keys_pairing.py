"""Pairing: one answer, from another session of the same account, within five minutes; the payload is passed on unread."""

import asyncio
from pathlib import Path

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_keys import again, device
from tests.contract.chat.helpers_people import LateClock, outcome


@pytest.fixture
async def alice(chat: Rig) -> Person:
    return await chat.register("alice")


@pytest.fixture
async def phone(chat: Rig, alice: Person) -> Person:
    """The account on a new device."""
    return await again(chat, alice)


async def begin(person: Person, method: str = "cpace", **more: str) -> str:
    body = {"device_name": "phone", "method": method, **more}
    return (await person.ok("POST", "/keys/devices/pair", body))["pair_id"]


async def test_a_new_device_is_let_in_by_another_session_of_the_account(alice: Person, phone: Person) -> None:
    async with alice.gateway() as old, phone.gateway() as new:
        pair_id = await begin(phone, "qr", temp_public_key="cHVibGlj")
        prompt = (await old.expect("device_pair_prompt"))["d"]
        assert prompt == {
            "device_name": "phone", "ip": "127.0.0.1", "location": "127.0.0.1", "pair_id": pair_id,
            "method": "qr", "temp_public_key": "cHVibGlj",
        }  # fmt: skip
        assert (await alice.post(f"/keys/devices/pair/{pair_id}/respond", {"approved": True})).status_code == 204
        for gateway in (old, new):
            assert (await gateway.expect("cpace_confirm"))["d"] == {"pair_id": pair_id, "data": "approved"}
        for kind, gateway, other in (("isi", new, old), ("rsi", old, new), ("new_device_key", old, new)):
            step = {"cpace_type": kind, "pair_id": pair_id, "data": "b3BhcXVl", "nonce": "bm9uY2U="}
            await gateway.send("cpace_relay", step)
            told = {"pair_id": pair_id, "data": "b3BhcXVl"}
            told |= {"nonce": "bm9uY2U="} if kind == "new_device_key" else {}
            for one in (gateway, other):
                assert (await one.expect(f"cpace_{kind}"))["d"] == told


async def test_a_denied_pairing_passes_nothing_on(alice: Person, phone: Person) -> None:
    pair_id = await begin(phone)
    async with phone.gateway() as new:
        assert (await alice.post(f"/keys/devices/pair/{pair_id}/respond", {"approved": False})).status_code == 204
        assert (await new.expect("cpace_confirm"))["d"]["data"] == "denied"
        await new.send("cpace_relay", {"cpace_type": "isi", "pair_id": pair_id, "data": "x"})
        assert (await new.expect("error"))["d"]["code"] == "PAIRING_NOT_FOUND"


async def test_the_device_that_asks_cannot_let_itself_in(phone: Person) -> None:
    pair_id = await begin(phone)
    assert outcome(await phone.post(f"/keys/devices/pair/{pair_id}/respond", {"approved": True})) == (403, "FORBIDDEN")


async def test_only_the_account_itself_answers_or_learns_of_a_pairing(chat: Rig, phone: Person) -> None:
    mallory = await chat.register("mallory")
    async with mallory.gateway() as spy:
        pair_id = await begin(phone)
        reply = await mallory.post(f"/keys/devices/pair/{pair_id}/respond", {"approved": True})
        assert outcome(reply) == (404, "PAIRING_NOT_FOUND")
        await spy.send("cpace_relay", {"cpace_type": "isi", "pair_id": pair_id, "data": "x"})
        assert (await spy.expect("error"))["d"]["code"] == "PAIRING_NOT_FOUND"
        assert not [one for one in await spy.events() if one["type"].startswith(("device", "cpace"))]
    for unknown in ("pair_" + "x" * 22, "x"):
        reply = await mallory.post(f"/keys/devices/pair/{unknown}/respond", {"approved": True})
        assert outcome(reply) == (404, "PAIRING_NOT_FOUND")


async def test_a_pairing_has_one_answer_whoever_answers_at_once(chat: Rig, alice: Person, phone: Person) -> None:
    tablet = await again(chat, alice)
    pair_id = await begin(phone)
    path = f"/keys/devices/pair/{pair_id}/respond"
    async with phone.gateway() as new:
        replies = await asyncio.gather(
            *(one.post(path, {"approved": approved}) for one in (alice, tablet) for approved in (True, False))
        )
        assert sorted(reply.status_code for reply in replies) == [204, 409, 409, 409]
        assert {outcome(reply)[1] for reply in replies} == {"", "PAIRING_ANSWERED"}
        assert [one["type"] for one in await new.events()].count("cpace_confirm") == 1


async def test_a_pairing_expires_after_five_minutes(database_url: str, tmp_path: Path) -> None:
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock) as rig:
        alice = await rig.register("alice")
        phone = await again(rig, alice)
        late, in_time = await begin(phone), await begin(phone)
        clock.advance(295)
        assert (await alice.post(f"/keys/devices/pair/{in_time}/respond", {"approved": True})).status_code == 204
        clock.advance(10)
        reply = await alice.post(f"/keys/devices/pair/{late}/respond", {"approved": True})
        assert outcome(reply) == (404, "PAIRING_NOT_FOUND")
        async with alice.gateway() as gateway:
            await gateway.send("cpace_relay", {"cpace_type": "rsi", "pair_id": in_time, "data": "x"})
            assert (await gateway.expect("error"))["d"]["code"] == "PAIRING_NOT_FOUND"


async def test_prompts_do_not_pile_up(alice: Person, phone: Person) -> None:
    for _ in range(5):
        await begin(phone)
    reply = await phone.post("/keys/devices/pair", {"device_name": "phone", "method": "cpace"})
    assert outcome(reply) == (429, "RATE_LIMITED")
    assert 0 < reply.json()["error"]["retry_after_ms"] <= 300_000


async def test_the_login_of_a_removed_device_answers_no_pairing(chat: Rig, alice: Person, phone: Person) -> None:
    lost = await again(chat, alice)
    await device(lost, "lost")
    await alice.ok("DELETE", "/keys/devices/lost")
    async with lost.gateway() as gone, alice.gateway() as old:
        pair_id = await begin(phone)
        await old.expect("device_pair_prompt")
        assert "device_pair_prompt" not in [one["type"] for one in await gone.events()]
    assert outcome(await lost.post(f"/keys/devices/pair/{pair_id}/respond", {"approved": True})) == (403, "FORBIDDEN")


async def test_a_pairing_of_no_known_form_is_refused(alice: Person) -> None:
    bodies: list[dict[str, str]] = [
        {"device_name": "x", "method": "nfc"},
        {"device_name": "x" * 65, "method": "qr"},
        {"method": "qr"},
        {"device_name": "x", "method": "qr", "temp_public_key": "no base64!"},
    ]
    for body in bodies:
        assert outcome(await alice.post("/keys/devices/pair", body)) == (422, "VALIDATION_ERROR"), body


async def test_names_that_clients_made_up_are_passed_to_the_own_sessions_as_before(chat: Rig, alice: Person) -> None:
    bob = await chat.register("bob")
    async with alice.gateway() as own, bob.gateway() as other:
        await own.send("cpace_relay", {"cpace_type": "isi", "pair_id": "p1", "data": {"any": "thing"}})
        assert (await own.expect("cpace_isi"))["d"] == {"pair_id": "p1", "data": {"any": "thing"}}
        assert not [one for one in await other.events() if one["type"].startswith("cpace")]
