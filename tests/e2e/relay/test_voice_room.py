"""Two browsers, the demo agent and a telephone caller in one room of `vox up`: each hears the others' words."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from tests.e2e.relay.voice_room import AGENT, CALLER, Caller, Community, Person, require_everything, voice_room
from tests.sdks.namespaces import open_network

DEMO = yaml.safe_load((files("vox.agent.config") / "demo.yaml").read_text())
HOURS, ADDRESS, BOOKING, BYE = (
    "what are your opening hours", "where are you", "i would like to book a table", "goodbye to all of you",
)  # fmt: skip
WORDS = (HOURS, ADDRESS, BOOKING, BYE)
HOURS_ANSWER, ADDRESS_ANSWER = DEMO["intents"]["hours"]["answer"], DEMO["intents"]["address"]["answer"]
HOW_MANY = DEMO["intents"]["booking"]["slots"]["people"]["prompt"]
ANSWERS = (HOURS_ANSWER, ADDRESS_ANSWER, HOW_MANY, DEMO["intents"]["prices"]["answer"])
INTO_ANSWER_S = 2.0
ROUNDS = 4
HEARD_S = 1.0  # until what was said has come out of every jitter buffer


async def forget(community: Community, caller: Caller) -> None:
    """What was heard until now does not count."""
    for person in community.people.values():
        for sender in (*(other.identity for other in community.people.values()), AGENT, CALLER):
            await person.recording(sender)
    caller.recording()


async def understood(
    speak: Callable[[], Awaitable[None]], heard: Mapping[str, Callable[[], Awaitable[str]]], sentence: str
) -> None:
    """Has it said until each has understood it; on a starved machine a word may be lost, so it may be said again."""
    missing = dict(heard)
    for _ in range(ROUNDS):
        await speak()
        found = {name: await hear() for name, hear in heard.items()}
        missing = {name: hear for name, hear in missing.items() if found[name] != sentence}
        if not missing:
            return
    raise AssertionError(f"{', '.join(missing)} never understood {sentence!r}")


async def wait_for(person: Person, state: str, *, since: int) -> int:
    """Waits until that person's client was told that the agent is in that state; the place behind that report."""
    one = await person.client.until_any(
        "attributes",
        lambda one: one["sender"] == AGENT and one["attributes"].get("lk.agent.state") == state,
        since=since,
        told=state,
    )
    return person.client.events.index(one, since) + 1


async def answered(community: Community, since: int) -> None:
    """Waits until the agent has spoken and is done; a short answer may be over already."""
    person = next(iter(community.people.values()))
    spoke = await wait_for(person, "speaking", since=since)
    await wait_for(person, "listening", since=spoke)
    await asyncio.sleep(HEARD_S)


@pytest.mark.timeout(600)
async def test_people_an_agent_and_a_caller_hear_one_another_in_one_room(tmp_path: Path):
    require_everything()
    caller = Caller()
    async with open_network() as network, voice_room(tmp_path, network, ("anna", "bert")) as community:
        anna, bert = community.people["anna"], community.people["bert"]
        async with asyncio.TaskGroup() as tasks:
            caller.dial(community.vox, tasks)
            await asyncio.sleep(3)  # into the question for the code
            caller.press(f"{community.code}#")
            await anna.client.until("member", there=True, sender=CALLER)
            await asyncio.sleep(12)  # the welcome, which the caller alone hears

            for speaker, other, sentence in ((anna, bert, BOOKING), (bert, anna, BYE)):

                async def say(speaker: Person = speaker, sentence: str = sentence) -> None:
                    await forget(community, caller)
                    await speaker.say(sentence)
                    await asyncio.sleep(HEARD_S)

                heard = {
                    other.name: partial(other.heard, speaker.identity, WORDS),
                    "caller": partial(caller.heard, WORDS),
                }
                await understood(say, heard, sentence)

            mark = anna.client.mark()
            await community.post(f"/rooms/{community.room_id}/voice/agents", {"agent": "bistro"})
            await answered(community, mark)  # the greeting

            async def ask() -> None:
                await forget(community, caller)
                mark = anna.client.mark()
                await caller.say(HOURS)
                await answered(community, mark)

            await understood(
                ask,
                {
                    "anna": partial(anna.heard, AGENT, ANSWERS),
                    "bert": partial(bert.heard, AGENT, ANSWERS),
                    "caller": partial(caller.heard, ANSWERS),
                },
                HOURS_ANSWER,
            )
            heard = {person.name: partial(person.heard, CALLER, WORDS) for person in (anna, bert)}
            await understood(ask, heard, HOURS)
            await transcribed(bert, CALLER, HOURS, since=0)

            await forget(community, caller)
            mark = anna.client.mark()
            await anna.say(HOURS)
            await wait_for(anna, "speaking", since=mark)
            await asyncio.sleep(INTO_ANSWER_S)
            mark = await cut_in(bert, ADDRESS, anna)
            await answered(community, mark)
            for person in (anna, bert):  # the first sentence was cut off, and told as far as it was heard
                assert HOURS_ANSWER.split(". ", maxsplit=1)[0] not in " ".join(said_by_agent(person, since=mark))
            assert ADDRESS_ANSWER in " ".join(said_by_agent(anna, since=mark))

            mark = anna.client.mark()
            await bert.say(ADDRESS)
            await wait_for(anna, "speaking", since=mark)
            await asyncio.sleep(INTO_ANSWER_S)
            mark = await cut_in(anna, BOOKING, anna)
            await forget(community, caller)
            await answered(community, mark)
            assert HOW_MANY in " ".join(said_by_agent(anna, since=mark))
            caller.hang_up()
        await anna.client.until("member", there=False, sender=CALLER)


async def cut_in(speaker: Person, text: str, watcher: Person) -> int:
    """Speaks into the agent's answer; where the watcher's reports were when the words were said."""
    mark = watcher.client.mark()
    await speaker.say(text)
    return mark


async def transcribed(person: Person, speaker: str, text: str, *, since: int) -> None:
    """Waits until that person's client has read what a member said."""
    await person.client.until_any(
        "text",
        lambda one: one["topic"] == "lk.transcription" and one["sender"] == speaker and one["text"] == text,
        since=since,
        told=text,
    )


def said_by_agent(person: Person, *, since: int) -> list[str]:
    """The agent's sentences as far as they were heard, as its captions have them."""
    return [
        one["text"]
        for one in person.client.events[since:]
        if one["event"] == "text"
        and one["sender"] == AGENT
        and one["attributes"].get("lk.transcription_final") == "true"
    ]
