"""What can go wrong between a client and a chat server.

VoxError
├── UsageError
│   ├── RequestRefusedError       the server refused the request; `reason` is its code
│   │   ├── AuthenticationError   401: the token is wrong or has ended
│   │   ├── ForbiddenError        403: `missing_permission` says which permission, where one is missing
│   │   └── NotFoundError         404
│   └── CommandDefinitionError    a command's function cannot be made a slash command
├── PeerError
│   └── AnswerError               the answer is not what the documents say
└── DependencyError
    ├── RateLimitedError          the server asks for a longer wait than `max_rate_limit_wait_s`
    ├── UnavailableError          the server could not be reached, or failed, for as long as `patience_s` allows
    └── GatewayClosedError        the gateway closed with a code after which trying again changes nothing
"""

from collections.abc import Mapping
from typing import Any, Final

from vox.errors import DependencyError, PeerError, UsageError


class RequestRefusedError(UsageError):
    """The server refused a request.

    Args:
        request: method and path.
        status: the HTTP status.
        error: the server's error object: `code`, `message`, and further fields for some codes.
        hint: what to do next.
    """

    def __init__(self, request: str, status: int, error: Mapping[str, Any], hint: str = "") -> None:
        self.status = status
        self.reason = str(error.get("code") or "UNKNOWN")
        self.details = dict(error)
        message = error.get("message") or f"HTTP {status}"
        super().__init__(
            f"{request} was refused: {message} ({self.reason}, HTTP {status})", code="chat_refused", hint=hint
        )


class AuthenticationError(RequestRefusedError):
    """The token is wrong, or its login has ended."""


class ForbiddenError(RequestRefusedError):
    """The account may not do this."""

    @property
    def missing_permission(self) -> str:
        """The name of the permission that is missing; empty where the server names none."""
        return str(self.details.get("missing_permission") or "")


class NotFoundError(RequestRefusedError):
    """The thing is not there, or not visible to this account."""


class CommandDefinitionError(UsageError):
    """A function cannot be made a slash command."""

    def __init__(self, name: str, problem: str, hint: str) -> None:
        super().__init__(f"the command {name!r} {problem}", code="chat_command_invalid", hint=hint)


class AnswerError(PeerError):
    """The server's answer is not what the documents say."""

    def __init__(self, request: str, problem: str) -> None:
        super().__init__(f"the answer to {request} is not as documented: {problem}", code="chat_answer_malformed")


class RateLimitedError(DependencyError):
    """The wait that a rate limit asks for is longer than the client allows."""

    def __init__(self, request: str, wait_s: float) -> None:
        super().__init__(
            f"{request} would have to wait {wait_s:.0f} s for its rate limit",
            code="chat_rate_limited",
            hint="send less, or raise max_rate_limit_wait_s",
            retryable=True,
            retry_after_s=wait_s,
        )


class UnavailableError(DependencyError):
    """The server could not be reached, or kept failing."""

    def __init__(self, request: str, problem: str) -> None:
        super().__init__(
            f"{request} had no answer: {problem}",
            code="chat_unavailable",
            hint="check the address, and the server's log",
            retryable=True,
        )


class GatewayClosedError(DependencyError):
    """The gateway closed the connection for good.

    Args:
        close_code: see docs/protocols/chat-gateway.md.
        reason: the server's text.
    """

    def __init__(self, close_code: int, reason: str) -> None:
        self.close_code = close_code
        self.reason = reason
        super().__init__(
            f"the gateway closed with {close_code} {reason}".rstrip(),
            code="chat_gateway_closed",
            hint=_HINTS.get(close_code, ""),
        )


_HINTS: Final = {
    4004: "the token is wrong or was replaced, or the account was removed",
    4011: "server and client speak different versions: update the older one",
}
_BY_STATUS: Final[dict[int, type[RequestRefusedError]]] = {
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
}


def refusal(request: str, status: int, error: Mapping[str, Any]) -> RequestRefusedError:
    """The error for a 4xx answer."""
    hint = ""
    if status == 403 and error.get("missing_permission"):  # noqa: PLR2004  Forbidden
        hint = f"give the account the permission {error['missing_permission']}"
    elif status == 401:  # noqa: PLR2004  Unauthorized
        hint = "check the token"
    return _BY_STATUS.get(status, RequestRefusedError)(request, status, error, hint)
