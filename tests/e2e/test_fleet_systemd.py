"""The worker's units on a real systemd: as many restarts as an operator likes, and every call ends when its caller hangs up."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest

from tests.e2e.agents import until
from tests.e2e.fleet_workers import BIN, Workers, on_the_line, port_unit, traffic, workers, write_env
from tests.time_limits import time_limit


async def test_a_restart_moves_the_calls_out_of_the_unit_and_no_caller_is_turned_away(tmp_path: Path):
    async with workers(tmp_path) as fleet:
        await fleet.run("systemctl start voxcore@1")
        async with traffic(fleet.phone(1)) as calls, on_the_line(fleet.phone(1)) as first:
            await fleet.run("systemctl restart voxcore@1")
            async with on_the_line(fleet.phone(1)) as second:
                await fleet.run("systemctl restart voxcore@1")
                scopes = await fleet.scopes()
                assert len(scopes) == 2, "one for each worker that has calls left"
                shown = json.loads(await fleet.run(f"{BIN}/vox fleet status --json {fleet.base + 1}"))
                assert {(row["state"], row["worker_calls"] > 0) for row in shown[1:]} == {("draining", True)}
                assert first.is_on_the_line
                assert second.is_on_the_line
                await fleet.run("systemctl kill --signal=TERM 'vox-draining-*'")
                assert await fleet.scopes() == scopes, "a second signal shortens nothing"
        assert calls.failures == []
        await fleet.until_no_scopes()
        assert await fleet.systemd.shown("voxcore@1", "NRestarts") == "0"


async def test_a_stop_closes_the_port_at_once_and_waits_for_the_calls_longer_than_the_unit_says(tmp_path: Path):
    async with workers(tmp_path, changes={"TimeoutStopSec=90": "TimeoutStopSec=2"}) as fleet:
        await fleet.run("systemctl start voxcore@1")
        async with on_the_line(fleet.phone(1)) as call:
            await fleet.run("systemctl stop --no-block voxcore@1")
            await until_refused(fleet.base + 1)
            await fleet.until("voxcore@1", "StatusText", lambda text: text.startswith("draining: 1"))
            began = asyncio.get_running_loop().time()
            await until(lambda: asyncio.get_running_loop().time() - began > 4)  # twice TimeoutStopSec
            assert call.is_on_the_line
            assert await fleet.systemd.shown("voxcore@1", "ActiveState") == "deactivating"
        await fleet.until("voxcore@1", "ActiveState", lambda state: state == "inactive")
        assert await fleet.systemd.shown("voxcore@1", "Result") == "success"
        assert await fleet.scopes() == []


async def test_settings_that_do_not_start_take_no_capacity_away(tmp_path: Path):
    async with workers(tmp_path) as fleet:
        await fleet.run("systemctl start voxcore@1")
        async with traffic(fleet.phone(1)) as calls, on_the_line(fleet.phone(1)):
            write_env(tmp_path, MAX_CONCURRENT_CALLS="many")
            code, _ = await fleet.systemd.attempt("systemctl restart voxcore@1")
            assert code != 0
            assert await fleet.systemd.shown("voxcore@1", "Result") == "exit-code"
            async with on_the_line(fleet.phone(1)):  # by the worker of before, which nothing has replaced
                write_env(tmp_path, MAX_CONCURRENT_CALLS="12")
                await fleet.run("systemctl start voxcore@1")
            status = await fleet.until("voxcore@1", "StatusText", bool)
            assert "12" in status
        assert calls.failures == []
        await fleet.until_no_scopes()


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
async def test_a_worker_that_crashes_or_hangs_is_started_again_and_its_port_waits(tmp_path: Path, signal: str):
    async with workers(tmp_path, changes={"WatchdogSec=30": "WatchdogSec=2"}) as fleet:
        await fleet.run("systemctl start voxcore@1")
        await fleet.run(f"kill -{signal} {await fleet.worker_pid(1)}")
        async with on_the_line(fleet.phone(1)):  # waited in the port's queue, and was not refused
            assert await fleet.systemd.shown("voxcore@1", "NRestarts") == "1"


async def test_sigquit_ends_what_is_left_at_once(tmp_path: Path):
    async with workers(tmp_path) as fleet:
        await fleet.run("systemctl start voxcore@1")
        with pytest.raises(AssertionError, match="server_stopping"):
            await cut_off(fleet)
        await fleet.until("voxcore@1", "ActiveState", lambda state: state == "inactive")


async def cut_off(fleet: Workers) -> None:
    """A call at a worker whose operator does not want to wait."""
    async with on_the_line(fleet.phone(1)):
        await fleet.run("systemctl stop --no-block voxcore@1")
        await fleet.until("voxcore@1", "StatusText", lambda text: text.startswith("draining"))
        await fleet.run("systemctl kill --kill-who=main --signal=QUIT voxcore@1")
        await fleet.until("voxcore@1", "ActiveState", lambda state: state == "inactive")


async def test_with_a_socket_unit_the_first_call_starts_the_worker_and_a_restart_turns_no_caller_away(tmp_path: Path):
    async with workers(tmp_path, units=lambda base: {"voxcore@.socket": port_unit(base)}) as fleet:
        await fleet.run("systemctl start voxcore@1.socket")
        async with on_the_line(fleet.phone(1)), traffic(fleet.phone(1)) as calls:
            await fleet.run("systemctl restart 'voxcore@*.service'")
            assert len(await fleet.scopes()) == 1
        assert calls.failures == []
        await fleet.run("systemctl stop voxcore@1.socket voxcore@1")
        await until_refused(fleet.base + 1)


async def test_calls_that_were_promised_a_slot_are_waited_for_before_a_restart(tmp_path: Path):
    async with workers(tmp_path, VOXCORE_SECRET="x") as fleet:
        await fleet.run("systemctl start voxcore@1")
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{fleet.base + 1}", headers={"x-voxcore-secret": "x"}
        ) as http:
            wish = {"call_id": "call_1", "class": "outbound", "ttl_s": 60}
            promised = await http.post("/v1/reservations", json=wish)
            assert promised.status_code == 201, promised.text
            before = await fleet.systemd.shown("voxcore@1", "MainPID")
            await fleet.run("systemctl restart --no-block voxcore@1")
            async with time_limit():
                while (await http.get("/health")).json()["state"] != "draining":  # noqa: ASYNC110  another process
                    await asyncio.sleep(0.05)
            refused = await http.post("/v1/reservations", json={**wish, "call_id": "call_2"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "DRAINING")
            async with on_the_line(fleet.phone(1)):  # who calls by themselves is still taken
                assert await fleet.systemd.shown("voxcore@1", "MainPID") == before
                path = f"/v1/reservations/{promised.json()['reservation_id']}"
                assert (await http.delete(path)).status_code in {200, 204}
                await fleet.until("voxcore@1", "MainPID", lambda pid: pid not in {before, "0"})
                await fleet.until("voxcore@1", "ActiveState", lambda state: state == "active")


async def until_refused(port: int) -> None:
    """Waits until nothing listens on a port."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return
        writer.close()
        await asyncio.sleep(0.02)
