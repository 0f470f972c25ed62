"""Which workers a bridge lets in, by the API keys that they bring."""

import asyncio
from pathlib import Path

from tests.contract.fleet.bridge.harness import running_bridge
from tests.contract.fleet.dispatch.harness import Peer
from tests.fakes.fleet_worker import FakeWorker
from tests.time_limits import time_limit
from vox.fleet.bridge.server import WorkerKeys
from vox.fleet.dispatch.bridge_socket import TokenOwner
from vox.fleet.dispatch.metrics import REGISTRATIONS


async def test_a_key_lets_in_the_workers_that_its_scopes_name(tmp_path: Path):
    async with time_limit(), running_bridge(f"sqlite:///{tmp_path / 'bridge.db'}", {}) as bridge:
        keys = WorkerKeys(bridge.api_keys)
        named = (await bridge.api_keys.create("server 1", ["worker:w-1", "worker:w-2"])).text
        every = (await bridge.api_keys.create("all", ["worker"])).text
        admin = (await bridge.api_keys.create("admin", ["admin"])).text
        assert await keys.owner_of(named) == TokenOwner(("w-1", "w-2"))
        assert await keys.owner_of(every) == TokenOwner(None)
        assert await keys.owner_of(admin) is None, "an administrator's key has no place on a worker"
        assert await keys.owner_of("vbk_unknown") is None
        for worker_id, text, result in (
            ("w-2", named, "taken"),
            ("w-3", named, "wrong_worker"),
            ("w-3", every, "taken"),
        ):
            bridge.metrics.counter(REGISTRATIONS, result)
            before = bridge.metrics.render()
            peer = Peer(FakeWorker(worker_id), [bridge.address], text)
            async with peer.registration.running():
                line = f'vox_fleet_registrations_total{{result="{result}"}}'.encode()
                while numbers(line, bridge.metrics.render()) != numbers(line, before) + 1:  # noqa: ASYNC110  both are real
                    await asyncio.sleep(0.01)


def numbers(line: bytes, rendered: bytes) -> float:
    return next(float(one.rpartition(b" ")[2]) for one in rendered.splitlines() if one.startswith(line))
