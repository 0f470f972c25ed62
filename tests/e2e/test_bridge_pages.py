"""The operator's pages in a browser: sign in by a link, the fleet, a live call with its words, a campaign; on a phone's width and a desk's."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.contract.fleet.bridge.harness import World, world
from tests.e2e.axe_checker import violations
from tests.e2e.chromium import Page, open_page
from tests.fakes.fleet_worker import FakeWorker
from tests.time_limits import time_limit
from vox.cli.main import main
from vox.clients.carrier_simulator.behaviour import Behaviour
from vox.fleet.worker.registration import BridgeRegistration
from vox.protocols import fleet as wire
from vox.runtime.metrics import Metrics

NARROW, WIDE = 360, 1280
TO = "+15551234567"
RULES: dict[str, Any] = {
    "windows": [{"start": "00:00", "end": "24:00"}],
    "pacing": {"calls_per_s": 5, "max_concurrent": 1},
    "ring_timeout_s": 120,
}


async def sign_in_link(bridge: World, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What `vox bridge login` prints beside the running bridge."""
    database = f"sqlite:///{folder / 'bridge.db'}"
    words = ["bridge", "--database", database, "login", "--url", bridge.bridge.address]
    assert await asyncio.to_thread(main, words) == 0
    return capsys.readouterr().out.strip().splitlines()[-1]


@asynccontextmanager
async def registered(bridge: World, *workers: FakeWorker) -> AsyncGenerator[None]:
    """Workers that are connected to the bridge through its socket."""
    key = (await bridge.post("/v1/keys", {"name": "workers", "scopes": ["worker"]})).json()["key"]
    async with AsyncExitStack() as stack:
        for worker in workers:
            socket = BridgeRegistration([bridge.bridge.address], key, worker, Random(1), Metrics())
            await stack.enter_async_context(socket.running())
        async with time_limit():
            while len(bridge.bridge.dispatcher.fleet().workers) <= len(workers):  # noqa: ASYNC110  the fleet has no event
                await asyncio.sleep(0.02)
        yield


def busy_worker(worker_id: str, calls: int, limit: int) -> FakeWorker:
    """A worker with inbound calls that takes no outbound ones."""
    worker = FakeWorker(
        worker_id, limit, inbound_reserve=limit, url=f"http://10.0.0.2:{8000 + limit}", region="eu-west"
    )
    for number in range(calls):
        call = wire.RunningCall(f"in-{worker_id}-{number}", "inbound", 1_700_000_000_000)
        worker.running[call.call_id] = call
    return worker


async def press(page: Page, text: str) -> None:
    """Clicks the button that begins with a text."""
    found = f"[...document.querySelectorAll('button')].find((one) => one.textContent.startsWith({json.dumps(text)}) && one.checkVisibility())"
    await page.wait_for(f"Boolean({found})")
    await page.evaluate(f"(() => {{ const one = {found}; one.focus(); one.click(); }})()")


async def shows(page: Page, text: str) -> None:
    """Waits until the page has a text."""
    await page.wait_for(f"document.body?.innerText.includes({json.dumps(text)})")


async def is_sound(page: Page, picture: Path | None = None) -> None:
    """Nothing is wrong with the page at both widths and in both themes, and nothing has to be scrolled sideways."""
    for width in (NARROW, WIDE):
        for scheme in ("light", "dark"):
            await page.show_as(width, scheme=scheme, motion="reduce")
            assert await violations(page) == []
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, scheme)
            if picture is not None:
                await page.screenshot(picture.with_name(f"{picture.name}-{width}-{scheme}.png"))


async def test_an_operator_signs_in_once_by_a_link_and_out_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    async with world(tmp_path) as bridge:
        link = await sign_in_link(bridge, tmp_path, capsys)
        async with open_page(tmp_path / "first", bridge.bridge.address) as page:
            await shows(page, "vox bridge login")
            await is_sound(page)
            await page.call("Page.navigate", url=link)
            await shows(page, "worker-1")
            assert await page.evaluate("location.hash") == "#fleet"
            assert await page.evaluate("document.cookie") == ""
            await page.call("Page.navigate", url=bridge.bridge.address)
            await shows(page, "worker-1")
            await press(page, "Sign out")
            await shows(page, "You are signed out.")
            await page.call("Page.navigate", url=link)
            await shows(page, "This sign-in link was used already")
            await is_sound(page)
            errors = [one for one in page.errors if "401" not in one and "403" not in one]
        assert errors == []


async def test_the_fleet_is_shown_and_a_worker_drained_with_a_countdown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    async with world(tmp_path) as bridge:
        full, other = busy_worker("host-8001", 4, 4), busy_worker("host-8002", 3, 10)
        async with registered(bridge, full, other):
            link = await sign_in_link(bridge, tmp_path, capsys)
            async with open_page(tmp_path, link) as page:
                await shows(page, "host-8002")
                await shows(page, "4 of 4 in calls")
                await shows(page, "full")
                await press(page, "Drain host-8002")
                await page.wait_for("document.querySelector('dialog').open")
                assert "3 calls go on" in await page.evaluate("document.querySelector('#dialog-text').textContent")
                await is_sound(page)
                await page.press("Escape")
                await page.wait_for("!document.querySelector('dialog').open")
                assert other.drains == []
                await page.wait_for("document.activeElement.textContent.startsWith('Drain host-8002')")
                await press(page, "Drain host-8002")
                # Asked again before the browser has told the page that the dialog closed
                again = "document.querySelector('dialog').close(''); document.activeElement.click()"
                await page.evaluate(f"(() => {{ {again}; document.querySelector('#dialog-input').value = '5'; }})()")
                await page.press("Enter")
                await page.wait_for("/calls have (5:00|4:5)/.test(document.body.innerText)")
                await page.wait_for("/calls have 4:5/.test(document.body.innerText)")
                assert other.drains == [300.0]
                assert await page.evaluate(
                    "[...document.querySelectorAll('tr')].find((one) => one.innerText.includes('host-8002')).querySelector('button').disabled"
                )
                await is_sound(page, tmp_path / "fleet")
                errors = page.errors
    assert errors == []


async def test_a_call_appears_shows_its_words_as_they_come_and_is_hung_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    async with AsyncExitStack() as stack:
        bridge = await stack.enter_async_context(world(tmp_path, Behaviour(hangs_up_after_s=6_000.0)))
        await stack.enter_async_context(registered(bridge, busy_worker("host-8001", 1, 4)))
        link = await sign_in_link(bridge, tmp_path, capsys)
        async with open_page(tmp_path, link) as page:
            await shows(page, "host-8001")
            await page.evaluate("location.hash = '#calls'")
            await shows(page, "Inbound call")
            call_id = await bridge.place(to=TO)
            await bridge.until(call_id, "answered")
            since = bridge.bridge.clock.unix_ms()
            started = {"class": "outbound", "since_ms": since}
            bridge.worker.say(wire.Progress(call_id, wire.STARTED, started))
            await shows(page, "in conversation")
            await shows(page, "+15•••••••67")
            assert TO not in await page.evaluate("document.documentElement.outerHTML")
            await is_sound(page, tmp_path / "calls")
            await page.evaluate(f"document.querySelector('a[href=\"#calls/{call_id}\"]').click()")
            await shows(page, "Nothing has been said yet.")
            async with time_limit():
                while not any(isinstance(one, wire.Watch) for one in bridge.worker.commands):  # noqa: ASYNC110  the worker has no event
                    await asyncio.sleep(0.02)
            for at, (role, text) in enumerate((("assistant", "Good morning."), ("user", "Who is <b>this</b>?"))):
                line = {"at_ms": since + at, "role": role, "text": text}
                bridge.worker.say(wire.Progress(call_id, "transcript", line))
                bridge.worker.say(wire.Progress(call_id, "transcript", line))
            await shows(page, "Who is <b>this</b>?")
            assert await page.evaluate("document.querySelectorAll('.said').length") == 2
            await press(page, "Show the number")
            await shows(page, TO)
            await is_sound(page, tmp_path / "call")
            await press(page, "Hang up")
            await page.wait_for("document.querySelector('dialog').open")
            await page.click("#dialog-yes")
            await shows(page, "completed")
            assert (await bridge.until(call_id))["status"] == "completed"
            await shows(page, "Good morning.")
            await page.evaluate("location.hash = '#calls'")
            await page.wait_for(f"document.querySelectorAll('a[href=\"#calls/{call_id}\"]').length === 1")
            errors = page.errors
    assert errors == []


async def test_a_campaign_is_paused_and_cancelled_and_says_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    async with world(tmp_path, Behaviour(ring_s=5_000.0)) as bridge:
        form = {"name": "Spring reminders", "bot_id": "helper", "rules": RULES, "caller_ids": ["+12125550100"]}
        made = await bridge.post("/v1/campaigns", form)
        assert made.status_code == 201, made.text
        path = f"/v1/campaigns/{made.json()['id']}"
        recipients = [{"number": f"+49151{10_000_000 + number}"} for number in range(60)]
        assert (await bridge.post(f"{path}/recipients", {"recipients": recipients})).json()["accepted"] == 60
        link = await sign_in_link(bridge, tmp_path, capsys)
        async with open_page(tmp_path, link) as page:
            await shows(page, "worker-1")
            await page.evaluate("location.hash = '#campaigns'")
            await shows(page, "Spring reminders")
            await shows(page, "draft")
            assert (await bridge.post(f"{path}/start")).status_code == 200
            await shows(page, "running")
            await shows(page, "held back by its limit of calls at once")
            await is_sound(page, tmp_path / "campaigns")
            await press(page, "Pause Spring")
            await page.wait_for("document.querySelector('dialog').open")
            await page.click("#dialog-yes")
            await page.wait_for("/paused|pausing/.test(document.querySelector('.card .state').textContent)")
            assert (await bridge.get(path)).json()["state"] in {"paused", "pausing"}
            await press(page, "Cancel Spring")
            await page.wait_for("document.querySelector('dialog').open")
            await page.click("#dialog-yes")
            await shows(page, "canceled")
            errors = page.errors
    assert errors == []


async def test_the_page_says_that_the_bridge_is_away_and_goes_on_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    async with world(tmp_path) as bridge:
        link = await sign_in_link(bridge, tmp_path, capsys)
        async with open_page(tmp_path, link) as page:
            await shows(page, "worker-1")
            await page.call("Network.enable")
            away = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
            await page.call("Network.emulateNetworkConditions", **away)
            await shows(page, "The bridge does not answer; shown is")
            await is_sound(page, tmp_path / "away")
            await page.call("Network.emulateNetworkConditions", **{**away, "offline": False})
            await page.wait_for("document.querySelector('#status').textContent === 'Live'")
