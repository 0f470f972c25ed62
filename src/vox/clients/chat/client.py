"""The client: one account on one server, its events, its commands and everything it can ask.

    bot = Client("https://chat.example.com", token)

    @bot.on(MessageCreate)
    async def greet(event: MessageCreate) -> None:
        if event.message.body == "hello":
            await event.message.reply("Hello!")

    bot.run()

The one thing to know: requests work as long as the `async with` block runs; events come from `connect` (or `serve`, or `run`) on.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from fnmatch import fnmatchcase
from random import Random
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx2
import msgspec

from vox.clients.chat.back_off import BackOff
from vox.clients.chat.bots import Bots, Webhooks
from vox.clients.chat.commands import Command, command_of
from vox.clients.chat.community import CommunityCalls
from vox.clients.chat.connection import QUEUE_LIMIT, Connection
from vox.clients.chat.errors import RequestRefusedError
from vox.clients.chat.events import Event, InteractionCreate, Ready
from vox.clients.chat.interactions import Interaction
from vox.clients.chat.listeners import Listeners, OnError, as_listener
from vox.clients.chat.messages import Channel, Message, search
from vox.clients.chat.people import Invites, People, Roles
from vox.clients.chat.permissions import Permissions
from vox.clients.chat.rest import Patience, Rest
from vox.clients.chat.spaces import Conversations, Spaces
from vox.clients.chat.stream import EventStream
from vox.errors import UsageError, VoxError
from vox.protocols.gateway import PRESENCE_BATCH
from vox.runtime.clock import Clock, SystemClock
from vox.runtime.logging import get_logger
from vox.runtime.tasks import cancel_and_wait

E = TypeVar("E", bound=Event)
F = TypeVar("F", bound=Callable[..., Awaitable[Any]])

TYPING_S: Final = 5.0
"""How often the server lets one say that one types."""

_log = get_logger(__name__)


class Client:
    """One account on one server.

    Args:
        url: of the server, as https://chat.example.com.
        token: of a bot or a login.
        gateway_url: of the gateway, where it is not beside the API.
        patience: how long requests go on trying.
        reconnect: the waits between tries to reach the gateway.
        clock: deadlines and waits.
        random: the jitter of waits.
        transport: for tests of requests alone.

    Raises:
        UsageError: the address is none.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        gateway_url: str = "",
        patience: Patience | None = None,
        reconnect: BackOff | None = None,
        queue_limit: int = QUEUE_LIMIT,
        clock: Clock | None = None,
        random: Random | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self.random = random or Random()  # noqa: S311  jitter
        self.rest = Rest(url, token, patience=patience, clock=self._clock, random=self.random, transport=transport)
        self.spaces = Spaces(self.rest)
        self.people = People(self.rest)
        self.roles = Roles(self.rest)
        self.invites = Invites(self.rest)
        self.conversations = Conversations(self.rest)
        self.community = CommunityCalls(self.rest)
        self.bots = Bots(self.rest)
        self.webhooks = Webhooks(self.rest)
        self._gateway_url = gateway_url or self.rest.gateway_url
        self._reconnect = reconnect or BackOff()
        self._queue_limit = queue_limit
        self._listeners = Listeners()
        self._commands: dict[str, Command] = {}
        self._components: list[tuple[str, Callable[[Interaction], Awaitable[Any]]]] = []
        self._modals: list[tuple[str, Callable[[Interaction], Awaitable[Any]]]] = []
        self._status: dict[str, Any] | None = None
        self._connection: Connection | None = None
        self._running: asyncio.Task[None] | None = None
        self._is_known = False
        self._user_id = 0

    async def __aenter__(self) -> Self:
        await self.rest.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
        await self.rest.__aexit__(kind, error, trace)

    # -- events ----------------------------------------------------------------------------------------------------------

    @property
    def user_id(self) -> int:
        """The account's own id, once connected; 0 before."""
        return self._user_id

    @property
    def is_connected(self) -> bool:
        """Whether events come at the moment."""
        return self._connection is not None and self._connection.is_live

    def on(
        self, kind: type[E], *, in_order: bool = False
    ) -> Callable[[Callable[[E], Awaitable[object]]], Callable[[E], Awaitable[object]]]:
        """Calls the function below with each event of this type.

        Args:
            kind: the type; `Event` for all.
            in_order: one call after the other, in the order of the events; otherwise calls run side by side.
        """

        def decorate(function: Callable[[E], Awaitable[object]]) -> Callable[[E], Awaitable[object]]:
            self._listeners.add(kind, as_listener(function), in_order=in_order)
            return function

        return decorate

    def on_error(self, function: OnError) -> OnError:
        """Calls the function with what a listener raised, and the event; without one it is logged."""
        self._listeners.on_error = function
        return function

    async def wait_for(
        self, kind: type[E], where: Callable[[E], bool] | None = None, *, timeout_s: float | None = 60.0
    ) -> E:
        """The next event of this type for which `where` holds.

        Raises:
            TimeoutError: none came in time.
        """
        return await self._listeners.wait_for(kind, where, timeout_s)

    def command(self, *, name: str = "", description: str = "", permission: int = 0) -> Callable[[F], F]:
        """Makes a slash command of the function below; its annotations are the options, and a text that it returns is the answer.

        Args:
            name: by default the function's.
            description: by default the first line of its docstring.
            permission: of `Permissions`, what a member must be allowed to do in the community to use it.
        """

        def decorate(function: F) -> F:
            made = command_of(function, name=name, description=description, permission=permission)
            self._commands[made.spec.name] = made
            return function

        return decorate

    def component(self, custom_id: str) -> Callable[[F], F]:
        """Calls the function below when a button or menu with this id is used; `vote:*` means all that begin so."""
        return self._named(self._components, custom_id)

    def modal(self, custom_id: str) -> Callable[[F], F]:
        """Calls the function below when a form with this id is sent; `*` as for components."""
        return self._named(self._modals, custom_id)

    # -- running ---------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Runs the client until Ctrl-C or SIGTERM, and closes it in order; for programs that do nothing else.

        Raises:
            GatewayClosedError: the gateway closed for good.
        """

        async def until_signalled() -> None:
            task = asyncio.current_task()
            loop = asyncio.get_running_loop()
            for one in (signal.SIGINT, signal.SIGTERM):
                with suppress(NotImplementedError):  # Windows
                    loop.add_signal_handler(one, lambda: task.cancel() if task is not None else None)
            with suppress(asyncio.CancelledError):
                await self.serve()

        asyncio.run(until_signalled())

    async def serve(self) -> None:
        """Runs the client until it is cancelled.

        Raises:
            GatewayClosedError: the gateway closed for good.
        """
        async with self:
            self._start()
            await self.wait_closed()

    async def connect(self, *, timeout_s: float | None = 60.0) -> Ready:
        """Begins to receive events, inside the client's `async with` block, and returns when the first session stands.

        Raises:
            GatewayClosedError: the gateway closed for good.
            TimeoutError: no session in time.
        """
        ready = asyncio.create_task(self._listeners.wait_for(Ready, None, timeout_s))
        await asyncio.sleep(0)  # the task waits before anything can come
        running = self._start()
        try:
            await asyncio.wait({ready, running}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            return await ready
        finally:
            if not ready.done():
                ready.cancel()
                with suppress(asyncio.CancelledError):
                    await ready

    async def wait_closed(self) -> None:
        """Waits while events come.

        Raises:
            GatewayClosedError: the gateway closed for good.
        """
        if self._running is not None:
            await asyncio.shield(self._running)

    async def close(self) -> None:
        """Ends the gateway connection, after listeners had a moment to finish; requests still work inside the block."""
        running, self._running = self._running, None
        if running is not None:
            await cancel_and_wait(running)
        self._connection = None
        await self._listeners.close()

    def _start(self) -> asyncio.Task[None]:
        if self._running is not None:
            raise UsageError("the client is connected already", code="chat_already_connected")
        if not self.rest.token:
            raise UsageError("the client has no token", code="chat_token_missing", hint="log in first, or give one")
        connection = Connection(
            self._gateway_url,
            self.rest.token,
            clock=self._clock,
            random=self.random,
            back_off=self._reconnect,
            capabilities=(PRESENCE_BATCH,),
            queue_limit=self._queue_limit,
        )
        stream = EventStream(
            self.rest,
            connection,
            clock=self._clock,
            random=self.random,
            back_off=self._reconnect,
            tell=self._tell,
        )
        self._connection, self._running = connection, asyncio.create_task(stream.run(), name="chat client")
        return self._running

    async def _tell(self, event: Event) -> None:
        if isinstance(event, Ready):
            await self._began(event)
        elif isinstance(event, InteractionCreate):
            self._listeners.start(self._interaction(event.interaction), event)
        await self._listeners.dispatch(event)

    async def _began(self, ready: Ready) -> None:
        self._user_id = ready.user_id
        if self._status is not None and self._connection is not None:
            self._connection.send("presence_update", self._status)
        if self._commands and not self._is_known:
            await self.bots.set_commands(self._user_id, [one.spec for one in self._commands.values()])
            self._is_known = True

    # -- interactions ----------------------------------------------------------------------------------------------------

    async def _interaction(self, interaction: Interaction) -> None:
        if interaction.type == "slash_command":
            if (command := self._commands.get(interaction.command)) is not None:
                await self._run_command(command, interaction)
            return
        named = self._modals if interaction.type == "modal_submit" else self._components
        for pattern, function in named:
            if fnmatchcase(interaction.name, pattern):
                await _answered(interaction, function(interaction))
                return

    async def _run_command(self, command: Command, interaction: Interaction) -> None:
        if command.permission:
            held = await self.people.permissions(interaction.user_id)
            if command.permission & ~held:
                missing = Permissions(command.permission & ~held)
                await interaction.respond(f"You need the permission {missing.name}.", ephemeral=True)
                return
        try:
            arguments = await command.arguments(interaction)
        except (ValueError, RequestRefusedError) as error:
            await interaction.respond(f"/{command.spec.name}: {error}", ephemeral=True)
            return
        await _answered(interaction, command.function(interaction, **arguments))

    @staticmethod
    def _named(table: list[tuple[str, Callable[[Interaction], Awaitable[Any]]]], custom_id: str) -> Callable[[F], F]:
        def decorate(function: F) -> F:
            table.append((custom_id, as_listener(function)))
            return function

        return decorate

    # -- places and presence ---------------------------------------------------------------------------------------------

    def feed(self, feed_id: int) -> Channel:
        """The messages of a feed."""
        return Channel(self.rest, feed_id=feed_id)

    def thread(self, feed_id: int, thread_id: int) -> Channel:
        """The messages of a thread."""
        return Channel(self.rest, feed_id=feed_id, thread_id=thread_id)

    def conversation(self, dm_id: int) -> Channel:
        """The messages of a conversation."""
        return Channel(self.rest, dm_id=dm_id)

    async def direct(self, user_id: int) -> Channel:
        """The messages of the conversation with a person."""
        return (await self.conversations.open(user_id)).channel

    async def search(self, query: str, **where: Any) -> list[Message]:
        """Messages that a text is found in, newest first; `where` as for `vox.clients.chat.messages.search`."""
        return await search(self.rest, query, **where)

    def send_typing(self, channel: Channel) -> bool:
        """Shows that the account writes there; false while there is no connection."""
        place = {"feed_id": channel.feed_id} if channel.dm_id is None else {"dm_id": channel.dm_id}
        return self._connection is not None and self._connection.send("typing", place)

    def set_status(
        self, status: str, *, custom_status: str | None = None, activity: dict[str, Any] | None = None
    ) -> None:
        """Sets what others see: online, idle, dnd or invisible; said again whenever a session begins."""
        self._status = {"status": status, "custom_status": custom_status, "activity": activity}
        if self._connection is not None:
            self._connection.send("presence_update", self._status)

    # -- accounts --------------------------------------------------------------------------------------------------------

    async def log_in(self, username: str, password: str) -> int:
        """Logs in, takes over the token, and returns the user's id; bots have a token instead."""
        return await self._signed_in("/auth/login", {"username": username, "password": password})

    async def register(self, username: str, password: str, *, invite_code: str | None = None) -> int:
        """Makes an account, takes over its token, and returns the user's id."""
        body = {"username": username, "password": password, "invite_code": invite_code}
        return await self._signed_in("/auth/register", body)

    async def log_out(self) -> None:
        """Ends the login of the token."""
        await self.rest.post("/auth/logout", object)

    async def _signed_in(self, path: str, body: dict[str, Any]) -> int:
        answer = await self.rest.post(path, _Login, body)
        self.rest.token = answer.token
        return answer.user_id


class _Login(msgspec.Struct):
    user_id: int
    token: str

    def __repr__(self) -> str:
        return f"_Login(user_id={self.user_id})"


async def _answered(interaction: Interaction, call: Awaitable[Any]) -> None:
    """Awaits what a bot does for an interaction; a text that it returns is the answer, and a failure is told to the member."""
    try:
        result = await call
    except Exception:
        if not interaction.is_answered:
            with suppress(VoxError):
                await interaction.respond("That did not work; the bot's log says why.", ephemeral=True)
        raise
    if isinstance(result, str) and not interaction.is_answered:
        await interaction.respond(result)
