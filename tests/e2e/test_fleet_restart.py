"""Workers as plain processes behind a real nginx: the documented block and the generated one, full, dead and ending workers."""

import asyncio
import contextlib
from pathlib import Path

import httpx2
import pytest

from tests.e2e.agents import until
from tests.e2e.fleet_workers import on_the_line, traffic
from tests.e2e.programs import accepts, nginx
from tests.e2e.worker_processes import SLOTS, deployed, processes
from tests.free_ports import free_port
from vox.fleet.operations.nginx import nginx_site
from vox.http.websocket import UpgradeRefusedError


async def test_workers_that_end_one_after_another_turn_no_caller_away_behind_the_documented_group(tmp_path: Path):
    port, numbers = free_port(), (1, 2, 3)
    async with processes(tmp_path, *numbers) as fleet, nginx(tmp_path, deployed(fleet.base, numbers, port), port):
        url = f"ws://127.0.0.1:{port}/telephony/ws"
        async with contextlib.AsyncExitStack() as callers, traffic(url) as calls:
            for _ in range(6):
                await callers.enter_async_context(on_the_line(url))
            draining = []
            for number in numbers[:2]:
                draining.append(fleet.terminate(number))
                await fleet.refused(number)
                await fleet.start(number)  # on the same port, beside the one that drains
            assert [process.returncode for process in draining] == [None, None], "each has calls left"
        assert calls.failures == []
        await until(lambda: all(process.returncode is not None for process in draining))
        assert [process.returncode for process in draining] == [0, 0]


async def test_the_generated_site_goes_round_full_and_dead_workers_and_says_busy_when_none_takes_a_call(tmp_path: Path):
    port = free_port()
    async with processes(tmp_path, 1, 2) as fleet, contextlib.AsyncExitStack() as callers:
        workers = [f"127.0.0.1:{fleet.base + number}" for number in (1, 2, 3)]  # nothing listens at the third
        async with nginx(tmp_path, nginx_site(workers, listen=f"127.0.0.1:{port}"), port):
            url = f"ws://127.0.0.1:{port}/telephony/ws"
            for _ in range(2 * SLOTS):
                await callers.enter_async_context(on_the_line(url))
            assert [(await fleet.health(number))["worker_calls"] for number in (1, 2)] == [SLOTS, SLOTS]
            for _ in range(3):  # nor does a refusal take a worker for dead: the answer stays busy and never 502
                with pytest.raises(UpgradeRefusedError) as refused:
                    async with on_the_line(url):
                        pass
                assert refused.value.status == 503
                assert refused.value.retry_after_s is not None
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                assert (await http.get("/health")).status_code == 200
                assert [(await http.get(path)).status_code for path in ("/metrics", "/admin/drain")] == [404, 404]
            await callers.aclose()
            async with on_the_line(url):
                pass
            for number in (1, 2):
                fleet.terminate(number)
                await fleet.refused(number)
            with pytest.raises(UpgradeRefusedError) as unanswered:
                async with on_the_line(url):
                    pass
            assert (unanswered.value.status, unanswered.value.retry_after_s) == (503, 5.0)


async def test_a_reload_of_nginx_ends_no_call_and_new_ones_go_by_the_new_site(tmp_path: Path):
    port = free_port()
    async with processes(tmp_path, 1) as fleet:
        first = nginx_site([f"127.0.0.1:{fleet.base + 1}"], listen=f"127.0.0.1:{port}")
        async with nginx(tmp_path, first, port), on_the_line(f"ws://127.0.0.1:{port}/telephony/ws") as call:
            file, other = tmp_path / "nginx.conf", free_port()
            file.write_text(file.read_text().replace(f"listen 127.0.0.1:{port};", f"listen 127.0.0.1:{other};"))
            reload = await asyncio.create_subprocess_exec("nginx", "-p", str(tmp_path), "-c", str(file), "-s", "reload")
            assert await reload.wait() == 0
            await accepts(other)
            async with on_the_line(f"ws://127.0.0.1:{other}/telephony/ws"):
                assert call.is_on_the_line
