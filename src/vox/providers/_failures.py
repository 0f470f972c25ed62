"""How a vendor's failures become ours: statuses, broken connections, and errors reported inside an answer that began well.

Every driver of a vendor tells its failures through this module, so that the same thing going wrong has the same code at all of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, cast

import httpx2
import msgspec

from vox.errors import DependencyError, UsageError
from vox.providers.contract import Deps

_TOO_MANY_REQUESTS = 429
_PAYMENT_REQUIRED = 402
_REFUSED = (401, 403)
_SERVER_ERRORS = 500
_TRY_AGAIN = (408, 409, _TOO_MANY_REQUESTS)
_STATUS_OF_WORDS = (
    ("rate_limit", _TOO_MANY_REQUESTS),
    ("resource_exhausted", _TOO_MANY_REQUESTS),
    ("quota", _TOO_MANY_REQUESTS),
    ("overloaded", 503),
    ("server_error", 500),
    ("internal", 500),
    ("unavailable", 503),
    ("authentication", 401),
    ("unauthenticated", 401),
    ("invalid_api_key", 401),
    ("permission", 403),
    ("invalid_request", 400),
    ("invalid_argument", 400),
    ("context_length", 400),
)
"""Words in the code or the type of an error reported without a status."""
_WRONG_KEYS = (b"API_KEY_INVALID", b"UnrecognizedClientException", b"InvalidSignatureException")
"""Words for a wrong key behind another status: Google's and Amazon's."""
_RETRY_DELAY = re.compile(rb'"retryDelay"\s*:\s*"(\d{1,6}(?:\.\d{1,9})?)s"')
"""Google's place for the seconds to wait (google.rpc.RetryInfo)."""


@dataclass(frozen=True, slots=True)
class Key:
    """Where a vendor's API key stands.

    Args:
        name: in the configuration's `api_keys`.
        variables: environment variables that may hold it, in order.
    """

    name: str
    variables: tuple[str, ...] = ()

    @property
    def places(self) -> str:
        """Both places, for messages."""
        return " or ".join((f"api_keys.{self.name} in the configuration", *self.variables))

    def required(self, deps: Deps, provider: str) -> str:
        """The key.

        Raises:
            UsageError: `missing_api_key`.
        """
        if key := deps.secret(self.name, *self.variables):
            return key
        raise UsageError(
            f"the provider {provider!r} needs an API key", code="missing_api_key", hint=f"set {self.places}"
        )


def of_status(
    status: int, words: str, vendor: str, *, key: Key | None = None, retry_after_s: float | None = None
) -> DependencyError:
    """The error for a status, 0 where there is none, and the vendor's own words, kept short: some repeat the request."""
    if status in _REFUSED:
        return DependencyError(
            f"{vendor} refused the API key ({status})",
            code="provider_refused_key",
            hint=f"check {key.places}, and what the key may do" if key else "check the key and its permissions",
        )
    answered = f"{vendor} {f'answered {status}' if status else 'reported an error'}: {' '.join(words.split())[:200]}"
    if status == _PAYMENT_REQUIRED:
        return DependencyError(
            answered, code="provider_out_of_credit", hint="check the account's balance and plan at the vendor"
        )
    return DependencyError(
        answered,
        code="provider_rate_limited" if status == _TOO_MANY_REQUESTS else "provider_failed",
        retryable=not status or status >= _SERVER_ERRORS or status in _TRY_AGAIN,
        retry_after_s=retry_after_s,
    )


def of_response(
    status: int, body: bytes, headers: Mapping[str, str], vendor: str, key: Key | None = None
) -> DependencyError:
    """The error for an HTTP answer with a status that is none of success."""
    try:
        problem: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        problem = body.decode("utf-8", "replace")
    if any(word in body for word in _WRONG_KEYS):
        status = _REFUSED[0]
    after = retry_after_s(headers)
    if after is None and (found := _RETRY_DELAY.search(body)):
        after = float(found.group(1))
    return of_status(status, words_of(problem), vendor, key=key, retry_after_s=after)


def reported(problem: object, vendor: str, key: Key | None = None) -> DependencyError:
    """What a vendor reports inside an answer that began well: as an object, a list or a bare text, with or without a status."""
    words, marks = words_of(problem), _marks_of(problem)
    status = next((int(mark) for mark in marks if mark.isdecimal() and len(mark) == len("429")), 0)
    for mark in marks if not status else ():
        status = next((known for part, known in _STATUS_OF_WORDS if part in mark), status)
    return of_status(status, words, vendor, key=key)


def of_connection(error: Exception, vendor: str) -> DependencyError:
    """What it means that no answer came, or that one broke off."""
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return DependencyError(f"{vendor} did not answer in time", code="provider_timeout", retryable=True)
    return DependencyError(
        f"the connection to {vendor} failed: {_cause(error)}", code="provider_unreachable", retryable=True
    )


def may_repeat(failed: DependencyError, pause_s: float) -> bool:
    """Whether to ask again after this pause: not after a wait that the caller heard, nor before one that the vendor asks for."""
    return failed.retryable and failed.code != "provider_timeout" and (failed.retry_after_s or 0.0) <= pause_s


def words_of(problem: object) -> str:
    """The message of a reported problem, decoded JSON or a text."""
    if isinstance(problem, Mapping):
        fields = cast("Mapping[str, object]", problem)
        found = (fields.get(name) for name in ("message", "error", "detail", "msg", "err_msg", "status_msg", "errors"))
        return next((words for each in found if each and (words := words_of(each))), "no reason given")
    if isinstance(problem, Sequence) and not isinstance(problem, str):
        return "; ".join(map(words_of, cast("Sequence[object]", problem)))
    return str(problem)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds from `Retry-After` (RFC 9110 §10.2.3), whose date form is counted from the answer's own `Date`."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
        return max(0.0, seconds) if isfinite(seconds) else None
    except ValueError:
        pass
    try:
        until, sent = parsedate_to_datetime(value), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - sent).total_seconds())
    except (ValueError, TypeError):
        return None


def _marks_of(problem: object) -> tuple[str, ...]:
    """Statuses and codes that a reported problem carries, in lower case, the nearest first."""
    if isinstance(problem, Mapping):
        fields = cast("Mapping[str, object]", problem)
        own = (str(fields[name]).casefold() for name in ("status", "code", "type") if fields.get(name))
        return (*own, *_marks_of(fields.get("error")))
    if isinstance(problem, Sequence) and not isinstance(problem, str):
        return tuple(mark for each in cast("Sequence[object]", problem) for mark in _marks_of(each))
    return ()


def _cause(error: Exception) -> str:
    cause = error.__cause__ or error
    return str(cause) or type(cause).__name__
