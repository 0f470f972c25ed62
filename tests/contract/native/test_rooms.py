"""Members of a room of the engine hear each other, and voices and taps of ours with them."""

import pytest

from tests.contract.native.clients import Engine, engine, hear, loudness, sine
from tests.time_limits import WAIT_S, time_limit

ROOM = 1
HIGH, LOW, OURS = 880, 440, 1_320
IS_LOUD = 3_000
IS_QUIET = 300


async def two_in_a_room(opened: Engine, *, hears: int = 1) -> None:
    """Peers 10 and 11 with tracks 110 and 111, connected."""
    opened.native.open_room(ROOM)
    for peer, hertz in ((10, LOW), (11, HIGH)):
        client = opened.client(ROOM, peer, hertz, hears=hears)
        await client.connection.setLocalDescription(await client.connection.createOffer())
        opened.native.publish(peer, client.mid, 100 + peer, "audio")
    opened.native.subscribe(10, 111, "PA_11|TR_111", "TR_111")
    opened.native.subscribe(11, 110, "PA_10|TR_110", "TR_110")


async def test_both_hear_the_other_and_a_voice_of_ours() -> None:
    """Through descriptions that name each track, and in sections that the client offered."""
    async with engine() as opened:
        opened.native.open_room(ROOM)
        opened.native.open_voice(ROOM, 900)
        clients = [opened.client(ROOM, peer, hertz, hears=2) for peer, hertz in ((10, LOW), (11, HIGH))]
        for client in clients:
            await client.connection.setLocalDescription(await client.connection.createOffer())
            opened.native.publish(client.peer, client.mid, 100 + client.peer, "audio")
        for client, other in zip(clients, reversed(clients), strict=True):
            track = 100 + other.peer
            opened.native.subscribe(client.peer, track, f"PA_{other.peer}|TR_{track}", f"TR_{track}")
            opened.native.subscribe(client.peer, 900, "PA_ours|TR_900", "TR_900")
            answer = await client.negotiate()
            assert sorted(answer["mids"].values()) == [track, 900]
            assert answer["missing"] == (0, 0)
        opened.native.voice_write(900, sine(OURS, 0, 16_000 * 10, 16_000), 16_000)
        for client, hertz in zip(clients, (HIGH, LOW), strict=True):
            tracks = {track.id: track for track in client.heard}
            assert loudness(await hear(tracks["TR_900"]), OURS, 48_000) > IS_LOUD
            other = next(track for name, track in tracks.items() if name != "TR_900")
            heard = await hear(other)
            assert loudness(heard, hertz, 48_000) > IS_LOUD
            assert loudness(heard, OURS, 48_000) < IS_QUIET


async def test_subscriptions_without_a_section_are_counted_and_placed_by_the_next_offer() -> None:
    """A client learns how many more sections it has to offer."""
    async with engine() as opened:
        opened.native.open_room(ROOM)
        client = opened.client(ROOM, 10, LOW, hears=0)
        for track in (900, 901):
            opened.native.open_voice(ROOM, track)
            opened.native.subscribe(10, track, "PA|TR", f"TR_{track}")
        answer = await client.negotiate()
        assert len(answer["mids"]) == 1  # on the section where it sends, too
        assert answer["missing"] == (1, 0)
        client.connection.addTransceiver("audio", direction="recvonly")
        answer = await client.negotiate()
        assert answer["missing"] == (0, 0)
        assert sorted(answer["mids"].values()) == [900, 901]


async def test_taps_hear_one_and_mixes_all_but_some() -> None:
    """PCM at the rate that was asked for."""
    async with engine() as opened:
        await two_in_a_room(opened)
        for client in opened.clients:
            await client.negotiate()
        for track in (110, 111):
            await opened.event(lambda event, track=track: event == ("flowing", track))
        opened.native.open_tap(1, 110, rate=16_000)
        opened.native.open_mix(2, ROOM, rate=8_000)
        opened.native.open_mix(3, ROOM, rate=8_000, without=[110])
        heard = dict.fromkeys((1, 2, 3), b"")
        async with time_limit(WAIT_S):
            while any(len(pcm) < 2 * 8_000 for pcm in heard.values()):
                await opened.more()
                for tap in heard:
                    heard[tap] += opened.native.tap_read(tap)
        assert loudness(heard[1], LOW, 16_000) > IS_LOUD
        assert loudness(heard[1], HIGH, 16_000) < IS_QUIET
        assert min(loudness(heard[2], LOW, 8_000), loudness(heard[2], HIGH, 8_000)) > IS_LOUD
        assert loudness(heard[3], HIGH, 8_000) > IS_LOUD
        assert loudness(heard[3], LOW, 8_000) < IS_QUIET
        opened.native.close_tap(1)
        with pytest.raises(ValueError, match="no tap 1"):
            opened.native.tap_read(1)


async def test_data_goes_both_ways_and_only_from_who_may() -> None:
    """Channels that the client opened carry both directions."""
    async with engine() as opened:
        opened.native.open_room(ROOM)
        client = opened.client(ROOM, 10, LOW, hears=0)
        assert opened.native.send_data([10], "_reliable", b"early") == [10]
        await client.negotiate()
        await opened.event(lambda event: event == ("channel", 10, "_reliable"))
        assert opened.native.send_data([10, 99], "_reliable", b"to you") == [99]
        await client.has(b"to you")
        client.channel.send(b"to us")
        await opened.event(lambda event: event == ("data", 10, "_reliable", b"to us", True))
        opened.native.permit_data(10, False)
        client.channel.send(b"not permitted")
        opened.native.send_data([10], "_reliable", b"and then")
        await client.has(b"and then")
        await client.connection.close()
        await opened.event(lambda event: event[:2] == ("closed", 10))
        assert sum(event[0] == "data" for event in opened.events) == 1


async def test_who_speaks_is_told_and_a_muted_track_is_not_heard() -> None:
    """Levels come from the header that the client writes, and mute drops a track as it comes in."""
    async with engine() as opened:
        await two_in_a_room(opened)
        for client in opened.clients:
            await client.negotiate()
        speaks = await opened.event(lambda event: event[0] == "speakers" and any(s[2] for s in event[2]))
        assert {track for track, _level, _active in speaks[2]} <= {110, 111}
        first, second = opened.clients
        assert loudness(await hear(second.heard[-1]), LOW, 48_000) > IS_LOUD
        opened.native.mute(110, True)
        assert loudness(await hear(first.heard[-1]), HIGH, 48_000) > IS_LOUD
        ended = await opened.event(
            lambda event: event[0] == "speakers" and any(s[0] == 110 and not s[2] for s in event[2])
        )
        assert ended[1] == ROOM
