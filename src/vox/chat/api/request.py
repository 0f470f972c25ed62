"""A chat request as its endpoint sees it, and the chat server's route tables."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Generic, Literal, cast, overload

from starlette.types import Receive, Scope
from typing_extensions import TypeVar

from vox.chat.api.access import Access
from vox.chat.api.path_ids import ME, path_id, target_id
from vox.chat.api.rate_categories import category_of
from vox.chat.context import ChatContext
from vox.chat.errors import Refusal, refuse
from vox.chat.events.ids import CategoryId, DmId, FeedId, LoginId, MessageId, RoleId, RoomId, ThreadId, UserId
from vox.chat.identity.logins import Login
from vox.errors import PeerError
from vox.http import routing
from vox.http.call import HttpCall
from vox.http.routing import Reply, Upload
from vox.security import credentials

__all__ = ["PREFIX", "AnyCall", "Call", "Reply", "Route", "RouteTable", "Router", "Upload", "bearer_token"]

B = TypeVar("B", default=None)
Q = TypeVar("Q", default=None)

PREFIX: Final = "/api/v1"
_USERS: Final = frozenset({"user_id", "recipient_id", "target"})
_USER_TARGET: Final = ("target_id", "user")

Route = routing.Route[Access]
Router = routing.Router[Access]


class RouteTable(routing.RouteTable[Access]):
    """Routes of the API, each with the rate limit of its path."""

    def __init__(self, prefix: str = PREFIX) -> None:
        super().__init__(prefix, category_of=category_of)


class Call(HttpCall, Generic[B, Q]):
    """One request, as its endpoint sees it.

    Args:
        chat: the parts of the server.
        scope: the ASGI scope.
        receive: the ASGI receive.
        login: whose token came; None on routes without login.
        path: the values of the route's parameters, decoded.
    """

    __slots__ = ("body", "chat", "has_string_ids", "login", "query", "seen", "token")

    def __init__(
        self, chat: ChatContext, scope: Scope, receive: Receive, login: Login | None, path: Mapping[str, str]
    ) -> None:
        self.scope = scope  # not by the base's constructor: this runs for every request
        self.receive = receive
        self.path = path
        self.chat = chat
        self.login = login
        self.token = ""
        self.has_string_ids = False
        self.seen: tuple[int, int] = (0, 0)
        self.body = cast("B", None)
        self.query = cast("Q", None)

    @property
    def user_id(self) -> UserId:
        """Who calls.

        Raises:
            Refusal: AUTH_FAILED without a login.
        """
        if self.login is None:
            raise refuse("AUTH_FAILED", "This needs a login.")
        return self.login.user_id

    @property
    def session_id(self) -> LoginId:
        """The login session whose token came."""
        if self.login is None:
            raise refuse("AUTH_FAILED", "This needs a login.")
        return self.login.session_id

    @property
    def target_id(self) -> UserId:
        """The user of the path; `@me` is the caller.

        Raises:
            Refusal: INVALID_USER_ID where it is no number.
        """
        return target_id(self.path, self.user_id)

    @overload
    def id(self, name: Literal["user_id", "recipient_id", "target"]) -> UserId: ...
    @overload
    def id(self, name: Literal["feed_id"]) -> FeedId: ...
    @overload
    def id(self, name: Literal["room_id"]) -> RoomId: ...
    @overload
    def id(self, name: Literal["category_id"]) -> CategoryId: ...
    @overload
    def id(self, name: Literal["thread_id"]) -> ThreadId: ...
    @overload
    def id(self, name: Literal["dm_id"]) -> DmId: ...
    @overload
    def id(self, name: Literal["role_id"]) -> RoleId: ...
    @overload
    def id(self, name: Literal["msg_id"]) -> MessageId: ...
    @overload
    def id(self, name: Literal["session_id"]) -> LoginId: ...
    @overload
    def id(self, name: str) -> int: ...
    def id(self, name: str) -> int:
        """A number of the path; where it names a user, `@me` is the caller.

        Raises:
            Refusal: VALIDATION_ERROR where it is none.
        """
        try:
            return path_id(self.path, name)
        except Refusal:
            if self.path[name] == ME and (name in _USERS or (name, self.path.get("target_type")) == _USER_TARGET):
                return self.user_id
            raise

    async def stream(self) -> AsyncIterator[bytes]:
        """The request body in pieces, for routes with `body=Upload`; the endpoint counts its bytes.

        Raises:
            Refusal: VALIDATION_ERROR where the client leaves before the end.
        """
        try:
            async for piece in super().stream():
                yield piece
        except PeerError as error:
            raise refuse("VALIDATION_ERROR", str(error)) from None


def bearer_token(authorization: str) -> str:
    """The token of an Authorization header of a member or a bot.

    Raises:
        Refusal: AUTH_FAILED where it is of another scheme or has no token.
    """
    token = credentials.bearer_token(authorization, credentials.MEMBER_OR_BOT)
    if not token:
        raise refuse("AUTH_FAILED", "Send Authorization: Bearer <token>.")
    return token


AnyCall = Call[Any, Any]
