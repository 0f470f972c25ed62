"""Two browsers, the demo agent and a telephone caller in one room of `vox up`: each hears the others' words."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from tests.e2e.relay.voice_room import Caller, require_everything, voice_room
from tests.sdks.namespaces import open_network
from tests.time_limits import time_limit

DEMO = yaml.safe_load((files("vox.agent.config") / "demo.yaml").read_text())
ANSWERS = {name: intent["answer"] for name, intent in DEMO["intents"].items() if "answer" in intent}
HOURS, ADDRESS = "what are your opening hours", "where are you"
WORDS = (HOURS, ADDRESS, "i would like to book a table", "goodbye to all of you")
AGENT = "agent-1"


async def settled(hear: Callable[[], Awaitable[str]]) -> str:
    """What is heard once anything of it is understood."""
    async with time_limit():
        while not (found := await hear()):
            await asyncio.sleep(1)
    return found


@pytest.mark.timeout(420)
async def test_people_an_agent_and_a_caller_hear_one_another_in_one_room(tmp_path: Path):
    require_everything()
    async with open_network() as network, voice_room(tmp_path, network, ("anna", "bert")) as community:
        anna, bert = community.people["anna"], community.people["bert"]
        caller = Caller()
        async with asyncio.TaskGroup() as tasks:
            caller.dial(community.vox, tasks)
            await asyncio.sleep(4)
            caller.press(f"{community.code}#")
            await anna.client.until("member", there=True, sender="caller-1")
            await asyncio.sleep(12)  # the welcome, which the caller alone hears
            for sentence, speaker in ((WORDS[2], anna), (WORDS[3], bert)):
                await anna.recording("user-2"), await bert.recording("user-1"), caller.recording()
                await speaker.say(sentence)
                other = bert if speaker is anna else anna
                await asyncio.sleep(1)
                assert await other.heard(identity_of(speaker.name), WORDS) == sentence
                assert await caller.heard(WORDS) == sentence
            await anna.recording("caller-1"), await bert.recording("caller-1")
            await caller.say(HOURS)
            await asyncio.sleep(1)
            assert await anna.heard("caller-1", WORDS) == HOURS
            assert await bert.heard("caller-1", WORDS) == HOURS
            caller.hang_up()
        await anna.client.until("member", there=False, sender="caller-1")


def identity_of(name: str) -> str:
    return {"anna": "user-1", "bert": "user-2"}[name]
