"""What is written in a feed reaches the other, moves nothing that is being read, and stays what it is: text."""

import json
from pathlib import Path

import pytest

from tests.e2e.web.feeds import WIDTHS, act, community, foreign_requests, member, open_search, open_tool, search, use
from tests.e2e.web.pictures import png
from tests.e2e.web.visitors import Visitor

HOSTILE = (
    "<script>hurt()</script>",
    "<img src=x onerror=hurt()>",
    "\"'><svg onload=hurt()>",
    "javascript:hurt()",
    "{{constructor.constructor('hurt()')()}}",
    "\u202egnp.exe",
    "[link](javascript:hurt())",
    "<style>*{display:none}</style>",
)


@pytest.mark.parametrize("width", WIDTHS)
async def test_what_is_written_changed_and_deleted_reaches_the_other(tmp_path: Path, width: int) -> None:
    async with (
        community(tmp_path) as place,
        member(tmp_path, place, "ada", width) as ada,
        member(tmp_path, place, "bob", width) as bob,
    ):
        await ada.says("hello **bob**")
        await bob.sees("hello bob")
        await act(ada, "hello bob", "Edit")
        await ada.fill("Edit the message", "hello again")
        await ada.page.press("Enter")
        await bob.sees("hello again")
        await act(bob, "hello again", "Reply")
        await bob.page.type("hello to you")
        await bob.page.press("Enter")
        await ada.sees("hello to you")
        await ada.page.wait_for(
            "[...document.querySelectorAll('article button')].some(one => one.title === 'Go to the message')"
        )
        await act(ada, "hello to you", "Add a reaction")
        await ada.page.wait_for("document.activeElement.type === 'search'")
        await ada.page.type("thumbs up")
        await ada.page.press("Enter")
        await bob.page.wait_for("!!document.querySelector('article button[aria-label*=\"1 person\"]')")
        await act(ada, "hello to you", "Pin")
        await open_tool(bob, "Pins")
        await bob.page.wait_for(
            "[...document.querySelectorAll('section li')].some(one => one.innerText.includes('hello to you'))"
        )
        assert await bob.faults(folder=tmp_path, name=f"pins-{width}") == []
        await bob.page.show_as(width, motion="reduce")
        await use(bob, "Close")
        await act(ada, "hello to you", "Delete")
        await ada.press("Delete")
        await bob.page.wait_for(
            "![...document.querySelectorAll('article')].some(one => one.innerText.includes('hello to you'))"
        )
        assert await ada.faults(folder=tmp_path, name=f"feed-{width}") == []


async def test_a_mention_of_all_asks_and_says_how_many_it_reaches(tmp_path: Path) -> None:
    async with community(tmp_path) as place, member(tmp_path, place, "ada") as ada:
        await ada.says("wake up @everyone")
        await ada.sees("This message notifies 1 person: all who can read here.")
        assert await ada.has("wake up") == 0
        await use(ada, "Send")
        await ada.page.wait_for(
            "[...document.querySelectorAll('article')].some(one => one.innerText.includes('wake up'))"
        )


async def test_files_go_by_button_and_come_as_pictures_with_their_box(tmp_path: Path) -> None:
    async with community(tmp_path) as place, member(tmp_path, place, "bob", 360) as bob:
        file = await place.upload("ada", f"feeds/{place.feed}/files", ("cat.png", png(), "image/png"))
        await place.say("ada", "a cat", attachments=[file["file_id"]])
        await place.say("ada", "hidden", attachments=[
            (await place.upload("ada", f"feeds/{place.feed}/files", ("SPOILER_end.png", png(), "image/png")))["file_id"]
        ])  # fmt: skip
        await bob.sees("Hidden: end.png. Show it")
        await bob.page.wait_for("[...document.querySelectorAll('article img')].some(one => one.naturalWidth > 0)")
        assert await bob.page.evaluate("document.querySelectorAll('article img').length") == 1
        await use(bob, "Hidden: end.png. Show it")
        await bob.page.wait_for("document.querySelectorAll('article img').length === 2")
        assert await foreign_requests(bob) == []


async def test_nothing_that_is_being_read_moves(tmp_path: Path) -> None:
    async with community(tmp_path) as place:
        for number in range(130):
            await place.say("ada", f"line {number} " + "words " * (number % 30))
        async with member(tmp_path, place, "bob") as bob:
            await bob.sees("line 129")
            top = "document.querySelector('article[data-read]').getBoundingClientRect().top"
            await bob.page.evaluate(
                "(() => { const one = [...document.querySelectorAll('article')].at(-30);"
                " one.scrollIntoView({block: 'center'}); one.dataset.read = '1'; })()"
            )
            await bob.page.wait_for(
                "[...document.querySelectorAll('button')].some(one => one.innerText.includes('To the newest'))"
            )
            before = await bob.page.evaluate(top)
            picture = await place.upload("ada", f"feeds/{place.feed}/files", ("big.png", png(400, 300), "image/png"))
            card = json.dumps({"title": "A page", "image": "https://pictures.invalid/a.png"})
            await place.say("ada", "a picture", attachments=[picture["file_id"]], embed=card)
            for number in range(5):
                await place.say("ada", f"later {number}")
            await bob.sees("6 new messages")
            assert abs(await bob.page.evaluate(top) - before) <= 1
            assert await foreign_requests(bob) == []


async def test_hostile_texts_stay_texts_in_every_place(tmp_path: Path) -> None:
    async with community(tmp_path) as place:
        await place.ask("ada", "PATCH", f"feeds/{place.feed}", {"topic": HOSTILE[0]})
        await place.ask("ada", "PATCH", f"users/{place.people['ada']['user_id']}", {"display_name": HOSTILE[1][:32]})
        first = ""
        for text in HOSTILE:
            card = json.dumps({"title": text, "description": text, "fields": [{"name": text, "value": text}]})
            first = await place.say("ada", f"{text}\n```html\n{text}\n```", embed=card)
        await place.ask("ada", "POST", f"feeds/{place.feed}/threads", {"parent_msg_id": first, "name": HOSTILE[0]})
        name = '"><img src=x onerror=hurt()>.txt'
        file = await place.upload("ada", f"feeds/{place.feed}/files", (name, b"text", "text/plain"))
        await place.say("ada", "a file", attachments=[file["file_id"]])
        async with member(tmp_path, place, "bob") as bob:
            await bob.page.evaluate("window.hurt = () => { document.title = 'hurt' }")
            await bob.sees("a file")
            await _all_literal(bob)
            await open_tool(bob, "Threads")
            await bob.page.wait_for("document.querySelectorAll('section li b').length > 0")
            await open_search(bob)
            assert len(await search(bob, "hurt")) > 0
            assert await foreign_requests(bob) == []
            assert "hurt" not in await bob.page.evaluate("document.title")
            assert await bob.faults(folder=tmp_path, name="hostile") == []
            assert [error for error in bob.page.errors if "Content Security Policy" in error] == []


async def _all_literal(person: Visitor) -> None:
    for text in HOSTILE[:5]:
        await person.sees(text)
    assert (
        await person.page.evaluate(
            "document.querySelectorAll('article script, article svg[onload], article style').length"
        )
        == 0
    )
    assert (
        await person.page.evaluate(
            "[...document.querySelectorAll('a')].filter(one => one.protocol === 'javascript:').length"
        )
        == 0
    )
