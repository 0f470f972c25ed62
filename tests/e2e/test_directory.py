"""`vox directory` as its users have it: a process, real relays, a real browser."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.e2e.chromium import open_page
from tests.e2e.directories import ADDED, PLACE, FakeRelay, described, directory, eventually, listed, vox
from tests.time_limits import WAIT_S, time_limit
from vox.http.server import Server


async def test_a_relay_comes_is_found_fails_and_comes_back(tmp_path: Path):
    relay = FakeRelay()
    async with Server(relay, "127.0.0.1", 0) as server, directory(tmp_path) as (_, http):
        answer = await http.post("/v1/relays/register", json=described(server))
        assert (answer.status_code, answer.json()["healthy"]) == (201, False)
        await eventually(http, ["Sydney"])
        relay.is_well = False
        beat = f"/v1/relays/{answer.json()['id']}/heartbeat"
        async with time_limit():
            while await listed(http):
                assert (await http.post(beat)).status_code in {200, 404}
                await asyncio.sleep(0.05)
        relay.is_well = True
        await http.post("/v1/relays/register", json=described(server))
        await eventually(http, ["Sydney"])


async def test_relays_survive_a_kill(tmp_path: Path):
    async with Server(FakeRelay(), "127.0.0.1", 0) as server:
        async with directory(tmp_path, name="killed") as (running, http):
            identity = (await http.post("/v1/relays/register", json=described(server))).json()["id"]
            running.process.kill()
        async with directory(tmp_path) as (_, http):
            assert (await http.get(f"/v1/relays/{identity}/status")).status_code == 200


async def test_a_burst_fills_every_relay_and_overfills_none(tmp_path: Path):
    capacities = {"a": 20, "b": 35, "c": 45}
    bootstrap = [
        {"id": name, "url": f"wss://{name}.example.com", "lat": 50, "lon": 8 + place, "capacity": capacity}
        for place, (name, capacity) in enumerate(capacities.items())
    ]
    config: dict[str, Any] = {"health_check": {"enabled": False}, "bootstrap_relays": bootstrap}
    async with directory(tmp_path, **config) as (_, http):
        for name in capacities:
            await http.post(f"/v1/relays/{name}/heartbeat", json={"current_connections": 0})
        answers = await asyncio.gather(*(http.get("/v1/relays/select?lat=50&lon=8") for _ in range(150)))
        sent = Counter(answer.json()["relay"]["id"] for answer in answers if answer.is_success)
        assert sent == capacities
        assert {answer.headers.get("retry-after") for answer in answers if not answer.is_success} == {"5"}
        await http.post("/v1/relays/a/heartbeat")  # says nothing of its load, so nothing is known to have changed
        assert (await http.get("/v1/relays/select")).json()["code"] == "NO_RELAY_AVAILABLE"
        await http.post("/v1/relays/a/heartbeat", json={"current_connections": 19})
        assert (await http.get("/v1/relays/select")).json()["relay"]["id"] == "a"


async def test_a_list_waits_for_a_change_and_not_beyond_the_end(tmp_path: Path):
    bootstrap = [{"id": "a", "url": "wss://a.example.com", "lat": 50, "lon": 8}]
    config: dict[str, Any] = {"health_check": {"enabled": False}, "bootstrap_relays": bootstrap}
    async with directory(tmp_path, **config) as (running, http):

        async def wait(index: str) -> tuple[str, int]:
            answer = await http.get(f"/v1/relays?wait=30s&index={index}", timeout=WAIT_S)
            return answer.headers["vox-directory-index"], answer.json()["count"]

        index, _ = await wait("0")
        waiting = asyncio.create_task(wait(index))
        await http.post("/v1/relays/a/drain")
        moved, count = await waiting
        assert (moved != index, count) == (True, 0)
        waiting = asyncio.create_task(wait(moved))
        await asyncio.sleep(0)
        assert (await http.get("/_health")).status_code == 200  # after which the other request is there too
        running.terminate()
        assert await waiting == (moved, 0)
        await running.process.wait()


async def test_a_relay_that_fails_many_clients_is_held_off_the_list(tmp_path: Path):
    bootstrap = [{"id": name, "url": f"wss://{name}.example.com", "lat": 50, "lon": 8} for name in ("a", "b")]
    config: dict[str, Any] = {"health_check": {"enabled": False}, "bootstrap_relays": bootstrap}
    async with directory(tmp_path, **config) as (_, http):

        async def fails(client: str) -> None:
            body = {"sessions": [{"relay_id": "a", "failed": True}]}
            answer = await http.post("/v1/session-reports", json=body, headers={"x-forwarded-for": client})
            assert answer.json() == {"status": "ok", "accepted": 1}

        for number in range(100):
            await fails(f"20.1.{number}.7")  # one provider
        assert await listed(http) == ["a", "b"]
        for number in range(2, 24):  # and with these 8 voices of its 30
            await fails(f"20.{number}.1.7")
        assert await listed(http) == ["b"]
        assert "held_until" in (await http.get("/v1/relays/a/status")).json()


async def test_the_commands_list_register_and_drain(tmp_path: Path):
    async with directory(tmp_path, health_check={"enabled": False}) as (running, http):
        code, made, error = await vox(running, *ADDED)
        assert code == 0, error
        identity = made.split()[0]
        assert identity in (await vox(running, "list", *PLACE))[1]
        assert json.loads((await vox(running, "list", "--json"))[1])[0]["id"] == identity
        code, drained, error = await vox(
            running,
            "drain",
            identity,
            "--maintenance",
            "--reason",
            "disks",
            "--until",
            "2099-01-01T00:00:00Z",
            "--json",
        )
        assert code == 0, error
        assert json.loads(drained)["drain"]["until"] == "2099-01-01T00:00:00.000Z"
        assert await listed(http) == []
        assert (await vox(running, "drain", identity, "--resume"))[0] == 0
        assert await listed(http) == ["Sydney"]


async def test_commands_sign_with_a_key_that_only_its_owner_reads(tmp_path: Path):
    key = tmp_path / "relay.key"
    access = {"mode": "signed"}
    async with directory(tmp_path, health_check={"enabled": False}, access=access) as (running, _):
        code, made, error = await vox(running, *ADDED, "--key-file", str(key))
        assert code == 0, error
        assert (key.stat().st_mode & 0o777, len(key.read_text())) == (0o600, 45)
        again = await vox(running, *ADDED, "--key-file", str(key))
        assert again[1].split()[0] == made.split()[0]
        drain = ("drain", made.split()[0])
        assert "draining" in (await vox(running, *drain, "--key-file", str(key)))[1]
        refusals = [
            await vox(running, *drain),
            await vox(running, *drain, "--key-file", str(tmp_path / "no.key")),
        ]
        key.chmod(0o640)
        refusals.append(await vox(running, *drain, "--key-file", str(key)))
    assert not (tmp_path / "no.key").exists()
    for (code, _, error), words in zip(
        refusals, ("not signed", "no key at", "can be read by other users"), strict=True
    ):
        assert code != 0
        assert words in error
        assert "Traceback" not in error


async def test_commands_take_the_api_key_from_the_environment_and_say_what_is_wrong(tmp_path: Path):
    access = {"mode": "keys", "api_keys": [{"name": "alice", "key": "alice-0123456789abcdef"}]}
    async with directory(tmp_path, health_check={"enabled": False}, access=access) as (running, _):
        good = await vox(running, *ADDED, VOX_DIRECTORY_KEY="alice-0123456789abcdef")
        answers = {
            "UNAUTHORIZED": await vox(running, *ADDED),
            "unknown": await vox(running, *ADDED, VOX_DIRECTORY_KEY="eve"),
            "RELAY_NOT_FOUND": await vox(running, "drain", "nobody", VOX_DIRECTORY_KEY="alice-0123456789abcdef"),
            "lon: ": await vox(running, "list", "--lat", "1"),
            "limit: ": await vox(running, "list", "--limit", "1000"),
            "time": await vox(running, "drain", "nobody", "--until", "2099-01-01T00:00:00"),
        }
    answers["does not answer"] = await vox(running, "list")
    assert good[0] == 0, good[2]
    for words, (code, output, error) in answers.items():
        assert code != 0, words
        assert words in error, error
        assert (output, "Traceback" in error) == ("", False)


async def test_the_page_draws_sydney_in_australia_and_follows_changes(tmp_path: Path):
    bootstrap = [
        {"id": "syd", "name": "Sydney", "url": "wss://syd.example.com", "lat": -33.87, "lon": 151.21, "region": "au"},
        {"id": "lon", "name": "London", "url": "wss://lon.example.com", "lat": 51.5, "lon": -0.13, "region": "eu"},
        {"id": "nyc", "name": "New York", "url": "wss://nyc.example.com", "lat": 40.71, "lon": -74.0, "region": "us"},
    ]
    config: dict[str, Any] = {"health_check": {"enabled": False}, "bootstrap_relays": bootstrap}
    async with directory(tmp_path, **config) as (running, http), open_page(tmp_path, running.http) as page:
        await page.wait_for("document.querySelectorAll('#relays circle').length === 3")
        over = await page.evaluate("""(() => {
            const dot = document.querySelector('[data-relay=syd]').getBoundingClientRect();
            document.querySelector('#relays').style.pointerEvents = 'none';
            const land = document.elementFromPoint(dot.x + dot.width / 2, dot.y + dot.height / 2);
            document.querySelector('#relays').style.pointerEvents = '';
            return land.dataset.land;
        })()""")
        await http.post("/v1/relays/syd/heartbeat", json={"current_connections": 250, "draining": True})
        await page.wait_for("document.querySelector('[data-relay=syd]').classList.contains('draining')")
        await http.post("/v1/relays/lon/heartbeat", json={"current_connections": 1000})
        await page.wait_for("document.querySelector('[data-relay=lon]').classList.contains('full')")
        rows = await page.evaluate("document.querySelector('#rows').innerText")
        summary = await page.evaluate("document.querySelector('#summary').innerText")
        await page.screenshot(tmp_path / "relays.png")
        errors = page.errors
    assert over == "Australia"
    assert "250 of 1000" in rows
    assert summary == "1 of 3 take new clients"
    assert errors == []
