"""Microphones in the web client: what is shown is what is used, what is chosen is heard, and each refusal has its own sentence."""

import json
from pathlib import Path

import pytest

from tests.e2e.web.communities import founded, joined
from tests.e2e.web.rooms import enters, hears, hears_nothing, voice_servers
from tests.e2e.web.visitors import Visitor
from tests.time_limits import time_limit

DEVICES = """navigator.mediaDevices.enumerateDevices().then(all =>
  all.filter(one => one.kind === 'audioinput' && one.deviceId !== 'default').map(one => [one.deviceId, one.label]))"""
UNPLUG = """((gone) => {
  const media = navigator.mediaDevices;
  const list = media.enumerateDevices.bind(media), ask = media.getUserMedia.bind(media);
  window.plugged = false;
  media.enumerateDevices = async () => (await list()).filter(one => window.plugged || one.deviceId !== gone);
  media.getUserMedia = (wanted) => !window.plugged && JSON.stringify(wanted).includes(gone)
    ? Promise.reject(new DOMException('', 'NotFoundError')) : ask(wanted);
  window.tracks.filter(one => one.getSettings().deviceId === gone).forEach(one => {
    one.stop(); one.dispatchEvent(new Event('ended')); });
  media.dispatchEvent(new Event('devicechange'));
})"""
KEEP_TRACKS = """(() => {
  window.tracks = [];
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted); window.tracks.push(...stream.getTracks()); return stream; };
})()"""
GENERAL = """document.querySelector('nav a[href^="#/f/"]')"""
REFUSALS = {
    "NotAllowedError": "The browser does not let this page use the microphone.",
    "NotFoundError": "No microphone was found.",
    "NotReadableError": "Another program holds the microphone.",
}


async def chooses(visitor: Visitor, **choices: object) -> None:
    """Comes back with these choices, as they are stored in that browser."""
    await visitor.page.evaluate(f"localStorage.setItem('vox-voice', {json.dumps(json.dumps(choices))})")
    await visitor.page.evaluate("window.isOld = true")
    await visitor.page.call("Page.reload")
    await visitor.page.wait_for("!window.isOld && document.body?.innerText.includes('general')")


async def holds_key(visitor: Visitor, *, down: bool) -> None:
    await visitor.page.call(
        "Input.dispatchKeyEvent", type="rawKeyDown" if down else "keyUp", key="Control", code="ControlRight",
        windowsVirtualKeyCode=17,
    )  # fmt: skip


async def test_push_to_talk_and_the_gate_are_heard(tmp_path: Path) -> None:
    async with (
        voice_servers(tmp_path) as rooms,
        founded(tmp_path, rooms.chat) as (ada, link),
        joined(tmp_path, link) as bob,
    ):
        await enters(bob)
        await chooses(ada, talk="push")
        await enters(ada)
        async with time_limit():
            await hears(ada)
            await hears_nothing(bob)
        await holds_key(ada, down=True)
        async with time_limit():
            await hears(bob)
        await holds_key(ada, down=False)
        async with time_limit():
            await hears_nothing(bob)
        await chooses(ada, gate=0)
        await enters(ada)
        async with time_limit():
            await hears(ada)
            await hears_nothing(bob)
        await chooses(ada, gate=-50, gain=-3)
        await enters(ada)
        async with time_limit():
            await hears(bob)


async def test_what_is_shown_is_what_is_used_and_it_is_followed_through_unplugging(tmp_path: Path) -> None:
    async with (
        voice_servers(tmp_path) as rooms,
        founded(tmp_path, rooms.chat) as (ada, link),
        joined(tmp_path, link) as bob,
    ):
        devices = await ada.page.evaluate(DEVICES)
        if len(devices) < 2:
            pytest.skip("this Chromium has one fake microphone")
        chosen, name = devices[-1]
        await chooses(ada, microphone={"id": chosen, "label": name})
        await ada.page.evaluate(KEEP_TRACKS)
        await enters(ada)
        await enters(bob)
        await ada.press("Voice settings")
        await ada.sees(f"In use: {name}")
        assert await ada.faults(folder=tmp_path, name="voice-settings") == []
        async with time_limit():
            await hears(bob)

        await ada.page.evaluate(f"{UNPLUG}({json.dumps(chosen)})")
        await ada.sees("The one you chose is not plugged in")
        assert f"In use: {name}" not in await ada.page.evaluate("document.body.innerText")
        async with time_limit():
            await hears(bob)

        await ada.page.evaluate(
            "window.plugged = true; navigator.mediaDevices.dispatchEvent(new Event('devicechange')); 1"
        )
        await ada.sees(f"In use: {name}")
        async with time_limit():
            await hears(bob)


async def test_each_refusal_has_its_own_sentence_and_one_hears_and_writes_on(tmp_path: Path) -> None:
    async with (
        voice_servers(tmp_path) as rooms,
        founded(tmp_path, rooms.chat) as (ada, link),
        joined(tmp_path, link) as bob,
    ):
        await enters(bob)
        await enters(ada)
        await ada.press("Leave")
        for error, sentence in REFUSALS.items():
            await ada.page.evaluate(
                f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{error}')); 1"
            )
            await ada.press("Join the room")
            await ada.sees(sentence)
            if error == "NotReadableError":
                async with time_limit():
                    await hears(ada)
            else:
                await ada.press("Leave")
                await ada.sees("Join the room")
        await ada.page.evaluate(f"{GENERAL}.click()")
        await ada.says("I only write")
        await bob.page.evaluate(f"{GENERAL}.click()")
        await bob.sees("I only write")
