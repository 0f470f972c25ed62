"""What the directory answers when it refuses: one function per reason, and the status each code has on the wire.

The wire shape is the original's, `{"error": text, "code": UPPER_CASE}`, with `errors` beside it where fields are at fault.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from vox.errors import UsageError, VoxError

STATUS: Final[dict[str, int]] = {
    "validation_error": 400,
    "value_not_storable": 400,
    "query_invalid": 400,
    "url_refused": 400,
    "invalid_public_key": 400,
    "relay_not_found": 404,
    "unauthorized": 401,
    "signature_missing": 401,
    "signature_malformed": 401,
    "signature_expired": 401,
    "bad_signature": 401,
    "signature_replayed": 401,
    "forbidden": 403,
    "not_the_owner": 403,
    "join_token_refused": 403,
    "enrolment_refused": 403,
    "join_token_not_found": 404,
    "too_many_join_tokens": 409,
    "relay_not_waiting": 409,
    "too_many_waiting": 503,
    "relay_url_taken": 409,
    "relay_busy": 409,
    "address_full": 409,
    "body_too_large": 413,
    "body_timeout": 408,
    "body_incomplete": 400,
    "rate_limited": 429,
    "nonces_exhausted": 503,
    "no_relay_available": 503,
    "too_many_listeners": 503,
    "database_failed": 503,
    "database_busy": 503,
}
"""HTTP status by error code; anything else is a 500 without details."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field at fault; `code` in the words of the original's validator."""

    path: str
    message: str
    code: str


class ValidationError(UsageError):
    """A request whose fields are wrong; `problems` names each."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__("Validation failed", code="validation_error")
        self.problems = tuple(problems)


def invalid(path: str, message: str, kind: str = "custom") -> ValidationError:
    """One wrong field."""
    return ValidationError([FieldProblem(path, message, kind)])


def relay_not_found() -> UsageError:
    """There is no relay with that id."""
    return UsageError("Relay not found", code="relay_not_found")


def url_taken() -> UsageError:
    """Another owner has a relay at that address."""
    return UsageError("Another owner has registered this url", code="relay_url_taken")


def url_refused() -> UsageError:
    """The address is private, unknown or not to be found out: one answer, so that the inside network cannot be mapped by asking."""
    return UsageError(
        "The url is refused: its host is unknown, or not all of its addresses are public. For relays in a private network the"
        " directory's operator sets outbound.allowed_private",
        code="url_refused",
    )


def url_refused_because(error: Exception) -> UsageError:
    """The same for administrators, who learn why and what helps.

    Args:
        error: what looking the address up raised.
    """
    if isinstance(error, VoxError) and error.code == "url_refused":
        remedy = "to allow its network, name it in outbound.allowed_private"
        return UsageError(f"{error.args[0].rstrip('.')}; {remedy}", code="url_refused")
    what = "was not resolved in time" if isinstance(error, TimeoutError) else "has no address in DNS"
    return UsageError(
        f"The url is refused: its host's name {what}; check the name and the resolver", code="url_refused"
    )


def relay_busy(connections: int) -> UsageError:
    """A relay with live connections is not deleted in passing."""
    return UsageError(
        f"The relay has {connections} connections: drain it first, or delete with force=1", code="relay_busy"
    )


def relay_not_waiting() -> UsageError:
    """Only a relay that waits for approval can be refused."""
    return UsageError("The relay does not wait for approval: delete it instead", code="relay_not_waiting")


def no_relay_available() -> VoxError:
    """Selection found nothing at all."""
    return VoxError("No relay is available", code="no_relay_available", retryable=True, retry_after_s=5)


def wire_form(error: VoxError) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of an error; what is not meant for callers becomes a plain 500."""
    status = STATUS.get(error.code, 500)
    headers = {"content-type": "application/json"}
    if status == 500:  # noqa: PLR2004  the status above
        return status, b'{"error":"Internal server error","code":"INTERNAL_ERROR"}', headers
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    body: dict[str, object] = {"error": error.args[0], "code": error.code.upper()}
    if isinstance(error, ValidationError):
        body["errors"] = [{"path": one.path, "message": one.message, "code": one.code} for one in error.problems]
    return status, msgspec.json.encode(body), headers
