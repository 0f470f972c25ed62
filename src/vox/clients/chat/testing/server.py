"""A chat server for the tests of bots: in this process, on a port of its own, speaking the real wire.

    async with FakeChatServer() as server:
        alice, helper = server.add_user("alice"), server.add_bot("helper")
        async with make_bot(server.url, helper.token) as bot:
            await bot.connect()
            server.say(alice, "hello")
            assert (await server.next_message(helper)).body == "Hello!"

The one thing to know: it is as strict as it needs to be for a bot, and knows no permissions; what it does not know answers 501.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, cast

import msgspec
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from vox.clients.chat.testing.api import Asked, Refused, find
from vox.clients.chat.testing.community import Community, FakeInteraction, FakeMessage, FakeUser
from vox.clients.chat.testing.sessions import Connection, Sessions
from vox.errors import UsageError
from vox.http.server import Server
from vox.http.sockets import Socket
from vox.http.websocket import serve_socket
from vox.protocols.gateway import MAX_FRAME_BYTES, CloseCode
from vox.runtime.clock import Clock, SystemClock

API: Final = "/api/v1"
WAIT_S: Final = 10.0
_LOOK_AGAIN_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Call:
    """A request that the server had: from which user, and what for."""

    user_id: int
    method: str
    path: str
    body: dict[str, Any]
    status: int


class FakeChatServer:
    """A chat server for tests, while the block runs. There is one feed, "general".

    Args:
        clock: the time of messages.
        wait_s: how long `next_message` and the like wait.
    """

    def __init__(self, *, clock: Clock | None = None, wait_s: float = WAIT_S) -> None:
        self._clock = clock or SystemClock()
        self._wait_s = wait_s
        self._changed = asyncio.Event()
        self._sessions = Sessions(self._clock, self._user_of, self._typing)
        self.community = Community(self._clock, self._publish)
        self.calls: list[Call] = []
        self._answers: dict[tuple[str, str], Any] = {}
        self._failures: deque[tuple[int, dict[str, Any]]] = deque()
        self._lost_answers = 0
        self._read: dict[int, int] = {}
        self._seen: list[FakeMessage] = []
        self._server = Server(self, "127.0.0.1", 0, close_timeout_s=1.0)

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def feed_id(self) -> int:
        """The feed "general"."""
        return next(iter(self.community.feeds))

    @property
    def online_count(self) -> int:
        """How many users have a gateway connection."""
        return len(self._sessions.online)

    # -- what people do --------------------------------------------------------------------------------------------------

    def add_user(self, name: str, *, roles: Iterable[int] = ()) -> FakeUser:
        """A new member; `token` is what a client of theirs logs in with."""
        return self.community.add_user(name, roles=roles)

    def add_bot(self, name: str, *, roles: Iterable[int] = ()) -> FakeUser:
        """A new bot."""
        return self.community.add_user(name, is_bot=True, roles=roles)

    def add_feed(self, name: str) -> int:
        """A new feed; returns its id."""
        return self.community.add_feed(name)

    def add_role(self, name: str, permissions: int, *, position: int = 1) -> int:
        """A new role; returns its id."""
        return self.community.add_role(name, permissions, position=position)

    def say(self, user: FakeUser, body: str, *, feed_id: int | None = None, **more: Any) -> FakeMessage:
        """A person writes in a feed; `more` are further fields of the message, such as thread_id or reply_to."""
        return self.community.post(user.user_id, ("feed_id", feed_id or self.feed_id), body, **more)

    def say_privately(self, user: FakeUser, to: FakeUser, body: str) -> FakeMessage:
        """A person writes to another."""
        dm = self.community.conversation([user.user_id, to.user_id])
        return self.community.post(user.user_id, ("dm_id", dm["dm_id"]), body)

    def publish(self, kind: str, content: dict[str, Any], *only: FakeUser) -> None:
        """Any event, to everyone or to the people named."""
        self.community.publish(kind, content, [one.user_id for one in only] or None)

    async def command(
        self, user: FakeUser, name: str, params: dict[str, Any] | None = None, *, feed_id: int | None = None
    ) -> FakeInteraction:
        """A person uses a slash command; returns when the bot has answered.

        Raises:
            UsageError: no bot has this command.
            TimeoutError: the bot did not answer in time.
        """
        async with asyncio.timeout(self._wait_s):
            bot_id = await self._until(lambda: self.community.command_owner(name))
        content = {"type": "slash_command", "command": name, "params": params or {}}
        return await self._asked(bot_id, user, content, {"feed_id": feed_id or self.feed_id})

    async def click(self, user: FakeUser, message: FakeMessage, custom_id: str) -> FakeInteraction:
        """A person presses a button; returns when the bot has answered."""
        self._component(message, custom_id)
        content = {"type": "button", "component_id": custom_id, "msg_id": message.msg_id}
        return await self._asked(message.author_id or 0, user, content, dict([message.place]))

    async def choose(self, user: FakeUser, message: FakeMessage, custom_id: str, *values: str) -> FakeInteraction:
        """A person chooses in a menu; returns when the bot has answered."""
        known = {one["value"] for one in self._component(message, custom_id)["options"]}
        if not set(values) <= known:
            raise UsageError(f"the menu {custom_id!r} has {sorted(known)}", code="fake_component_unknown")
        content = {"type": "select", "component_id": custom_id, "values": list(values), "msg_id": message.msg_id}
        return await self._asked(message.author_id or 0, user, content, dict([message.place]))

    async def submit(self, user: FakeUser, opened: FakeInteraction, values: dict[str, str]) -> FakeInteraction:
        """A person fills in the form that a bot opened in answer to `opened`; returns when the bot has answered."""
        modal = (opened.answer or {}).get("modal")
        if modal is None:
            raise UsageError("the bot did not answer with a form", code="fake_modal_missing")
        content = {"type": "modal_submit", "custom_id": modal["custom_id"], "values": values}
        place = {name: opened.content[name] for name in ("feed_id", "dm_id") if opened.content.get(name)}
        return await self._asked(opened.bot_id, user, content, place)

    # -- what bots did ---------------------------------------------------------------------------------------------------

    def messages_of(self, user: FakeUser) -> list[FakeMessage]:
        """Everything that this user or bot has written, ephemeral answers too, in order."""
        return [one for one in self._seen if one.author_id == user.user_id]

    async def next_message(self, user: FakeUser) -> FakeMessage:
        """The next message of this user or bot that was not returned before.

        Raises:
            TimeoutError: none came in time.
        """
        count = self._read.get(user.user_id, 0)

        def found() -> FakeMessage | None:
            written = self.messages_of(user)
            return written[count] if len(written) > count else None

        async with asyncio.timeout(self._wait_s):
            message = await self._until(found)
        self._read[user.user_id] = count + 1
        return message

    async def wait_until(self, test: Callable[[], bool]) -> None:
        """Waits until something is so.

        Raises:
            TimeoutError: it was not so in time.
        """
        async with asyncio.timeout(self._wait_s):
            await self._until(lambda: test() or None)

    def called(self, method: str, path: str) -> list[Call]:
        """The requests to a path below /api/v1."""
        return [one for one in self.calls if one.method == method and one.path == path]

    # -- what goes wrong -------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, body: Any) -> None:
        """Answers a path below /api/v1 like this from now on."""
        self._answers[method, path] = body

    def fail_next(self, status: int, reason: str = "INTERNAL_ERROR", *, times: int = 1, **more: Any) -> None:
        """Answers the next requests with an error; `more` are further fields, such as retry_after_ms."""
        self._failures.extend([(status, {"code": reason, "message": reason, **more})] * times)

    def lose_answers(self, times: int = 1) -> None:
        """Carries the next requests out, and cuts their connections in place of an answer."""
        self._lost_answers += times

    def drop_connections(self, code: int = 1011) -> None:
        """Closes every gateway connection; clients resume."""
        self._sessions.drop(code)

    def lose_sessions(self) -> None:
        """Forgets every gateway session, as a server that was killed; clients begin new ones and read what they missed."""
        self._sessions.forget()

    def refuse_gateway(self, code: CloseCode | None) -> None:
        """Closes each new gateway connection with this code; None ends it."""
        self._sessions.refuses_with = code

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _component(self, message: FakeMessage, custom_id: str) -> dict[str, Any]:
        for one in message.components:
            if one.get("custom_id") == custom_id:
                return one
        raise UsageError(
            f"the message has no component {custom_id!r}",
            code="fake_component_unknown",
            hint=f"it has {[one.get('custom_id') for one in message.components]}",
        )

    async def _asked(
        self, bot_id: int, user: FakeUser, content: dict[str, Any], place: dict[str, Any]
    ) -> FakeInteraction:
        interaction = self.community.ask(bot_id, {**content, **place, "user_id": user.user_id})
        async with asyncio.timeout(self._wait_s):
            await self._until(lambda: interaction.answer)
        return interaction

    async def _until(self, test: Callable[[], Any]) -> Any:
        while (found := test()) is None:
            self._changed.clear()
            with suppress(TimeoutError):  # a condition may be about the bot, of which nothing is heard here
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await self._changed.wait()
        return found

    def _publish(self, kind: str, content: dict[str, Any], only: Iterable[int] | None) -> None:
        if kind == "message_create":
            self._note(content)
        self._sessions.publish(kind, content, only)
        self._changed.set()

    def _note(self, content: dict[str, Any]) -> None:
        stored = self.community.messages.get(content["msg_id"])
        if stored is None:
            place = ("feed_id", content["feed_id"]) if "feed_id" in content else ("dm_id", content["dm_id"])
            stored = FakeMessage(content["msg_id"], content.get("author_id"), content.get("body", ""), place)
            stored.components, stored.ephemeral_for = content.get("components", []), 0
        self._seen.append(stored)

    def _user_of(self, token: str) -> int | None:
        return next((user.user_id for user in self.community.users.values() if user.token == token), None)

    def _typing(self, user_id: int, place: dict[str, Any]) -> None:
        self._publish("typing_start", {"user_id": user_id, **place}, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The server as an ASGI application."""
        if scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            is_compressed = socket.query_params.get("compress") == "zstd"
            listener = _Listener(self._sessions, is_compressed=is_compressed)
            await serve_socket(socket, listener, max_message_bytes=MAX_FRAME_BYTES)
        elif scope["type"] == "http":
            response = await self._respond(Request(scope, receive))
            if self._lost_answers:
                self._lost_answers -= 1
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
                return  # without its body, so that the server cuts the connection
            await response(scope, receive, send)
        else:
            await _lifespan(receive, send)

    async def _respond(self, request: Request) -> Response:
        path = request.url.path.removeprefix(API)
        token = request.headers.get("authorization", "").partition(" ")[2]
        user = self.community.users.get(self._user_of(token) or 0)
        body: dict[str, Any] = {}
        try:
            body, upload = await _content(request)
            asked = Asked(self._admitted(user), body, dict(request.query_params), upload)
            result = self._result(request.method, path, asked)
            response = _success(request.method, result)
        except Refused as refused:
            response = Response(msgspec.json.encode({"error": refused.error}), refused.status)
        self.calls.append(Call(user.user_id if user else 0, request.method, path, body, response.status_code))
        self._changed.set()
        return response

    def _admitted(self, user: FakeUser | None) -> FakeUser:
        if self._failures:
            status, error = self._failures.popleft()
            raise Refused(status, **error)
        if user is None:
            raise Refused(401, "AUTH_EXPIRED", "The token is unknown.")
        return user

    def _result(self, method: str, path: str, asked: Asked) -> Any:
        if (method, path) in self._answers:
            return self._answers[method, path]
        found = find(method, path)
        if found is None:
            raise Refused(501, "NOT_IN_THE_FAKE", f"FakeChatServer has no {method} {path}; give it one with answer()")
        endpoint, values = found
        return endpoint(self.community, asked, **values)


class _Listener:
    def __init__(self, sessions: Sessions, *, is_compressed: bool) -> None:
        self._sessions = sessions
        self._is_compressed = is_compressed
        self._connection: Connection | None = None

    def opened(self, socket: Socket) -> None:
        self._connection = self._sessions.opened(socket, is_compressed=self._is_compressed)

    def received(self, message: str | bytes) -> None:
        if self._connection is not None:
            self._connection.received(message)

    def closed(self, code: int, reason: str) -> None:
        if self._connection is not None:
            self._sessions.closed(self._connection)


async def _content(request: Request) -> tuple[dict[str, Any], tuple[str, str, bytes] | None]:
    """The JSON of a request, or the file of its form."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        async with request.form() as form:
            for one in form.values():
                if isinstance(one, UploadFile):
                    kind = one.content_type or "application/octet-stream"
                    return {}, (one.filename or "file", kind, await one.read())
        return {}, None
    data = await request.body()
    try:
        found: object = msgspec.json.decode(data) if data else {}
    except msgspec.MsgspecError as error:
        raise Refused(422, "VALIDATION_ERROR", str(error)) from None
    return (cast("dict[str, Any]", found) if isinstance(found, dict) else {}), None


def _success(method: str, result: Any) -> Response:
    if result is None:
        return Response(status_code=204)
    if isinstance(result, bytes):
        return Response(result, media_type="application/octet-stream")
    return Response(msgspec.json.encode(result), 201 if method == "POST" else 200, media_type="application/json")


async def _lifespan(receive: Receive, send: Send) -> None:
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
