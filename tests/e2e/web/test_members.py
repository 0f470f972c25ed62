"""Members in the web client: the panel by role and presence, the card, and what moderators may and may not do."""

from pathlib import Path

from tests.e2e.axe_checker import violations
from tests.e2e.chats import chat_server
from tests.e2e.web.communities import founded, joined
from tests.e2e.web.people import person, press_about, press_labelled


async def test_a_moderator_sees_why_not_and_an_administrator_removes(tmp_path: Path) -> None:
    async with chat_server(tmp_path) as chat, founded(tmp_path, chat) as (ada, link), joined(tmp_path, link) as bob:
        chief = await person(chat, "ada")
        mask = str((1 << 29) | (1 << 30))
        role = await chief.ask("POST", "roles", {"name": "Keepers", "permissions": mask, "position": 2})
        them = await person(chat, "bob")
        await chief.ask("PUT", f"members/{them.user_id}/roles/{role['role_id']}")
        await bob.page.show_as(1280)
        await press_labelled(bob, "Members")
        await bob.sees("Keepers — 1")
        assert await violations(bob.page) == []
        await press_about(bob, "ada", "online")
        await bob.sees("They are an administrator.")
        assert await bob.faults(folder=tmp_path, name="card") == []
        await ada.page.show_as(1280)
        await press_labelled(ada, "Members")
        await press_about(ada, "bob", "online")
        await ada.press("Time out")
        await ada.fill("Reason", "cool down")
        await ada.press("Time out")
        await ada.sees("Timed out until")
        await ada.press("End the time-out")
        await ada.fill("Note", "plays the cello")
        await ada.page.press("Tab")
        await ada.sees("Saved.")
        await ada.press("Ban")
        await ada.fill("Reason", "spam")
        await ada.press("Ban")
        await bob.sees("You are banned from this community.")
        assert [one["reason"] for one in (await chief.ask("GET", "bans"))["items"]] == ["spam"]
        assert "cello" in str(await chief.ask("GET", "users/@me/settings"))
