"""Personal settings in the web client: factors that are set up and logged in with, sessions that end, and every section sound."""

import time
from pathlib import Path

from tests.contract.chat.helpers_factors import code_at
from tests.e2e.chats import chat_server
from tests.e2e.web.communities import founded
from tests.e2e.web.people import person, sees_no
from tests.e2e.web.visitors import PASSWORD, Visitor, visitor
from tests.free_ports import free_port
from tests.time_limits import scaled

SECTIONS = ("profile", "login", "sessions", "privacy", "appearance", "notices", "keyboard", "language", "data")


async def logs_in(one: Visitor, name: str = "ada") -> None:
    await one.fill("Name", name)
    await one.fill("Password", PASSWORD)
    await one.press("Log in")


async def test_an_app_and_a_recovery_code_log_in(tmp_path: Path) -> None:
    async with chat_server(tmp_path) as chat:
        async with founded(tmp_path, chat) as (ada, _):
            await ada.go(f"{chat.http}/#/settings/login")
            await ada.press("Set up an app")
            await ada.sees("type the secret into it")
            assert await ada.page.evaluate("!!document.querySelector('svg[role=img] path').getAttribute('d')")
            secret = str(await ada.page.evaluate("document.querySelector('main code').innerText"))
            await ada.fill("Code that the app shows now", "000000")
            await ada.press("Switch it on")
            await ada.sees("That code is wrong")
            await ada.fill("Code that the app shows now", code_at(secret, time.time() - 30))
            await ada.press("Switch it on")
            await ada.sees("Keep these codes")
            codes = await ada.page.evaluate("[...document.querySelectorAll('.codes code')].map(one => one.innerText)")
            assert len(codes) == 8
            assert await ada.faults(folder=tmp_path, name="factors") == []
        async with visitor(tmp_path / "phone", f"{chat.http}/") as phone:
            await logs_in(phone)
            await phone.fill("Code of your authenticator app", "000000")
            await phone.press("Continue")
            await phone.sees("That code is wrong, was used already, or the time for it is over.")
            await phone.fill("Code of your authenticator app", code_at(secret, time.time()))
            await phone.press("Continue")
            await phone.sees("general")
        async with visitor(tmp_path / "lost", f"{chat.http}/") as lost:
            await logs_in(lost)
            await lost.press("Use a recovery code")
            await lost.fill("Recovery code", codes[0])
            await lost.press("Continue")
            await lost.sees("general")
            await lost.go(f"{chat.http}/#/settings/login")
            await lost.sees("7 left.")


async def test_a_passkey_logs_in(tmp_path: Path) -> None:
    # Passkeys belong to a name: an address of numbers has none.
    port = free_port()
    local = f"http://localhost:{port}"
    environment = {"VOX_WEBAUTHN_ORIGIN": local, "VOX_WEBAUTHN_RP_ID": "localhost"}
    async with chat_server(tmp_path, port=port, environment=environment) as chat:
        await person(chat, "ada", register=True)
        async with visitor(tmp_path / "ada", f"{local}/") as ada:
            await logs_in(ada)
            await ada.sees("Community")
            await ada.page.call("WebAuthn.enable")
            options = {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
            await ada.page.call("WebAuthn.addVirtualAuthenticator", options=options)
            await ada.go(f"{local}/#/settings/login")
            await ada.fill("Name of the passkey", "my key")
            await ada.press("Add a passkey")
            await ada.sees("Keep these codes")
            await ada.sees("my key")
            await ada.go(f"{local}/#/")
            await ada.press("Log out")
            await ada.press("Log in with a passkey")
            await ada.sees("Community")


async def test_an_ended_session_closes_its_browser_and_wipes_its_cache(tmp_path: Path) -> None:
    async with (
        chat_server(tmp_path) as chat,
        founded(tmp_path, chat) as (ada, _),
        visitor(tmp_path / "other", f"{chat.http}/") as other,
    ):
        await logs_in(other)
        await other.sees("general")
        await other.says("kept for later")
        await other.page.wait_for("indexedDB.databases().then(all => all.length > 1)")
        await ada.go(f"{chat.http}/#/settings/sessions")
        await ada.sees("This session")
        assert await ada.faults(folder=tmp_path, name="sessions") == []
        begun = time.monotonic()
        await ada.press("End all other sessions")
        await other.sees("Your login has ended.")
        assert time.monotonic() - begun < scaled(2.0)
        await other.page.wait_for(
            "indexedDB.databases().then(all => Promise.all(all.map(({name}) => new Promise(done => {"
            " const open = indexedDB.open(name); open.onsuccess = () => { const db = open.result;"
            " if (!db.objectStoreNames.contains('places')) { db.close(); return done(true); }"
            " const asked = db.transaction('places').objectStore('places').count();"
            " asked.onsuccess = () => { db.close(); done(asked.result === 0); }; }; })))).then(all => all.every(Boolean))"
        )
        await ada.sees("All other sessions have ended.")
        await sees_no(ada, "End all other sessions")


async def test_every_section_is_sound_and_what_is_chosen_holds(tmp_path: Path) -> None:
    async with chat_server(tmp_path) as chat, founded(tmp_path, chat) as (ada, _):
        for section in SECTIONS:
            await ada.go(f"{chat.http}/#/settings/{section}")
            await ada.page.wait_for("document.querySelectorAll('main section').length > 0")
            assert await ada.faults(folder=tmp_path, name=section) == [], section
        await ada.go(f"{chat.http}/#/settings/profile")
        await ada.page.wait_for("document.querySelector('main input')?.value === 'ada'")
        await ada.fill("Shown name", "Ada L.")
        await ada.press("Save")
        await ada.sees("Saved.")
        too = await person(chat, "ada")
        assert (await too.ask("GET", "users/@me"))["display_name"] == "Ada L."
        await ada.go(f"{chat.http}/#/settings/appearance")
        slider = "document.querySelector('main input[type=range]')"
        await ada.page.wait_for(f"!!{slider}")
        await ada.page.evaluate(
            f"{slider}.value = 24; for (const type of ['input', 'change'])"
            f" {slider}.dispatchEvent(new Event(type, {{bubbles: true}}))"
        )
        await ada.page.call("Page.reload")
        await ada.page.wait_for("getComputedStyle(document.documentElement).fontSize === '24px'")
        await ada.sees("24 pixels")
        assert await ada.faults(folder=tmp_path, name="large") == []
