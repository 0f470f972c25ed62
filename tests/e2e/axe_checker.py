"""Checks a page for accessibility with axe-core, as `.ci/npm` installs it."""

import asyncio
import json

from tests.e2e.chromium import Page
from tests.reference import ROOT
from tests.require import require

SCRIPT = ROOT / ".make" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is: the rule, and the first element that breaks it."""
    require(SCRIPT.exists(), "axe-core", "run .ci/npm (needs npm)")
    if not await page.evaluate("typeof axe !== 'undefined'"):
        await page.evaluate(await asyncio.to_thread(SCRIPT.read_text) + "; true")
    options = json.dumps({"runOnly": TAGS, "resultTypes": ["violations"]})
    return await page.evaluate(
        f"axe.run(document, {options}).then(({{violations}}) => violations.map((one) =>"
        " `${one.id}: ${one.nodes[0].html} ${one.nodes[0].failureSummary}`))"
    )
