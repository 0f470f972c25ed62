"""The talk page goes on with its call at another server: nothing on it shows that the first one ended."""

from pathlib import Path

import pytest

from tests.e2e.agents import until
from tests.e2e.chromium import open_page
from tests.e2e.handover_fleet import fleet
from tests.time_limits import time_limit

CONFIG = {"greeting": "hello.", "llm_options": {"responses": ["You wrote {text}.", "Then you wrote {text}."]}}


def line(who: str, text: str) -> str:
    return f"voxTalk.transcript.some(line => line.who === {who!r} && line.text === {text!r})"


@pytest.mark.parametrize("transport", ["websocket", "both"])
async def test_the_page_follows_its_call_to_another_server(tmp_path: Path, transport: str):
    config = {**CONFIG, "transport": transport, "drain_timeout_secs": 15, "handover_lead_secs": 14}
    async with fleet(tmp_path, **config) as servers:
        first = await servers.start("one")
        async with open_page(tmp_path, servers.front.http) as page:
            await page.evaluate("document.querySelector('#text').focus()")
            await page.type("good morning")
            await page.click("#send")
            await page.wait_for(line("bot", "You wrote good morning."))
            second = await servers.start("two")
            first.terminate()
            await second.logged("call taken over")
            async with time_limit():
                assert await first.process.wait() == 0
            await page.evaluate("document.querySelector('#text').focus()")
            await page.type("good evening")
            await page.click("#send")
            await page.wait_for(line("bot", "Then you wrote good evening."))
            shown = await page.evaluate("document.querySelector('#transcript').innerText")
            assert "new call" not in shown
            await page.click("#hangup")
            await page.wait_for("voxTalk.state === 'idle'")
            assert [error for error in page.errors if "503" not in error] == [], "an offer may still reach the first"
        await until(lambda: bool(servers.rows()))
        assert len(servers.rows()) == 1
