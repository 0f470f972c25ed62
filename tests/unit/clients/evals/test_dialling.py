from typing import Any

import pytest

from vox.clients.evals.dialling import MAX_ATTEMPTS, redialling
from vox.http.websocket import UpgradeRefusedError


def refusing(times: int, status: int = 503, **headers: str):
    attempts: list[str] = []

    async def connect(url: str, listener: Any, *, headers: Any, connect_timeout_s: float):
        attempts.append(url)
        if len(attempts) <= times:
            raise UpgradeRefusedError(url, status, answer_headers, b"")
        return "socket"

    answer_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return connect, attempts


async def dial(connect: Any) -> Any:
    return await redialling(connect)("ws://x", None, headers=[], connect_timeout_s=1.0)  # pyright: ignore[reportArgumentType]


async def test_a_full_server_is_called_again_when_it_says(virtual_clock):
    connect, attempts = refusing(2, retry_after="4")
    began = virtual_clock.now()
    assert await dial(connect) == "socket"
    assert len(attempts) == 3
    assert virtual_clock.now() - began == pytest.approx(8.0)


@pytest.mark.parametrize(("said", "pause_s"), [("", 1.0), ("soon", 1.0), ("999", 10.0), ("0", 0.1)])
async def test_the_pause_is_bounded(virtual_clock, said: str, pause_s: float):
    began = virtual_clock.now()
    await dial(refusing(1, retry_after=said)[0])
    assert virtual_clock.now() - began == pytest.approx(pause_s)


async def test_other_refusals_are_final_and_so_is_the_last_attempt(virtual_clock):
    for times, status, expected in ((1, 404, 1), (99, 503, MAX_ATTEMPTS)):
        connect, attempts = refusing(times, status)
        with pytest.raises(UpgradeRefusedError):
            await dial(connect)
        assert len(attempts) == expected
