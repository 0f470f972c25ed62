"""The root of every error Vox raises on purpose.

Two questions answer every caller: whose fault was it, and does a retry help?

    VoxError
    ├── UsageError       the operator's or caller's input is wrong; the message names the thing and the remedy
    ├── PeerError        the other end of a connection broke its protocol
    └── DependencyError  a vendor, database or device failed; often worth a retry
"""


class VoxError(Exception):
    """An error with a stable code and a hint that says what to do next.

    Args:
        message: what happened, and to what.
        code: stable, lower_snake_case; documented in docs/operations/errors.md.
        hint: what to do next; empty where the message already says it.
        retryable: whether the same call may succeed later.
        retry_after_s: seconds after which a retry is sensible, where known.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        hint: str = "",
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.retryable = retryable
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message


class UsageError(VoxError):
    """The input of an operator, a configuration or a caller is wrong."""


class PeerError(VoxError):
    """The other end of a connection broke its protocol."""


class DependencyError(VoxError):
    """A vendor, database or device that Vox depends on failed."""
