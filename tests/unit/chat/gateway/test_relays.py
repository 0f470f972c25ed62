"""The queue of one connection: order, bounds, and what the client is told."""

import asyncio
import json
from typing import Any

import pytest

from vox.chat.errors import refuse
from vox.chat.events.ids import LoginId, UserId
from vox.chat.gateway.relays import MAX_WAITING, RelayQueue, Relays, payload_size
from vox.chat.gateway.session import Session
from vox.errors import DependencyError, VoxError
from vox.protocols.gateway import CpaceRelay, MlsRelay, Passed


class Rig:
    """A queue whose relay a test opens and closes."""

    def __init__(self) -> None:
        self.session = Session("s", UserId(1), LoginId(1), frozenset(), ring=1)
        self.done: list[Any] = []
        self.told: list[dict[str, Any]] = []
        self.fails: VoxError | None = None
        self.door = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.queue = RelayQueue(self.session, Relays(self._relay, lambda: 100), self._answer, self._spawn)

    def take(self, asked: Passed) -> None:
        self.queue.take(self.session, asked)

    async def settle(self) -> None:
        self.door.set()
        await asyncio.gather(*self.tasks)

    async def _relay(self, user_id: UserId, asked: Passed) -> None:
        await self.door.wait()
        if self.fails is not None:
            raise self.fails
        assert isinstance(asked, MlsRelay | CpaceRelay)
        self.done.append((user_id, asked.data))

    def _answer(self, frame: bytes) -> None:
        self.told.append(json.loads(frame)["d"])

    def _spawn(self, coroutine: Any) -> "asyncio.Task[None]":
        task = asyncio.create_task(coroutine)
        self.tasks.append(task)
        return task


async def test_messages_go_out_in_order_by_one_task_at_a_time() -> None:
    rig = Rig()
    for number in range(5):
        rig.take(MlsRelay("commit", number))
    assert len(rig.tasks) == 1
    await rig.settle()
    assert rig.done == [(1, number) for number in range(5)]
    rig.take(MlsRelay("commit", "later"))
    assert len(rig.tasks) == 2
    await rig.settle()
    assert rig.done[-1] == (1, "later")
    assert rig.told == []


async def test_what_waits_is_bounded() -> None:
    rig = Rig()
    for number in range(MAX_WAITING + 3):
        rig.take(MlsRelay("commit", number, request_id=str(number)))
    assert [(one["code"], one["request_id"]) for one in rig.told] == [
        ("RATE_LIMITED", str(number)) for number in range(MAX_WAITING, MAX_WAITING + 3)
    ]
    await rig.settle()
    assert len(rig.done) == MAX_WAITING


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (refuse("MLS_EPOCH_CONFLICT", "m", epoch=3), {"code": "MLS_EPOCH_CONFLICT", "message": "m", "epoch": 3}),
        (DependencyError("gone", code="database_failed"), {"code": "UNAVAILABLE"}),
    ],
)
async def test_a_failure_is_told_with_the_name_of_its_message_and_the_next_goes_on(
    error: VoxError, told: dict[str, Any]
) -> None:
    rig = Rig()
    rig.fails = error
    rig.take(MlsRelay("commit", "x", request_id="r"))
    rig.take(CpaceRelay("isi", "p", "y"))
    await rig.settle()
    first, second = rig.told
    assert told.items() <= first.items()
    assert first["request_id"] == "r"
    assert "request_id" not in second


async def test_what_is_too_long_and_what_a_removed_device_sends_is_refused_at_once() -> None:
    rig = Rig()
    rig.take(MlsRelay("commit", "x" * 101))
    rig.take(MlsRelay("commit", ["x" * 99]))
    rig.take(CpaceRelay("new_device_key", "p", "x" * 60, "n" * 60))
    rig.session.is_keyless = True
    rig.take(MlsRelay("commit", "x"))
    assert [one["code"] for one in rig.told] == ["PAYLOAD_TOO_LARGE"] * 3 + ["FORBIDDEN"]
    assert not rig.tasks


def test_a_size_is_counted_in_characters() -> None:
    assert payload_size(MlsRelay("commit", "äöü")) == 3
    assert payload_size(MlsRelay("commit")) == 0
    assert payload_size(CpaceRelay("isi", "p", {"a": 1}, "n")) == len('{"a":1}n')
