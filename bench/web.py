"""The web client in Debian's Chromium against a real chat server: how much it fetches, how soon it can be used, what it keeps in memory.

    .venv/bin/python bench/web.py [--messages 10000] [--members 1000] [--switches 200] [--write]

The processor is slowed down four times and the network to 10 Mbit/s with 40 ms, where the goals say so. Run it on an idle machine, after
`make web`. With `--write` the table goes to bench/results/web.md. See README.md beside this file for what each row is.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.e2e.chats import API, PASSWORD, RunningChat, chat_server
from tests.e2e.chromium import Page, open_page
from tests.e2e.web.visitors import Visitor

from vox.runtime.pages import BUILT

RESULTS = Path(__file__).parent / "results" / "web.md"
SLOWER = 4
NETWORK = {"offline": False, "latency": 40, "downloadThroughput": 1_250_000, "uploadThroughput": 1_250_000}
FREE = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
AT_ONCE = 20
SENTENCE = "A sentence as people write them, with **bold**, `code` and a link to https://example.org/page {number}."

WATCH = """(() => {
  window.seen = {};
  const what = {login: 'input[autocomplete~="username"]', feed: '[role="feed"] article, ol article', composer: 'main textarea'};
  const look = () => {
    for (const [name, selector] of Object.entries(what))
      if (!(name in window.seen) && document.querySelector(selector)) window.seen[name] = performance.now();
    if (Object.keys(window.seen).length < 3) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""
"""When each thing was first there, in ms from the navigation."""

FETCHED = """[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]
  .filter(one => one.initiatorType !== 'fetch').map(one => new URL(one.name).pathname)"""

OPEN_FEED = """async feed => {
  const begin = performance.now();
  location.hash = '#/f/' + feed;
  while (true) {
    await new Promise(requestAnimationFrame);
    if (document.querySelector('main')?.innerText.includes(`newest of ${feed}.`)) return performance.now() - begin;
    if (performance.now() - begin > 20000) throw new Error('feed ' + feed + ' does not come');
  }
}"""

TYPING = """(async () => {
  const box = document.querySelector('main textarea'), times = [];
  box.focus();
  for (let number = 0; number < 120; number++) {
    const begin = performance.now();
    document.execCommand('insertText', false, 'a');
    await new Promise(done => requestAnimationFrame(() => { const channel = new MessageChannel();
      channel.port1.onmessage = done; channel.port2.postMessage(0); }));
    times.push(performance.now() - begin);
    await new Promise(done => setTimeout(done, 30));
  }
  return times;
})()"""
"""From a key press to the end of the frame that paints it, in ms."""

FRAMES = """(() => {
  window.frames_ = []; window.watching = true;
  let last = performance.now();
  const frame = now => { window.frames_.push(now - last); last = now; if (window.watching) requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
})()"""

TASKS = """(() => {
  window.tasks = [];
  new PerformanceObserver(list => window.tasks.push(...list.getEntries().map(one => one.duration))).observe({type: 'longtask'});
})()"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: what was measured, the goal and whether it is reached."""

    what: str
    found: str
    goal: str
    is_reached: bool


def figure(what: str, found: float, goal: float, unit: str, digits: int = 0) -> Figure:
    return Figure(what, f"{found:,.{digits}f} {unit}", f"≤ {goal:g} {unit}", found <= goal)


class Community:
    """A server with an administrator, feeds full of messages, and members."""

    def __init__(self, chat: RunningChat, http: httpx2.AsyncClient, token: str) -> None:
        self.chat = chat
        self._http = http
        self.token = token
        self.feeds: list[str] = []

    async def post(self, path: str, body: Any, token: str | None = None) -> Any:
        """The answer to one request."""
        headers = {"authorization": f"Bearer {token or self.token}", "x-vox-ids": "string"}
        reply = await self._http.post(f"{API}{path}", json=body, headers=headers)
        assert reply.status_code < 400, (path, reply.text)
        return reply.json() if reply.content else None

    async def add_feed(self, name: str) -> str:
        """A new feed's id."""
        feed = (await self.post("/feeds", {"name": name, "type": "text"}))["feed_id"]
        self.feeds.append(feed)
        return feed

    async def write(self, feed: str, count: int, per_s: float = 0.0) -> None:
        """Sends so many messages, a few at once, at most so many a second."""
        started = time.monotonic()

        async def some(numbers: range) -> None:
            for number in numbers:
                if per_s and (early := started + number / per_s - time.monotonic()) > 0:
                    await asyncio.sleep(early)
                await self.post(f"/feeds/{feed}/messages", {"body": SENTENCE.format(number=number)})

        await spread(count, some)

    async def close(self, feed: str) -> None:
        """Sends the message by which a feed is known when it is shown."""
        await self.post(f"/feeds/{feed}/messages", {"body": f"The newest of {feed}."})

    async def add_members(self, count: int) -> None:
        """Registers so many accounts."""

        async def some(numbers: range) -> None:
            for number in numbers:
                body = {"username": f"member{number}", "password": PASSWORD}
                reply = await self._http.post(f"{API}/auth/register", json=body)
                assert reply.status_code == 201, reply.text

        await spread(count, some)


async def spread(count: int, some: Callable[[range], Awaitable[None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for lane in range(AT_ONCE):
            group.create_task(wait(some(range(lane, count, AT_ONCE))))


async def wait(work: Awaitable[None]) -> None:
    await work


async def slow_down(page: Page, *, rate: int, network: dict[str, Any]) -> None:
    await page.call("Emulation.setCPUThrottlingRate", rate=rate)
    await page.call("Network.emulateNetworkConditions", **network)


async def load(page: Page, url: str, seen: str) -> float:
    """Seconds from the navigation until that thing is there."""
    await page.call("Page.navigate", url="about:blank")
    await page.wait_for("location.href === 'about:blank'")
    await page.call("Page.navigate", url=url)
    return await page.wait_for(f"window.seen && window.seen.{seen}") / 1e3


async def fetched_kb(page: Page) -> tuple[int, float]:
    """Requests for the client's own files, and their size by gzip in kB."""
    paths = sorted(set(await page.evaluate(FETCHED)))
    sizes = 0
    for path in paths:
        name = path.lstrip("/") or "index.html"
        packed = BUILT / f"{name}.gz"
        plain = BUILT / name
        sizes += packed.stat().st_size if packed.is_file() else plain.stat().st_size if plain.is_file() else 0
    return len(paths), sizes / 1e3


async def heap_mb(page: Page) -> float:
    """Heap of page and workers after a collection."""
    used = 0.0
    for session in ["", *page.workers[-1:]]:
        for _ in range(2):
            await page.call("HeapProfiler.collectGarbage", session)
        used += (await page.call("Runtime.getHeapUsage", session))["usedSize"]
    return used / 1e6


async def elements(page: Page) -> int:
    """In the document; text between them is not counted."""
    return int(await page.evaluate("document.getElementsByTagName('*').length"))


async def open_feed(page: Page, feed: str) -> float:
    """Milliseconds from the click until the feed's messages are painted."""
    return await page.evaluate(f"({OPEN_FEED})({json.dumps(feed)})")


async def first_loads(page: Page, community: Community, feed: str) -> list[Figure]:
    """From nothing to the login, to a feed, and back with everything cached."""
    url = f"{community.chat.http}/#/f/{feed}"
    found: list[Figure] = []
    await page.call("Network.enable")
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    await slow_down(page, rate=SLOWER, network=NETWORK)
    found.append(figure("login can be used", await load(page, url, "login"), 1.5, "s", 2))
    _, size = await fetched_kb(page)
    found.append(figure("fetched for the login", size, 45, "kB", 1))
    await slow_down(page, rate=1, network=FREE)
    visitor = Visitor(page)
    await visitor.fill("Name", "owner")
    await visitor.fill("Password", PASSWORD)
    await visitor.press("Log in")
    await page.wait_for("!!document.querySelector('ol article') && !!document.querySelector('main textarea')")
    await asyncio.sleep(3)
    await page.evaluate(
        "indexedDB.databases().then(all => Promise.all(all.filter(one => one.name !== 'vox-logins').map(one => new Promise("
        "done => { const it = indexedDB.deleteDatabase(one.name); it.onsuccess = it.onerror = it.onblocked = done; }))))"
    )
    await page.call("Network.clearBrowserCache")
    await slow_down(page, rate=SLOWER, network=NETWORK)
    cold = await load(page, url, "feed")
    count, size = await fetched_kb(page)
    found += [
        figure("feed, nothing cached", cold, 2.5, "s", 2),
        figure("fetched for the feed", size, 110, "kB", 1),
        figure("requests for it", count, 8, "files"),
    ]
    await asyncio.sleep(4)  # what is cached is written while nothing else happens
    found.append(figure("feed, from the cache", await load(page, url, "feed"), 0.8, "s", 2))
    return found


async def switching(page: Page, community: Community, switches: int) -> list[Figure]:
    """Feeds in turn: the first time fetched, then cached; what stays in memory."""
    fetched = [await open_feed(page, feed) for feed in community.feeds]
    cached = [await open_feed(page, feed) for feed in community.feeds * 2][len(community.feeds) :]
    before = await heap_mb(page)
    for number in range(switches):
        await open_feed(page, community.feeds[number % len(community.feeds)])
    grown = await heap_mb(page) - before
    return [
        figure("feed opened, fetched: median", statistics.median(fetched), 300, "ms"),
        figure("feed opened, cached: median", statistics.median(cached), 100, "ms"),
        figure(f"heap after {switches} switches of the feed: more by", grown, 3, "MB", 1),
    ]


async def typing(page: Page, community: Community, feed: str) -> list[Figure]:
    """Keys in the composer while 20 messages a second arrive."""
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(community.write(feed, 160, 20.0))
        times = sorted(await page.evaluate(TYPING))
        await writing
    await page.evaluate(
        "(() => { const box = document.querySelector('main textarea'); box.select(); document.execCommand('delete'); })()"
    )
    return [
        figure("key press to paint at 20 messages/s: p95", times[int(len(times) * 0.95)], 16, "ms", 1),
        figure("worst", times[-1], 50, "ms", 1),
    ]


async def flood(page: Page, community: Community, feed: str, seconds: float) -> list[Figure]:
    """As many messages as this machine can send, and the frames meanwhile."""
    await page.evaluate(TASKS)
    await page.evaluate(FRAMES)
    before, started = await heap_mb(page), time.monotonic()
    count = int(300 * seconds)
    await community.write(feed, count)
    rate = count / (time.monotonic() - started)
    last = await community.post(f"/feeds/{feed}/messages", {"body": "the last of the flood"})
    await page.wait_for("document.body.innerText.includes('the last of the flood')")
    frames = sorted(await page.evaluate("(() => { window.watching = false; return window.frames_; })()"))
    grown = await heap_mb(page) - before
    assert last
    return [
        figure(f"frame at {rate:,.0f} messages/s: p99", frames[int(len(frames) * 0.99)], 50, "ms", 1),
        figure(f"heap after {count:,} messages: more by", grown, 8 * count / 20_000 + 1, "MB", 1),
    ]


async def reading_back(page: Page, messages: int) -> list[Figure]:
    """Up through the history until everything is held; what it takes."""
    pages = 0
    for _ in range(messages // 40):
        before = await page.evaluate("document.querySelector('main ol article')?.getAttribute('aria-label') ?? ''")
        await page.evaluate(
            "(async () => { const list = document.querySelector('main ol').closest('[data-scroll]') ?? "
            "[...document.querySelectorAll('main *')].find(one => one.scrollHeight > one.clientHeight + 50 && "
            "getComputedStyle(one).overflowY !== 'visible'); list.scrollTop = 0; "
            "await new Promise(done => setTimeout(done, 60)); })()"
        )
        if before != await page.evaluate("document.querySelector('main ol article')?.getAttribute('aria-label') ?? ''"):
            pages += 1
    return [
        figure("heap, page and worker, after reading back", await heap_mb(page), 60, "MB", 1),
        figure("elements in the document", await elements(page), 6000, "elements"),
    ]


async def measure(arguments: argparse.Namespace) -> list[Figure]:
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            chat_server(folder, environment={"VOX_REGISTRATION": "open"}) as chat,
            httpx2.AsyncClient(base_url=chat.http, timeout=60) as http,
        ):
            reply = await http.post(f"{API}/auth/register", json={"username": "owner", "password": PASSWORD})
            community = Community(chat, http, reply.json()["token"])
            await community.add_members(arguments.members)
            big = await community.add_feed("history")
            await community.write(big, arguments.messages)
            for number in range(10):
                feed = await community.add_feed(f"feed-{number}")
                await community.write(feed, 60)
            for feed in community.feeds:
                await community.close(feed)
            async with open_page(folder, "about:blank") as page:
                await page.call("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=False, flatten=True)
                await page.show_as(1280)
                found += await first_loads(page, community, big)
                await slow_down(page, rate=SLOWER, network=FREE)
                found += await typing(page, community, big)
                await community.close(big)
                found += await switching(page, community, arguments.switches)
                await slow_down(page, rate=1, network=FREE)
                await open_feed(page, big)
                found += await reading_back(page, arguments.messages)
                await open_feed(page, community.feeds[-1])
                found += await flood(page, community, community.feeds[-1], 10.0)
    return found


def table(found: list[Figure]) -> str:
    rows = [f"| {one.what} | {one.found} | {one.goal} | {'yes' if one.is_reached else '**no**'} |" for one in found]
    return "\n".join(["| | measured | goal | reached |", "|---|---|---|---|", *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--members", type=int, default=1_000)
    parser.add_argument("--switches", type=int, default=200)
    parser.add_argument("--write", action="store_true", help="to bench/results/web.md")
    arguments = parser.parse_args()
    print(text := table(asyncio.run(measure(arguments))))
    if arguments.write:
        RESULTS.write_text(f"# The web client\n\n{text}\n")


if __name__ == "__main__":
    main()
