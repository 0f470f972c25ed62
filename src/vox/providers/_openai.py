"""What the three OpenAI-compatible drivers share: the table of vendors, the client, its errors.

A vendor that speaks OpenAI's API is a row here, not a file. The client's own retries are off: it waits up to a minute
when a vendor asks for it, and a caller does not. `attempt` tries again at once where that is sensible, and gives up where
it is not, so that the call can say something.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import httpx2
from pydantic import Field

from vox.errors import DependencyError, UsageError
from vox.providers import _failures
from vox.providers._failures import Key
from vox.providers.contract import Deps, DriverConfig

if TYPE_CHECKING:
    import openai  # at run time only for those who open a driver: it takes a second to import
    from openai import AsyncOpenAI

_T = TypeVar("_T")

RETRY_PAUSE_S = 0.25


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
        borrows_key: whether the further variables hold another vendor's key, which a server elsewhere must not get.
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
    borrows_key: bool = False
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
    "whisper": Vendor(
        _OPENAI,
        "whisper-1",
        "whisper",
        ("WHISPER_API_KEY", "OPENAI_API_KEY"),
        "WHISPER_BASE_URL",
        needs_key=False,
        borrows_key=True,
    ),
}
"""Recognisers, by the provider's name in the configuration."""

SPEECH: Mapping[str, Vendor] = {
    "openai": Vendor(_OPENAI, "tts-1", "openai", ("OPENAI_API_KEY",), "OPENAI_BASE_URL", voice="alloy"),
    "groq": Vendor(
        _GROQ,
        "canopylabs/orpheus-v1-english",
        "groq",
        ("GROQ_API_KEY",),
        "GROQ_BASE_URL",
        voice="alloy",
        audio_format="wav",
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


def names_a_server(kind: str, name: str, options: Mapping[str, object], deps: Deps) -> bool:
    """Whether a row is meant by a name that is a driver's of ours too: its address or its own key is configured."""
    row = vendors(kind).get(name)
    if row is None:
        return False
    has_address = "base_url" in options or bool(deps.environment.get(row.base_url_variable))
    return has_address or deps.secret(row.key, *row.key_variables[:1]) is not None


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

    base_url = config.base_url or deps.environment.get(vendor.base_url_variable, "") or vendor.base_url
    is_moved = base_url.rstrip("/") != vendor.base_url
    variables = vendor.key_variables[:1] if is_moved and vendor.borrows_key else vendor.key_variables
    key = deps.secret(vendor.key, *variables)
    if not key and vendor.needs_key and not config.base_url:
        raise UsageError(
            f"the provider {config.vendor!r} needs an API key",
            code="missing_api_key",
            hint=f"set api_keys.{vendor.key} in the configuration, or {' or '.join(vendor.key_variables)}",
        )
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
            if tries >= config.max_retries or not _failures.may_repeat(failed, RETRY_PAUSE_S):
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
        case openai.APITimeoutError():
            return _failures.of_connection(TimeoutError(), vendor)
        case openai.APIStatusError():
            return _status_failure(error, vendor)
        case TimeoutError() | openai.APIConnectionError() | httpx2.TransportError():
            return _failures.of_connection(error, vendor)
        case _:
            return DependencyError(f"{vendor} sent an answer that Vox cannot read", code="provider_bad_answer")


def _status_failure(error: "openai.APIStatusError", vendor: str) -> DependencyError:
    return _failures.of_status(
        error.status_code,
        str(error.message),
        vendor,
        key=_key_of(vendor),
        retry_after_s=_failures.retry_after_s(error.response.headers),
    )


def _key_of(name: str) -> Key | None:
    """Where the key of the vendor of that name stands."""
    row = next((rows[name] for rows in (CHAT, TRANSCRIPTION, SPEECH) if name in rows), None)
    return Key(row.key, row.key_variables) if row else None
