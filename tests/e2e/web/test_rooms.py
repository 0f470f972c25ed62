"""Voice rooms in the web client: two people hear each other through a real relay, and what each button does is heard."""

import json
from pathlib import Path

from tests.e2e.web.communities import founded, joined
from tests.e2e.web.rooms import enters, hears, hears_nothing, relay_of, voice_servers
from tests.e2e.web.visitors import PASSWORD
from tests.time_limits import time_limit

_MAKES_STAGE = """(async () => {
  const ask = (path, body, token) => fetch(`api/v1/${path}`, {method: 'POST', body: JSON.stringify(body),
    headers: {'content-type': 'application/json', ...(token ? {authorization: `Bearer ${token}`} : {})}}).then(r => r.json());
  const {token} = await ask('auth/login', {username: 'ada', password: PASSWORD});
  await ask('rooms', {name: 'Hall', type: 'stage'}, token);
})()""".replace("PASSWORD", json.dumps(PASSWORD))


async def test_two_browsers_hear_each_other_and_mute_deafen_and_volume_are_heard(tmp_path: Path) -> None:
    async with (
        voice_servers(tmp_path) as rooms,
        founded(tmp_path, rooms.chat) as (ada, link),
        joined(tmp_path, link) as bob,
    ):
        await enters(ada)
        await bob.sees("ada")  # who is inside stands in the side bar
        await enters(bob)
        async with time_limit():
            await hears(ada)
            await hears(bob)
        assert await ada.faults(folder=tmp_path, name="room") == []

        await ada.press("Mute")
        await bob.sees("muted")
        async with time_limit():
            await hears_nothing(bob)
            await hears(ada)
        await ada.press("Unmute")
        async with time_limit():
            await hears(bob)

        await bob.press("Deafen")
        await ada.sees("deafened")
        async with time_limit():
            await hears_nothing(bob)
            await hears_nothing(ada)  # a deafened member is muted as well
        await bob.press("Hear again")
        await bob.press("Unmute")
        async with time_limit():
            await hears(bob)
            await hears(ada)

        volume = "document.querySelector('input[type=range]')"
        await bob.page.evaluate(f"{volume}.value = 0; {volume}.dispatchEvent(new Event('input', {{bubbles: true}}))")
        async with time_limit():
            await hears_nothing(bob)

        await ada.press("Leave")
        await ada.sees("Join the room")
        await bob.page.wait_for("document.querySelectorAll('main li').length === 1")


async def test_a_moderator_disconnects_a_member_who_is_told_why(tmp_path: Path) -> None:
    async with (
        voice_servers(tmp_path) as rooms,
        founded(tmp_path, rooms.chat) as (ada, link),
        joined(tmp_path, link) as bob,
    ):
        await enters(ada)
        await enters(bob)
        await ada.press("Mute for everyone")
        await bob.sees("muted by a moderator")
        await ada.press("Disconnect")
        await bob.sees("A moderator disconnected you from the room.")
        await bob.sees("Join the room")


async def test_a_room_returns_by_itself_when_its_relay_does_and_who_was_muted_stays_muted(tmp_path: Path) -> None:
    async with (
        voice_servers(tmp_path) as rooms,
        founded(tmp_path, rooms.chat) as (ada, link),
        joined(tmp_path, link) as bob,
    ):
        await enters(ada)
        await enters(bob)
        await ada.press("Mute")
        async with time_limit():
            await hears(ada)
        rooms.relay.process.kill()
        await rooms.relay.process.wait()
        await ada.sees("The connection to the room was lost.")
        async with relay_of(tmp_path, rooms.relay_port, rooms.chat.port):
            await ada.sees("Connected")
            await bob.sees("Connected")
            async with time_limit():
                await hears(ada)
                await hears_nothing(bob)
            await ada.sees("Unmute")


async def test_a_listener_of_a_stage_raises_a_hand_is_invited_and_is_heard(tmp_path: Path) -> None:
    async with (
        voice_servers(tmp_path) as rooms,
        founded(tmp_path, rooms.chat) as (ada, link),
        joined(tmp_path, link) as bob,
    ):
        await ada.page.evaluate(_MAKES_STAGE)
        await enters(ada, "Hall")
        await enters(bob, "Hall")
        await bob.sees("You listen here; you cannot speak.")
        async with time_limit():
            await hears(bob)
            await hears_nothing(ada)
        await bob.press("Raise your hand")
        await ada.sees("Raised hands")
        assert await ada.faults(folder=tmp_path, name="stage") == []
        await ada.press("Let on the stage")
        await bob.press("Go on the stage")
        async with time_limit():
            await hears(ada)
        await ada.press("Take off the stage")
        async with time_limit():
            await hears_nothing(ada)
