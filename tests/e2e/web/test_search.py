"""Search finds what the server finds, says why it finds nothing, and keeps its list while one looks at one hit after the other."""

from pathlib import Path

import pytest

from tests.e2e.web.feeds import Community, community, drop_filters, member, open_search, open_tool, search
from tests.e2e.web.pictures import png
from vox.chat.events.permissions import P


async def _filled(place: Community) -> None:
    for number in range(3):
        await place.say("ada", f"green apple {number}")
    await place.say("bob", "red apple")
    picture = await place.upload("ada", f"feeds/{place.feed}/files", ("a.png", png(), "image/png"))
    await place.say("ada", "apple in a picture", attachments=[picture["file_id"]])
    pinned = await place.say("ada", "apple to keep")
    await place.ask("ada", "PUT", f"feeds/{place.feed}/pins/{pinned}")


async def test_each_filter_finds_what_the_server_finds(tmp_path: Path) -> None:
    async with community(tmp_path) as place, member(tmp_path, place, "bob") as bob:
        await _filled(place)
        await open_search(bob)
        for text, query in (
            ("apple", {}),
            ("apple from:bob", {"author_id": place.people["bob"]["user_id"]}),
            ("apple has:file", {"has_file": "true"}),
            ("apple pinned:", {"pinned": "true"}),
            ("apple in:general", {"feed_id": place.feed}),
        ):
            expected = (await place.ask("bob", "GET", "messages/search", query="apple", **query))["results"]
            await drop_filters(bob)
            assert await search(bob, text) == [one["body"] for one in expected], text
            assert expected != []


@pytest.mark.parametrize("width", [360, 1280])
async def test_a_hit_is_jumped_to_and_the_list_stays(tmp_path: Path, width: int) -> None:
    async with community(tmp_path) as place:
        await place.say("ada", "the needle")
        for number in range(120):
            await place.say("ada", f"hay {number}")
        async with member(tmp_path, place, "ada", width) as ada:
            await ada.page.wait_for("document.querySelectorAll('article').length > 10")
            await open_search(ada)
            assert await search(ada, "needle before:2100-01-01 after:2020-01-01") == ["the needle"]
            await ada.page.evaluate("document.querySelector('section .body li button').click()")
            await ada.page.wait_for("document.activeElement.innerText.includes('the needle')")
            await open_tool(ada, "Search") if width < 700 else None
            await ada.page.wait_for("document.querySelectorAll('section li .text').length === 1")
            assert await ada.faults(folder=tmp_path, name=f"search-{width}") == []


async def test_nothing_found_and_no_right_are_different_sentences(tmp_path: Path) -> None:
    async with community(tmp_path) as place:
        closed = (await place.ask("ada", "POST", "feeds", {"name": "closed", "type": "text"}))["feed_id"]
        await place.ask(
            "ada", "PUT", f"feeds/{closed}/permissions/user/{place.people['bob']['user_id']}",
            {"allow": 0, "deny": P.READ_HISTORY.value},
        )  # fmt: skip
        async with member(tmp_path, place, "bob") as bob:
            await open_search(bob)
            assert await search(bob, "unicorn") == []
            await bob.sees("No message has all these words.")
            assert await search(bob, "unicorn in:closed") == []
            await bob.sees("Your roles do not let you read the history here")
            await search(bob, "unicorn before:yesterday")
            await bob.sees("Write the day as year-month-day")
            assert await bob.faults(folder=tmp_path, name="refusals") == []
