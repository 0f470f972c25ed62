"""Two real servers federate through nginx with TLS under different names, and survive each other's worst days."""

import asyncio
from pathlib import Path

from tests.contract.chat.harness import API
from tests.e2e.chats import bearer, gateway
from tests.e2e.federation import bad_peer, clock_set_back, town
from tests.time_limits import time_limit


async def test_two_servers_federate_through_nginx_and_survive_each_others_death(tmp_path: Path):
    async with town(tmp_path, "red.test", "blue.test") as here:
        async with here.chat("red.test") as red, here.chat("blue.test") as blue:
            await red.settle()
            await blue.settle()
            alice, bob = await red.join("alice"), await blue.join("bob")
            dm_id = await red.open_dm(alice, "bob@blue.test")
            async with gateway(blue.running.gateway, bob["token"]) as hears:
                await red.call(alice, "POST", f"/dms/{dm_id}/messages", {"body": "1"})
                event = await hears.expect("message_create", body="1")
            await blue.call(bob, "POST", f"/dms/{event['d']['dm_id']}/messages", {"body": "2"})
            await red.until_bodies(alice, ["1", "2"])
            joined = await red.call(alice, "POST", "/federation/join-request", {"target_domain": "blue.test"})
            ticket = {"federation_token": joined["federation_token"]}
            login = await blue.http.post(f"{API}/auth/login/federation", json=ticket)
            assert login.status_code == 200, login.text
            members = await blue.http.get(f"{API}/members", headers=bearer(login.json()))
            assert "alice@red.test" in [one["username"] for one in members.json()["items"]]
            # The other server dies in the middle, and then the one that has what it misses.
            blue.running.kill()
            await blue.running.ended()
            for number in range(3, 8):
                await red.call(alice, "POST", f"/dms/{dm_id}/messages", {"body": str(number)})
            await red.until_code(alice, "HTTP_502")  # nginx answers for it
            red.running.kill()
            await red.running.ended()
        async with here.chat("red.test") as red, here.chat("blue.test") as blue:
            await blue.until_bodies(bob, [str(number) for number in range(1, 8)])
            await red.call(alice, "POST", f"/dms/{dm_id}/messages", {"body": "8"})
            await blue.until_bodies(bob, [str(number) for number in range(1, 9)])
            await red.until_bodies(alice, [str(number) for number in range(1, 9)])
            async with time_limit():
                while (await red.call(alice, "GET", "/federation/deliveries"))["items"]:  # noqa: ASYNC110  the server under test tells no one
                    await asyncio.sleep(0.05)


async def test_a_server_whose_clock_was_set_back_loses_and_repeats_nothing(tmp_path: Path):
    late = clock_set_back(10)
    async with town(tmp_path, "red.test", "blue.test") as here, here.chat("red.test") as red:
        async with here.chat("blue.test") as blue:
            await red.settle()
            await blue.settle()
            alice, bob = await red.join("alice"), await blue.join("bob")
            dm_id = await red.open_dm(alice, "bob@blue.test")
            await red.call(alice, "POST", f"/dms/{dm_id}/messages", {"body": "1"})
            await blue.until_bodies(bob, ["1"])
            answered = (await blue.call(bob, "GET", "/dms"))["items"][0]["dm_id"]
        async with here.chat("blue.test", **late) as blue:
            await red.call(alice, "POST", f"/dms/{dm_id}/messages", {"body": "2"})
            await red.until_code(alice, "FED_TIMESTAMP_EXPIRED")
            assert await blue.bodies(bob) == ["1"]
        async with here.chat("blue.test") as blue:
            await blue.until_bodies(bob, ["1", "2"])
            await blue.call(bob, "POST", f"/dms/{answered}/messages", {"body": "3"})
            await red.until_bodies(alice, ["1", "2", "3"])


async def test_peers_that_answer_without_end_or_never_hold_up_no_one_else(tmp_path: Path):
    async with (
        town(tmp_path, "red.test", "blue.test") as here,
        here.chat("red.test") as red,
        here.chat("blue.test") as blue,
        bad_peer(here, "endless.test", b"x" * 65_536) as endless,
        bad_peer(here, "never.test", b"") as never,
    ):
        await red.settle()
        await blue.settle()
        alice, bob = await red.join("alice"), await blue.join("bob")
        dm_id = await red.open_dm(alice, "bob@blue.test")
        asked = [
            asyncio.create_task(
                red.http.post(
                    f"{API}/federation/users",
                    json={"user_address": f"mallory@{domain}"},
                    headers=bearer(alice),
                )
            )
            for domain in ("endless.test", "never.test")
        ]
        async with time_limit():
            while not (endless and never):  # noqa: ASYNC110  the server under test tells no one
                await asyncio.sleep(0.02)
        bodies = [str(number) for number in range(10)]
        for body in bodies:
            await red.call(alice, "POST", f"/dms/{dm_id}/messages", {"body": body})
        await blue.until_bodies(bob, bodies)
        for reply in await asyncio.gather(*asked):
            assert (reply.status_code, reply.json()["error"]["code"]) == (502, "FED_UNAVAILABLE")
        assert max(endless) < 20_000_000  # what the kernels hold of it, and no gigabyte
