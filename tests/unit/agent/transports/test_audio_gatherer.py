"""Frames become messages of the demanded size; marks keep their place; a pause lets everything go."""

import asyncio

import pytest

from vox.agent.transports.audio_gatherer import IDLE_S, AudioGatherer

pytestmark = pytest.mark.usefixtures("virtual_loop")


class Sent(list[bytes | str]):
    def __init__(self):
        super().__init__()
        self.gatherer = AudioGatherer(100, self.append, self.append)


async def test_frames_are_gathered_and_nothing_is_lost():
    sent = Sent()
    for number in range(7):
        sent.gatherer.audio(bytes([number]) * 40)
    assert sent == [
        bytes([0]) * 40 + bytes([1]) * 40 + bytes([2]) * 40,
        bytes([3]) * 40 + bytes([4]) * 40 + bytes([5]) * 40,
    ]
    await asyncio.sleep(2 * IDLE_S)
    assert sent[2:] == [bytes([6]) * 40]


async def test_while_frames_come_in_time_nothing_leaves_early():
    sent = Sent()
    sent.gatherer.audio(bytes(10))
    for _ in range(8):
        await asyncio.sleep(0.02)
        sent.gatherer.audio(bytes(10))
    assert sent == []


async def test_a_mark_stays_behind_its_audio():
    sent = Sent()
    sent.gatherer.mark("before")
    sent.gatherer.audio(bytes(60))
    sent.gatherer.mark("inside")
    sent.gatherer.audio(bytes(60))
    assert sent == ["before", bytes(120), "inside"]


async def test_what_is_cleared_never_leaves():
    sent = Sent()
    sent.gatherer.audio(bytes(60))
    sent.gatherer.mark("gone")
    sent.gatherer.clear()
    await asyncio.sleep(2 * IDLE_S)
    assert sent == []


@pytest.mark.parametrize(("min_bytes", "bytes_per_second", "delay_s"), [(3200, 16_000, 0.18), (160, 8000, 0.0)])
async def test_how_long_the_first_frame_of_a_message_waits(min_bytes: int, bytes_per_second: int, delay_s: float):
    gatherer = AudioGatherer(min_bytes, lambda _: None, lambda _: None)
    assert gatherer.delay_s(bytes_per_second) == pytest.approx(delay_s)
