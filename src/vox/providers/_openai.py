"""What the three OpenAI-compatible drivers share: the table of vendors, the client, its errors.

A vendor that speaks OpenAI's API is a row here, not a file. The client's own retries are off: it waits up to a minute
when a vendor asks for it, and a caller does not. `attempt` tries again at once where that is sensible, and gives up where
it is not, so that the call can say something.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar, cast

import httpx2
from pydantic import Field

from vox.errors import DependencyError, UsageError
from vox.providers.contract import Deps, DriverConfig

if TYPE_CHECKING:
    import openai  # at run time only for those who open a driver: it takes a second to import
    from openai import AsyncOpenAI

_T = TypeVar("_T")

RETRY_PAUSE_S = 0.25
_TOO_MANY_REQUESTS = 429
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


@dataclass(frozen=True, slots=True)
class Vendor:
    """One row: where a vendor listens and what it is called there.

    Args:
        base_url: the API's root.
        model: the default model.
        key: the name in the configuration's `api_keys`.
        key_variables: environment variables that may hold the key, in order.
        base_url_variable: environment variable that overrides `base_url`.
        needs_key: False where any key will do.
        reports_usage: whether the vendor takes `stream_options`, which asks for token counts.
        voice: the default voice (speech only).
        audio_format: what is asked for (speech only): `pcm`, or `wav` where the vendor has nothing else.
        sample_rate: of the speech, in Hz.
    """

    base_url: str
    model: str
    key: str
    key_variables: tuple[str, ...]
    base_url_variable: str = ""
    needs_key: bool = True
    reports_usage: bool = False
    voice: str = ""
    audio_format: str = "pcm"
    sample_rate: int = 24_000


_OPENAI = "https://api.openai.com/v1"
_GROQ = "https://api.groq.com/openai/v1"

CHAT: Mapping[str, Vendor] = {
    "openai": Vendor(_OPENAI, "gpt-3.5-turbo", "openai", ("OPENAI_API_KEY",), reports_usage=True),
    "groq": Vendor(_GROQ, "llama-3.1-8b-instant", "groq", ("GROQ_API_KEY",), reports_usage=True),
    "grok": Vendor("https://api.x.ai/v1", "grok-2", "xai", ("XAI_API_KEY",), reports_usage=True),
    "cerebras": Vendor("https://api.cerebras.ai/v1", "llama3.1-8b", "cerebras", ("CEREBRAS_API_KEY",)),
    "mistral": Vendor("https://api.mistral.ai/v1", "mistral-small-latest", "mistral", ("MISTRAL_API_KEY",)),
    "deepseek": Vendor(
        "https://api.deepseek.com/v1", "deepseek-chat", "deepseek", ("DEEPSEEK_API_KEY",), reports_usage=True
    ),
    "qwen": Vendor(
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "qwen-plus",
        "qwen",
        ("DASHSCOPE_API_KEY", "QWEN_API_KEY"),
        "DASHSCOPE_BASE_URL",
        reports_usage=True,
    ),
    "ollama": Vendor(
        "http://localhost:11434/v1",
        "llama3.2",
        "ollama",
        ("OLLAMA_API_KEY",),
        "OLLAMA_BASE_URL",
        needs_key=False,
        reports_usage=True,
    ),
    "openpipe": Vendor("https://app.openpipe.ai/api/v1", "gpt-4.1", "openpipe", ("OPENPIPE_API_KEY",)),
    "asyncai": Vendor("https://api.async.ai/v1", "gpt-4o", "asyncai", ("ASYNC_AI_API_KEY",), "ASYNC_AI_BASE_URL"),
    "fish": Vendor("https://api.fish.audio/v1", "gpt-4o", "fish", ("FISH_API_KEY",), "FISH_BASE_URL"),
    "inworld": Vendor("https://api.inworld.ai/v1", "gpt-4o-mini", "inworld", ("INWORLD_API_KEY",)),
    "minimax": Vendor(
        "https://api.minimax.io/v1", "abab6.5s-chat", "minimax", ("MINIMAX_API_KEY",), "MINIMAX_BASE_URL"
    ),
    "moondream": Vendor(
        "https://api.moondream.com/v1", "moondream-v1", "moondream", ("MOONDREAM_API_KEY",), "MOONDREAM_BASE_URL"
    ),
}
"""Language models, by the provider's name in the configuration."""

TRANSCRIPTION: Mapping[str, Vendor] = {
    "openai": Vendor(_OPENAI, "whisper-1", "openai", ("OPENAI_API_KEY",)),
    "groq": Vendor(_GROQ, "whisper-large-v3", "groq", ("GROQ_API_KEY",)),
    "whisper": Vendor(_OPENAI, "whisper-1", "whisper", ("WHISPER_API_KEY", "OPENAI_API_KEY"), "WHISPER_BASE_URL"),
}
"""Recognisers, by the provider's name in the configuration."""

SPEECH: Mapping[str, Vendor] = {
    "openai": Vendor(_OPENAI, "tts-1", "openai", ("OPENAI_API_KEY",), voice="alloy"),
    "groq": Vendor(
        _GROQ, "canopylabs/orpheus-v1-english", "groq", ("GROQ_API_KEY",), voice="alloy", audio_format="wav"
    ),
}
"""Synthesisers, by the provider's name in the configuration."""


class VendorConfig(DriverConfig):
    """Options that every driver of a compatible vendor has."""

    vendor: str = Field(default="openai", description="The row of the vendor table; set by the provider's name")
    model: str = Field(default="", description="Empty: the vendor's default")
    base_url: str = Field(default="", description="A server of your own; empty: the vendor's. It then needs no key")
    timeout_s: float = Field(
        default=15.0, gt=0, le=300, description="Longest wait for the answer, and between its parts"
    )
    max_retries: int = Field(default=1, ge=0, le=5, description="Further tries after a failure that may pass")


def vendors(kind: str) -> Mapping[str, Vendor]:
    """The rows of a kind of provider; empty for kinds without compatible vendors."""
    return {"llm": CHAT, "stt": TRANSCRIPTION, "tts": SPEECH}.get(kind, {})


def find(kind: str, config: VendorConfig) -> Vendor:
    """The row that a configuration names.

    Raises:
        UsageError: `unknown_provider`.
    """
    rows = vendors(kind)
    if config.vendor not in rows:
        raise UsageError(
            f"there is no OpenAI-compatible {kind} vendor {config.vendor!r}",
            code="unknown_provider",
            hint=f"known: {', '.join(sorted(rows))}; others with the option base_url",
        )
    return rows[config.vendor]


def connect(vendor: Vendor, config: VendorConfig, deps: Deps) -> "AsyncOpenAI":
    """The official client for a vendor, over the injected HTTP client. It needs no closing of its own.

    Raises:
        UsageError: `missing_api_key`.
    """
    from openai import AsyncOpenAI  # noqa: PLC0415  only those who open a driver pay for the import

    key = deps.secret(vendor.key, *vendor.key_variables)
    if not key and vendor.needs_key and not config.base_url:
        raise UsageError(
            f"the provider {config.vendor!r} needs an API key",
            code="missing_api_key",
            hint=f"set api_keys.{vendor.key} in the configuration, or {' or '.join(vendor.key_variables)}",
        )
    base_url = config.base_url or deps.environment.get(vendor.base_url_variable, "") or vendor.base_url
    return AsyncOpenAI(
        api_key=key or "none",
        base_url=base_url,
        http_client=deps.http,
        max_retries=0,
        timeout=httpx2.Timeout(config.timeout_s, connect=min(5.0, config.timeout_s)),
    )


async def attempt(request: Callable[[], Awaitable[_T]], config: VendorConfig) -> _T:
    """Awaits a request's answer (its head, where the answer is a stream), with the deadline and the retries configured.

    Raises:
        DependencyError: see `failure`.
    """
    tries = 0
    while True:
        try:
            async with asyncio.timeout(config.timeout_s):
                return await request()
        except failures() as error:
            failed = failure(error, config.vendor)
            wait_s = failed.retry_after_s or 0.0
            if tries >= config.max_retries or not failed.retryable or wait_s > RETRY_PAUSE_S:
                raise failed from error
        tries += 1
        await asyncio.sleep(RETRY_PAUSE_S)


def failures() -> tuple[type[Exception], ...]:
    """What the client raises when the vendor or the way there fails; ValueError is an answer that is no JSON or text."""
    import openai  # noqa: PLC0415  see above

    return (openai.OpenAIError, httpx2.HTTPError, TimeoutError, ValueError)


def failure(error: Exception, vendor: str) -> DependencyError:
    """The error of Vox for a failure of the client library."""
    import openai  # noqa: PLC0415  see above

    match error:
        case TimeoutError() | openai.APITimeoutError() | httpx2.TimeoutException():
            return DependencyError(f"{vendor} did not answer in time", code="provider_timeout", retryable=True)
        case openai.APIStatusError():
            return _status_failure(error, vendor)
        case openai.APIConnectionError() | httpx2.TransportError():
            return DependencyError(
                f"the connection to {vendor} failed: {_cause(error)}", code="provider_unreachable", retryable=True
            )
        case _:
            return DependencyError(f"{vendor} sent an answer that Vox cannot read", code="provider_bad_answer")


def reported_failure(problem: object, vendor: str) -> DependencyError:
    """What a vendor reports inside an answer that began well: as an object, a list or a bare text, with or without a status."""
    words, marks = _words_of(problem), _marks_of(problem)
    status = next((int(mark) for mark in marks if mark.isdecimal() and len(mark) == len("429")), 0)
    for mark in marks if not status else ():
        status = next((known for part, known in _STATUS_OF_WORDS if part in mark), status)
    return _failure_of(status, words, vendor, None)


def _status_failure(error: "openai.APIStatusError", vendor: str) -> DependencyError:
    return _failure_of(error.status_code, str(error.message), vendor, _retry_after_s(error.response.headers))


def _failure_of(status: int, words: str, vendor: str, retry_after_s: float | None) -> DependencyError:
    """The error for a status, 0 where there is none, and the vendor's own words, kept short: some repeat the request."""
    if status in _REFUSED:
        return DependencyError(
            f"{vendor} refused the API key ({status})",
            code="provider_refused_key",
            hint="check the key and its permissions",
        )
    code = "provider_rate_limited" if status == _TOO_MANY_REQUESTS else "provider_failed"
    answered = f"answered {status}" if status else "reported an error"
    return DependencyError(
        f"{vendor} {answered}: {' '.join(words.split())[:200]}",
        code=code,
        retryable=not status or status >= _SERVER_ERRORS or status in _TRY_AGAIN,
        retry_after_s=retry_after_s,
    )


def _words_of(problem: object) -> str:
    """The message of a reported problem."""
    if isinstance(problem, Mapping):
        fields = cast("Mapping[str, object]", problem)
        found = (fields.get(name) for name in ("message", "error", "detail", "msg"))
        return next((words for each in found if each and (words := _words_of(each))), "no reason given")
    if isinstance(problem, Sequence) and not isinstance(problem, str):
        return "; ".join(map(_words_of, cast("Sequence[object]", problem)))
    return str(problem)


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


def _retry_after_s(headers: httpx2.Headers) -> float | None:
    """Seconds from `Retry-After` (RFC 9110 §10.2.3), whose date form is counted from the answer's own `Date`."""
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        until, sent = parsedate_to_datetime(value), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - sent).total_seconds())
    except (ValueError, TypeError):
        return None
