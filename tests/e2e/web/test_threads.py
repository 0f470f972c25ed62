"""Threads and forums: started, answered, followed, locked and found by their last activity, at both widths."""

from pathlib import Path

import pytest

from tests.e2e.web.feeds import WIDTHS, Community, act, community, member, open_tool, use
from tests.e2e.web.visitors import Visitor

_THREAD_SHOWN = "!!document.querySelector('section form textarea')"


async def _write_in_thread(person: Visitor, text: str) -> None:
    await person.page.wait_for(_THREAD_SHOWN)
    await person.page.evaluate("document.querySelector('section form textarea').focus()")
    await person.page.type(text)
    await person.page.press("Enter")


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_thread_begins_with_a_message_and_reaches_the_other(tmp_path: Path, width: int) -> None:
    async with community(tmp_path) as place:
        await place.say("ada", "where do we eat?")
        async with member(tmp_path, place, "ada", width) as ada, member(tmp_path, place, "bob", width) as bob:
            await act(ada, "where do we eat?", "Start a thread")
            await ada.fill("Name", "Dinner")
            await ada.page.press("Enter")
            await _write_in_thread(ada, "at the harbour")
            await ada.sees("at the harbour")
            await bob.sees("Dinner")
            await bob.page.evaluate(
                "[...document.querySelectorAll('article button')].find(one => one.innerText.includes('Dinner')).click()"
            )
            await bob.sees("at the harbour")
            await _write_in_thread(bob, "I am coming")
            await ada.sees("I am coming")
            assert await bob.faults(folder=tmp_path, name=f"thread-{width}") == []
            await bob.page.show_as(width, motion="reduce")
            await use(bob, "Follow")
            await bob.page.wait_for("!!document.querySelector('button[aria-label=Following]')")
            await use(ada, "Actions for this thread")
            await use(ada, "Lock")
            await bob.sees("This thread is locked. A moderator can open it again.")
            await use(ada, "Actions for this thread")
            await use(ada, "Archive")
            await use(ada, "Close")
            await open_tool(ada, "Threads")
            await ada.sees("There are no threads here yet.")
            await use(ada, "Archive")
            await ada.page.wait_for(
                "[...document.querySelectorAll('section li b')].some(one => one.innerText === 'Dinner')"
            )
            assert await ada.faults(folder=tmp_path, name=f"threads-{width}") == []


async def test_a_link_leads_into_a_thread_of_its_own_column(tmp_path: Path) -> None:
    async with community(tmp_path) as place, member(tmp_path, place, "bob") as bob:
        parent = await place.say("ada", "parent")
        thread = (
            await place.ask("ada", "POST", f"feeds/{place.feed}/threads", {"parent_msg_id": parent, "name": "Aside"})
        )["thread_id"]
        for number in range(3):
            await place.ask(
                "ada", "POST", f"feeds/{place.feed}/threads/{thread}/messages", {"body": f"inside {number}"}
            )
        await bob.page.evaluate(f"location.hash = '#/t/{thread}'")
        await bob.sees("inside 2")
        await bob.page.wait_for("document.querySelector('main h1')?.innerText.includes('Aside')")
        assert await bob.faults(folder=tmp_path, name="thread-column") == []


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_forum_lists_posts_by_their_last_activity(tmp_path: Path, width: int) -> None:
    async with community(tmp_path) as place:
        forum = (await place.ask("ada", "POST", "feeds", {"name": "questions", "type": "forum"}))["feed_id"]
        await _post(place, forum, "the old question")
        await _post(place, forum, "the new question")
        async with member(tmp_path, place, "bob", width) as bob:
            await bob.page.evaluate(f"location.hash = '#/f/{forum}'")
            await bob.sees("the new question")
            assert await _titles(bob) == ["the new question", "the old question"]
            thread = (await place.ask("ada", "GET", f"feeds/{forum}/threads"))["items"][0]["thread_id"]
            await place.ask("ada", "POST", f"feeds/{forum}/threads/{thread}/messages", {"body": "an answer"})
            await bob.page.wait_for("document.querySelector('li b')?.innerText === 'the old question'")
            await use(bob, "New post")
            await bob.fill("Title", "A third one")
            await bob.fill("Text", "with its text")
            await use(bob, "Publish")
            await bob.sees("with its text")
            assert await bob.faults(folder=tmp_path, name=f"forum-{width}") == []
            await bob.page.show_as(width, motion="reduce")
            await _write_in_thread(bob, "an afterthought")
            await bob.sees("an afterthought")
            await use(bob, "Close")
            await bob.page.wait_for("document.querySelector('main li b')?.innerText === 'A third one'")
            assert await bob.faults(folder=tmp_path, name=f"posts-{width}") == []


async def _post(place: Community, forum: str, title: str) -> None:
    await place.say("ada", "text", feed=forum, thread_name=title)


async def _titles(person: Visitor) -> list[str]:
    return await person.page.evaluate("[...document.querySelectorAll('main li b')].map(one => one.innerText)")
