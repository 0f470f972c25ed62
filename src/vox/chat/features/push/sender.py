"""Sends pushes: what this process's changes told is matched with subscriptions, encrypted and handed to the browsers' push services.

Nothing waits for it: events are offered and forgotten, in a queue that drops the oldest. Only events of this process are offered, so
that several processes push nothing twice.
"""

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change
from vox.chat.events import Event
from vox.chat.events.audience import Participants, Users
from vox.chat.events.ids import LoginId, UserId
from vox.chat.features.push import metrics
from vox.chat.features.push.queries import PAGE, Subscription, remove_ended, subscriptions_after
from vox.chat.features.push.rules import News, news_of, payload_of, wants
from vox.errors import DependencyError, UsageError, VoxError
from vox.runtime.logging import get_logger
from vox.runtime.tasks import supervised
from vox.security.web_push import TOKEN_LIFE_S, PushKey, encrypted, receiver
from vox.stores.sql import Connection

MAX_WAITING: Final = 5000
"""Events that wait to be pushed; of more the oldest is dropped."""
MAX_SENDING: Final = 32
"""Pushes under way at once."""
DEADLINE_S: Final = 10.0
MAX_ANSWER: Final = 4096
TTL_S: Final = 86_400
"""How long a push service keeps a push for a browser that is away."""
TRIES: Final = 3
RETRY_S: Final = 2.0
LONGEST_RETRY_S: Final = 30.0
MAX_TOKENS: Final = 64
GONE: Final = frozenset({404, 410})
BUSY: Final = frozenset({429, 500, 502, 503, 504})

_log = get_logger(__name__)


class PushSender:
    """Pushes what users want to be told.

    Args:
        chat: the parts of the server.
        key: identifies this server to push services.
        connected: logins with a gateway session here, whose clients notify by themselves.
        retry_s: seconds before the second try.
    """

    def __init__(
        self, chat: ChatContext, key: PushKey, connected: Callable[[], Collection[LoginId]], *, retry_s: float = RETRY_S
    ) -> None:
        self._chat = chat
        self._key = key
        self._connected = connected
        self._retry_s = retry_s
        self._lock = threading.Lock()
        self._waiting: deque[News] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._tokens: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._free = asyncio.Semaphore(MAX_SENDING)

    def offer(self, events: Sequence[Event]) -> None:
        """Takes events of this process; returns at once, whichever thread asks."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        found = [news for news in map(news_of, events) if news is not None]
        if not found:
            return
        with self._lock:
            self._waiting += found
            while len(self._waiting) > MAX_WAITING:
                self._waiting.popleft()
                self._chat.metrics.counter(metrics.DROPPED).inc()
        loop.call_soon_threadsafe(self._wake.set)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Sends while the block runs."""
        self._loop = asyncio.get_running_loop()
        try:
            async with supervised(self._work, "chat pushes"):
                yield
        finally:
            self._loop = None

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while (news := self._next()) is not None:
                    await self._tell(news, group)

    def _next(self) -> News | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    async def _tell(self, news: News, group: asyncio.TaskGroup) -> None:
        chat, after = self._chat, 0
        users = self._candidates(news)
        name = None if news.actor_id is None else chat.community.users.get(news.actor_id)
        shown = None if name is None else name.nickname or name.display_name or name.username
        while True:
            try:
                page = await chat.read(partial(subscriptions_after, after=after, user_ids=users))
            except VoxError as error:
                _log.warning("subscriptions to pushes cannot be read", error=str(error))
                return
            connected = self._connected()
            for one in page:
                if one.user_id == news.actor_id or one.session_id in connected:
                    continue
                notifications = wants(one.settings, news, chat.clock.unix_s())
                if notifications is None or not chat.community.sees(one.user_id, news.audience):
                    continue
                payload = payload_of(news, shown, with_text=notifications.push_text)
                await self._free.acquire()
                group.create_task(self._send(one, payload))
            if len(page) < PAGE:
                return
            after = page[-1].id

    def _candidates(self, news: News) -> list[UserId] | None:
        """Whose subscriptions are looked at; None for all, where the audience is a rule."""
        match news.audience:
            case Users():
                return list(news.audience.ids)
            case Participants():
                return list(self._chat.community.dms.get(news.audience.dm_id, ()))
            case _:
                return None

    async def _send(self, to: Subscription, payload: bytes) -> None:
        try:
            outcome = await self._tried(to, payload)
        except Exception:  # noqa: BLE001  the top of a task, whose end must not end the others
            _log.exception("a push failed")
            outcome = "failed"
        finally:
            self._free.release()
        self._chat.metrics.counter(metrics.PUSHES, outcome).inc()

    async def _tried(self, to: Subscription, payload: bytes) -> str:
        chat = self._chat
        try:
            body = encrypted(payload, receiver(to.public_key, to.auth_secret))
        except UsageError as error:
            _log.warning("a push cannot be encrypted", code=error.code)
            return "failed"
        wait_s = self._retry_s
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_RETRY_S)
            headers = {
                "authorization": self._authorization(to.endpoint),
                "content-encoding": "aes128gcm",
                "content-type": "application/octet-stream",
                "ttl": str(TTL_S),
                "urgency": "high",
            }
            try:
                answer = await chat.push_outbound.fetch(
                    "POST", to.endpoint, headers=headers, body=body, deadline_s=DEADLINE_S, max_bytes=MAX_ANSWER
                )
            except UsageError:  # its address leads into our own network by now
                return "refused"
            except DependencyError as error:
                _log.debug("a push service does not answer", code=error.code)
                continue
            if answer.status in GONE:
                await chat.change(partial(_removed, ended=to))
                return "expired"
            if answer.status in BUSY:
                given = answer.headers.get("retry-after", "")
                wait_s = min(float(given), LONGEST_RETRY_S) if given.isascii() and given.isdigit() else wait_s
                continue
            if answer.status // 100 == 2:  # noqa: PLR2004  any success
                return "sent"
            _log.warning("a push service refuses pushes", status=answer.status, service=urlsplit(to.endpoint).hostname)
            return "refused"
        return "failed"

    def _authorization(self, endpoint: str) -> str:
        """One token for each push service, renewed at half its life."""
        parts = urlsplit(endpoint)
        audience, now_s = f"{parts.scheme}://{parts.netloc}", self._chat.clock.unix_s()
        made_at, text = self._tokens.get(audience, (0, ""))
        if now_s - made_at > TOKEN_LIFE_S / 2:
            text = self._key.authorization(audience, self._chat.settings.push_contact, now_s)
            self._tokens[audience] = now_s, text
            while len(self._tokens) > MAX_TOKENS:
                self._tokens.popitem(last=False)
        return text


def _removed(connection: Connection, *, ended: Subscription) -> Change[None]:
    remove_ended(connection, ended)
    return Change(None)
