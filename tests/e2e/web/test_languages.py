"""The client in other languages: right to left, two fifths longer, and on 320 pixels nothing is cut or left in English."""

from pathlib import Path

import pytest

from tests.e2e.web.feeds import community, member
from tests.e2e.web.visitors import Visitor

_CUT = """[...document.querySelectorAll('button, label, h1, h2, p, a, legend, select')]
  .filter(one => one.checkVisibility({visibilityProperty: true}) && !one.closest('.visually-hidden'))
  .filter(one => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== 'visible'
    && getComputedStyle(one).textOverflow !== 'ellipsis')
  .map(one => one.outerHTML.slice(0, 120))"""
_OUTSIDE = """[...document.querySelectorAll('button, a, input, textarea, select')]
  .filter(one => one.checkVisibility({visibilityProperty: true}) && !one.closest('.visually-hidden, .skip'))
  .map(one => [one, one.getBoundingClientRect()])
  .filter(([, box]) => box.width > 0 && (box.left < -1 || box.right > innerWidth + 1))
  .map(([one]) => one.outerHTML.slice(0, 120))"""


async def _speak(person: Visitor, code: str, words: str) -> None:
    await person.page.evaluate(f"localStorage.setItem('vox-language', '{code}')")
    await _reload(person)
    await person.sees(words)


async def _reload(person: Visitor) -> None:
    await person.page.call("Page.reload")
    await person.page.wait_for("document.readyState === 'complete' && document.body !== null")


async def _is_whole(person: Visitor, width: int) -> None:
    await person.page.show_as(width, motion="reduce")
    assert await person.page.evaluate(_CUT) == []
    assert await person.page.evaluate(_OUTSIDE) == []
    assert not await person.page.evaluate("document.documentElement.scrollWidth > innerWidth")


@pytest.mark.parametrize(
    ("code", "word", "direction"), [("de", "Senden", "ltr"), ("ar", "إرسال", "rtl"), ("pseudo", "[Sëñd·]", "ltr")]
)
async def test_a_language_is_whole_at_every_width(tmp_path: Path, code: str, word: str, direction: str) -> None:
    async with community(tmp_path) as place:
        parent = await place.say("ada", "one of many words")
        path = f"feeds/{place.feed}/threads"
        thread = (await place.ask("ada", "POST", path, {"parent_msg_id": parent, "name": "Aside"}))["thread_id"]
        await place.ask("ada", "POST", f"{path}/{thread}/messages", {"body": "inside"})
        async with member(tmp_path, place, "bob") as bob:
            await _speak(bob, code, word)
            await bob.sees("one of many words")
            assert await bob.page.evaluate("document.documentElement.dir") == direction
            for width in (320, 360, 900, 1440):
                await _is_whole(bob, width)
            assert await bob.faults(folder=tmp_path, name=f"feed-{code}") == []
            await bob.page.evaluate(f"location.hash = '#/t/{thread}'")
            await bob.sees("inside")
            for width in (320, 1440):
                await _is_whole(bob, width)
            assert await bob.faults(folder=tmp_path, name=f"thread-{code}") == []


async def test_the_browsers_language_is_taken_and_another_can_be_chosen(tmp_path: Path) -> None:
    async with community(tmp_path) as place, member(tmp_path, place, "bob") as bob:
        await bob.page.call("Emulation.setUserAgentOverride", userAgent="", acceptLanguage="de-AT,en")
        await _reload(bob)
        await bob.sees("Senden")
        assert await bob.page.evaluate("document.documentElement.lang") == "de"
