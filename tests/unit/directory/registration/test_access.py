"""Attacks on the directory, and what it answers; where probes are needed on virtual time (virtual_loop)."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.unit.directory.harness import SYDNEY, rig
from tests.unit.directory.helpers_access import KEYS, SIGNED, bearer, registration, signed
from vox.protocols.relay_directory import CHALLENGE_HEADER, challenge_message, key_change_message
from vox.security.http_signatures import KeyPair, new_key_pair, sign_bytes


async def test_the_open_mode_is_for_the_private_network_only(tmp_path):
    async with rig(tmp_path, peer="203.0.113.7") as it:
        answer = await it.http.post("/v1/relays/register", json=SYDNEY)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
        assert (await it.http.get("/v1/relays")).status_code == 200


async def test_a_page_in_a_browser_inside_the_network_changes_nothing(tmp_path):
    async with rig(tmp_path) as it:
        answer = await it.http.post("/v1/relays/register", json=SYDNEY, headers={"origin": "https://evil.example.com"})
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


async def test_keys_are_asked_for_and_recognised(tmp_path):
    async with rig(tmp_path, KEYS) as it:
        nobody = await it.http.post("/v1/relays/register", json=SYDNEY)
        wrong = await it.http.post("/v1/relays/register", json=SYDNEY, headers=bearer("eve"))
        right = await it.http.post("/v1/relays/register", json=SYDNEY, headers={"x-api-key": "alice-0123456789abcdef"})
    assert [one.status_code for one in (nobody, wrong, right)] == [401, 401, 201]
    assert nobody.json()["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize(("method", "action"), [("POST", "/heartbeat"), ("POST", "/drain"), ("DELETE", "")])
async def test_a_relay_obeys_its_owner_and_administrators_only(tmp_path, method: str, action: str):
    async with rig(tmp_path, KEYS) as it:
        relay = await it.register(SYDNEY, headers=bearer("alice"))
        path = f"/v1/relays/{relay['id']}{action}"
        stranger = await it.http.request(method, path, headers=bearer("bob"))
        nobody = await it.http.request(method, path)
        assert (stranger.status_code, stranger.json()["code"]) == (403, "NOT_THE_OWNER")
        assert nobody.status_code == 401
        assert (await it.http.request(method, path, headers=bearer("admin"))).status_code == 200


async def test_nobody_takes_over_an_address(tmp_path):
    async with rig(tmp_path, KEYS) as it:
        first = await it.register(SYDNEY, headers=bearer("alice"))
        answer = await it.http.post("/v1/relays/register", json={**SYDNEY, "public_key": "evil"}, headers=bearer("bob"))
        assert (answer.status_code, answer.json()["code"]) == (409, "RELAY_URL_TAKEN")
        [shown] = (await it.http.get("/v1/relays")).json()["relays"]
    assert (shown["id"], shown["public_key"]) == (first["id"], SYDNEY["public_key"])


async def test_a_signed_relay_registers_and_speaks_for_itself(tmp_path):
    pair = new_key_pair()
    async with rig(tmp_path, SIGNED) as it:
        answer = await it.http.request(**registration(pair))
        assert answer.status_code == 201, answer.text
        path = f"/v1/relays/{answer.json()['id']}/heartbeat"
        assert (await it.http.request(**signed(pair, "POST", path))).status_code == 200
        assert (await it.http.request(**registration(pair, name="again"))).status_code == 200


async def test_a_signature_is_good_once_for_its_own_request_and_not_for_long(tmp_path):
    pair, other = new_key_pair(), new_key_pair()
    async with rig(tmp_path, SIGNED) as it:
        relay = (await it.http.request(**registration(pair))).json()
        beat = f"/v1/relays/{relay['id']}/heartbeat"
        once = signed(pair, "POST", beat)
        stale = signed(pair, "POST", beat, age_s=120)
        elsewhere: dict[str, Any] = {
            **signed(pair, "POST", beat),
            "method": "DELETE",
            "url": f"/v1/relays/{relay['id']}",
        }
        tampered: dict[str, Any] = {**signed(pair, "POST", beat), "content": b'{"draining":true}'}
        answers = [
            await it.http.request(**request)
            for request in (once, once, stale, elsewhere, tampered, signed(other, "POST", beat))
        ]
        unsigned = await it.http.post(beat)
    codes = [answer.json().get("code", "") for answer in answers]
    assert codes == ["", "SIGNATURE_REPLAYED", "SIGNATURE_EXPIRED", *["BAD_SIGNATURE"] * 3]
    assert [answer.status_code for answer in answers] == [200, *[401] * 5]
    assert unsigned.status_code == 401


async def test_a_key_in_a_registration_must_have_signed_it(tmp_path):
    mine, theirs = new_key_pair(), new_key_pair()
    body = {**SYDNEY, "signing_key": theirs.public}
    async with rig(tmp_path, SIGNED) as it:
        answer = await it.http.request(**signed(mine, "POST", "/v1/relays/register", body))
        bad = await it.http.post("/v1/relays/register", json={**SYDNEY, "signing_key": "no key"})
    assert (answer.status_code, answer.json()["code"]) == (401, "BAD_SIGNATURE")
    assert (bad.status_code, bad.json()["code"]) == (400, "INVALID_PUBLIC_KEY")


async def test_a_pinned_relay_is_not_taken_over_in_the_open_mode_either(tmp_path):
    pair, thief = new_key_pair(), new_key_pair()
    async with rig(tmp_path) as it:
        relay = (await it.http.request(**registration(pair))).json()
        path = f"/v1/relays/{relay['id']}"
        assert (await it.http.delete(path)).status_code == 401
        assert (await it.http.post("/v1/relays/register", json=SYDNEY)).status_code == 409
        assert (await it.http.request(**registration(thief))).status_code == 409


async def test_a_signed_relay_proves_that_the_address_is_its_own(tmp_path, virtual_clock):
    pair, thief = new_key_pair(), new_key_pair()

    def answering(with_key: KeyPair):
        def answer(headers: dict[str, str]) -> tuple[int, bytes]:
            message = challenge_message(str(SYDNEY["url"]), headers[CHALLENGE_HEADER])
            body = {"status": "ok", "challenge_signature": sign_bytes(with_key.private, message)}
            return 200, msgspec.json.encode(body)

        return answer

    async with rig(tmp_path, {**SIGNED, "health_check": {"interval_ms": 1000}}, clock=virtual_clock) as it:
        await it.http.request(**registration(pair))
        probe = "https://sydney.example.com/_health"
        for impostor in ((200, b"OK"), (200, b"{}"), answering(thief)):
            it.internet.answers[probe] = impostor
            await asyncio.sleep(3)
            assert await it.listed() == []
        it.internet.answers[probe] = answering(pair)
        await asyncio.sleep(5)
        assert await it.listed() == ["Sydney"]


@pytest.mark.parametrize(
    "url",
    [
        "wss://127.0.0.1",
        "ws://localhost:8090",
        "https://169.254.169.254/latest/meta-data",
        "wss://10.0.0.1",
        "wss://[::1]",
        "wss://[::ffff:127.0.0.1]",
        "wss://[fe80::1]",
        "wss://0.0.0.0",
        "wss://100.64.0.1",
        "wss://[64:ff9b::7f00:1]",
        "wss://trap.internal.example.com",
    ],
)
async def test_internal_addresses_are_not_registered(tmp_path, url: str):
    config = {"health_check": {"enabled": True, "interval_ms": 30_000}}
    async with rig(tmp_path, config) as it:
        if "localhost" in url:
            it.directory.prober.guard._resolver = _loopback
        answer = await it.http.post("/v1/relays/register", json={**SYDNEY, "url": url})
        assert (answer.status_code, answer.json()["code"]) == (400, "URL_REFUSED")
        assert it.internet.asked == []


REFUSED = (
    b'{"error":"The url is refused: its host is unknown, or not all of its addresses are public. For relays in a private'
    b' network the directory\'s operator sets outbound.allowed_private","code":"URL_REFUSED"}'
)


async def test_what_is_inside_and_what_is_nowhere_look_the_same_from_outside(tmp_path):
    hosts = ["10.0.0.1", "127.0.0.1", "localhost", "169.254.169.254", "[::1]", "vault.internal.example.com"]
    hosts += ["nobody.unknown.example.com", "slow.example.com"]
    async with rig(tmp_path, {"health_check": {"enabled": True}}) as it:
        answers = [
            await it.http.post("/v1/relays/register", json={**SYDNEY, "url": f"wss://{host}"}) for host in hosts[:-1]
        ]
        it.directory.prober.guard._resolver = _late
        answers.append(await it.http.post("/v1/relays/register", json={**SYDNEY, "url": f"wss://{hosts[-1]}"}))
        assert len(it.directory.registry) == 0
    assert {(answer.status_code, answer.content) for answer in answers} == {(400, REFUSED)}
    assert len({frozenset(answer.headers.keys()) for answer in answers}) == 1


async def test_an_administrator_is_told_why_a_url_is_refused_and_what_helps(tmp_path):
    access = {"admin_key": "k" * 32}
    async with rig(tmp_path, {"health_check": {"enabled": True}, "access": access}) as it:
        headers = {"authorization": f"Bearer {'k' * 32}"}

        async def said(host: str) -> str:
            body = {**SYDNEY, "url": f"wss://{host}"}
            return (await it.http.post("/v1/relays/register", json=body, headers=headers)).json()["error"]

        assert "outbound.allowed_private" in await said("10.0.0.1")
        assert "DNS" in await said("nobody.unknown.example.com")


async def _late(host: str, port: int) -> list[str]:
    raise TimeoutError


async def test_two_relays_live_at_one_address_and_no_more(tmp_path):
    config = {"health_check": {"enabled": True}, "access": {"mode": "open", "admin_key": "admin-0123456789abcdef"}}
    async with rig(tmp_path, config) as it:

        async def register(host: str, **options: Any) -> tuple[int, str]:
            body = {**SYDNEY, "url": f"wss://{host}"}
            answer = await it.http.post("/v1/relays/register", json=body, **options)
            return answer.status_code, answer.json().get("code", "")

        assert await register("one.farm.example.com") == (201, "")
        assert await register("two.farm.example.com") == (201, "")
        assert await register("three.farm.example.com") == (409, "ADDRESS_FULL")
        assert await register("one.farm.example.com") == (200, "")  # it is there already
        assert await register("elsewhere.example.com") == (201, "")
        assert await register("four.farm.example.com", headers=bearer("admin")) == (201, "")
        first = it.directory.registry.at_url("wss://one.farm.example.com")
        assert first is not None
        await it.http.delete(f"/v1/relays/{first.id}")
        await it.directory.registration.remove(it.directory.registry.at_url("wss://four.farm.example.com").id)  # type: ignore[union-attr]
        assert await register("three.farm.example.com") == (201, "")


async def test_after_a_restart_two_relays_at_one_address_are_still_enough(tmp_path, virtual_clock):
    hosts = ["one.farm.example.com", "two.farm.example.com"]
    config = {"health_check": {"interval_ms": 30_000}}
    for _ in range(2):
        async with rig(tmp_path, config, clock=virtual_clock) as it:
            it.internet.address = "93.184.215.14"
            it.internet.answers = {f"https://{host}/_health": (200, b"OK") for host in hosts}
            for host in [] if len(it.directory.registry) else hosts:
                await it.register({**SYDNEY, "url": f"wss://{host}"})
            await asyncio.sleep(60)
    async with rig(tmp_path, config, clock=virtual_clock) as it:
        it.internet.address = "93.184.215.14"
        it.internet.answers = {f"https://{host}/_health": (200, b"OK") for host in hosts}
        await asyncio.sleep(60)
        answer = await it.http.post("/v1/relays/register", json={**SYDNEY, "url": "wss://three.farm.example.com"})
        assert (answer.status_code, answer.json()["code"]) == (409, "ADDRESS_FULL")
        it.internet.address = "93.184.215.99"  # they move elsewhere
        await asyncio.sleep(60)
        await it.register({**SYDNEY, "url": "wss://three.farm.example.com"})


async def test_ports_and_addresses_of_one_customer_are_one_address(tmp_path):
    async with rig(tmp_path) as it:
        urls = ["wss://a.example.com:1", "wss://a.example.com:2", "wss://a.example.com:3"]
        urls += ["wss://[2600::1]", "wss://[2600::2:1]", "wss://[2600::3:1]", "wss://[2600:0:0:1::1]"]
        urls += [f"ws://10.0.0.1:{port}" for port in (1, 2, 3)]  # private: the operator let them in
        codes = [(await it.http.post("/v1/relays/register", json={**SYDNEY, "url": url})).status_code for url in urls]
    assert codes == [201, 201, 409, 201, 201, 409, 201, 201, 201, 201]


async def test_a_relay_changes_its_key_with_the_old_one(tmp_path):
    old, new, thief = new_key_pair(), new_key_pair(), new_key_pair()
    async with rig(tmp_path, SIGNED) as it:
        relay = (await it.http.request(**registration(old))).json()
        path = f"/v1/relays/{relay['id']}/key"

        def change(by: KeyPair, to: KeyPair, proven_by: KeyPair) -> dict[str, Any]:
            proof = sign_bytes(proven_by.private, key_change_message(relay["id"], to.public))
            return signed(by, "POST", path, {"signing_key": to.public, "proof": proof})

        by_thief = await it.http.request(**change(thief, thief, thief))
        not_held = await it.http.request(**change(old, new, old))
        assert [(one.status_code, one.json()["code"]) for one in (by_thief, not_held)] == [(401, "BAD_SIGNATURE")] * 2
        assert (await it.http.request(**change(old, new, new))).status_code == 200
        beat = f"/v1/relays/{relay['id']}/heartbeat"
        answers = [await it.http.request(**signed(pair, "POST", beat)) for pair in (old, new)]
        assert [answer.status_code for answer in answers] == [401, 200]
        again = await it.http.request(**registration(new))
        assert (again.status_code, again.json()["id"]) == (200, relay["id"])


async def _loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


async def test_too_many_changes_are_told_to_wait(tmp_path):
    async with rig(tmp_path, {"access": {"changes_per_minute": 60}}) as it:
        answers = [await it.http.post("/v1/relays/nobody/heartbeat") for _ in range(21)]
    assert [answer.status_code for answer in answers] == [404] * 20 + [429]
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].json()["code"] == "RATE_LIMITED"


async def test_a_long_body_is_refused(tmp_path):
    async with rig(tmp_path) as it:
        answer = await it.http.post("/v1/relays/register", content=b"x" * 20_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


async def test_relays_behind_one_address_do_not_use_up_each_others_heartbeats(tmp_path):
    async with rig(tmp_path, {"access": {"changes_per_minute": 60}}) as it:
        relays = [await it.register({**SYDNEY, "url": f"wss://r{number}.example.com"}) for number in range(5)]
        answers = [await it.http.post(f"/v1/relays/{relay['id']}/heartbeat") for _ in range(10) for relay in relays]
    assert {answer.status_code for answer in answers} == {200}


async def test_addresses_of_one_ipv6_network_share_their_rate(tmp_path):
    config = {"access": {"changes_per_minute": 60}}
    async with rig(tmp_path, config) as it:

        async def beat(peer: str) -> int:
            it.http._transport.client = (peer, 1)  # type: ignore[attr-defined]
            return (await it.http.post("/v1/relays/nobody/heartbeat")).status_code

        found = [await beat(f"2001:db8::{1 + number % 2}") for number in range(21)]
        assert found == [404] * 20 + [429]
        assert await beat("2001:db8::ffff:1") == 429
        assert await beat("2001:db8:0:1::1") == 404
        assert [await beat("::ffff:192.0.2.1") for _ in range(20)] == [404] * 20
        assert await beat("192.0.2.1") == 429
        assert await beat("192.0.2.2") == 404


@pytest.mark.parametrize("mode", ["open", "signed", "approval"])
async def test_what_a_relay_signed_for_another_directory_does_nothing_here(tmp_path, mode: str):
    pair = new_key_pair()
    async with rig(tmp_path, {"access": {"mode": mode}}) as it:
        relay = (await it.http.request(**registration(pair))).json()
        path = f"/v1/relays/{relay['id']}"
        for method, action in (("POST", "/heartbeat"), ("POST", "/drain"), ("DELETE", "")):
            for host in ("directory.evil:443", "directory.test:81", "directory.test.evil", "10.0.0.1"):
                replayed = signed(pair, method, path + action, authority=host)
                replayed["headers"]["host"] = host
                answer = await it.http.request(**replayed)
                assert (answer.status_code, answer.json()["code"]) == (401, "BAD_SIGNATURE"), host
        assert (await it.http.request(**signed(pair, "POST", f"{path}/heartbeat"))).status_code == 200


async def test_a_directory_that_knows_its_name_takes_requests_to_it_only(tmp_path):
    pair = new_key_pair()
    config = {**SIGNED, "server": {"public_url": "https://relays.example.com/"}}
    async with rig(tmp_path, config) as it:
        body = {**SYDNEY, "signing_key": pair.public}
        here = signed(pair, "POST", "/v1/relays/register", body, authority="relays.example.com")
        elsewhere = signed(pair, "POST", "/v1/relays/register", body)
        assert (await it.http.request(**elsewhere)).status_code == 401
        assert (await it.http.request(**here)).status_code == 201
