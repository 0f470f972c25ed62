"""What the border refuses, and how."""

import pytest

from tests.contract.native.clients import engine, sine


async def test_what_makes_no_sense_is_a_value_error_that_says_so() -> None:
    """Handles, names, rates and descriptions."""
    async with engine() as opened:
        native = opened.native
        native.open_room(1)
        native.open_peer(1, 10, "both")
        native.open_voice(1, 900)
        for wrong, call in {
            "no room 2": lambda: native.open_peer(2, 11, "both"),
            "room 1 is open": lambda: native.open_room(1),
            "peer 10 is open": lambda: native.open_peer(1, 10, "both"),
            "a role is": lambda: native.open_peer(1, 11, "listener"),  # pyright: ignore[reportArgumentType]
            "no peer 12": lambda: native.make_offer(12),
            "no track 5": lambda: native.mute(5, True),
            "track 900 is open": lambda: native.open_voice(1, 900),
            "1 to 64": lambda: native.subscribe(10, 900, "two words", "x"),
            "a rate is": lambda: native.voice_write(900, b"", 44_100),
            "a kind is": lambda: native.publish(10, "0", 5, "text"),  # pyright: ignore[reportArgumentType]
            "quality is": lambda: native.set_layer(10, 900, 3),
            "no sections": lambda: native.accept_offer(10, "v=0"),
            "not SDP": lambda: native.accept_answer(10, "m=audio 9 X 0\r\na=mid:0\r\n"),
            "not a candidate": lambda: native.add_candidate(10, "nonsense"),
            "no tap 3": lambda: native.close_tap(3),
        }.items():
            with pytest.raises(ValueError, match=wrong):
                call()


async def test_a_voice_holds_thirty_seconds_and_gives_them_back() -> None:
    """Beyond that the writer waits, and a flush says how much it dropped."""
    async with engine() as opened:
        native = opened.native
        native.open_room(1)
        native.open_voice(1, 900)
        second = sine(440, 0, 8_000, 8_000)
        queued = 0
        while queued < 28_500:
            queued = native.voice_write(900, bytearray(second), 8_000)
        with pytest.raises(BufferError, match="30 s"):
            native.voice_write(900, second * 3, 8_000)
        assert 28_000 <= native.voice_queued(900) <= 30_000
        assert 28_000 <= native.voice_flush(900) <= 30_000
        assert native.voice_queued(900) == 0
        assert native.voice_write_g711(900, memoryview(b"\xff" * 160), "ulaw") > 0


async def test_a_closed_room_takes_its_handles_with_it() -> None:
    """Peers, tracks and taps are free again."""
    async with engine() as opened:
        native = opened.native
        native.open_room(1)
        native.open_peer(1, 10, "subscriber")
        native.open_voice(1, 900)
        native.open_tap(3, 900)
        native.close_room(1)
        assert native.stats()["peers"] == 0
        native.open_room(1)
        native.open_peer(1, 10, "subscriber")
        native.open_voice(1, 900)
        native.open_tap(3, 900)
