"""The configuration of a bot, asked of the bridge once for each call, and turned into keys of an agent's configuration.

200 lets the call in; 404 (no such bot), 503 (outside its active hours) and every failure reject it, because a call
whose bot is not configured must not be answered by another one.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import quote

import httpx2
import msgspec

from vox.errors import DependencyError, UsageError
from vox.fleet.worker.metrics import BOT_REQUESTS
from vox.runtime.metrics import Metrics

ASK_TIMEOUT_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 1 << 20
SECRET_HEADER: Final = "X-VoxCore-Secret"  # noqa: S105  a header's name
_STAGES: Final = ("stt", "llm", "tts")
_DECODER: Final = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class BotConfig:
    """A bot for one call.

    Attributes:
        agent: the configured agent that it is made from; empty for the default one.
        profile: keys of the agent's configuration that it has otherwise.
        session_id: the bridge's name of this conversation.
        webhook_url: where the bridge takes the call's result; empty for its usual address.
    """

    agent: str = ""
    profile: Mapping[str, Any] = field(default_factory=dict[str, Any])
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    api_keys: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    session_id: str = ""
    webhook_url: str = ""


class BotDirectory:
    """Asks one bridge.

    Args:
        http: the client to ask with.
        base: address of the configurations; the bot's id follows as one more segment.
        is_suffixed: whether `/config` follows the id, as at our bridge.
        secret: sent with every request; empty for none.
        metrics: counts the answers.
    """

    def __init__(
        self, http: httpx2.AsyncClient, base: str, *, is_suffixed: bool, secret: str, metrics: Metrics
    ) -> None:
        self._http = http
        self._base = base
        self._suffix = "/config" if is_suffixed else ""
        self._headers = {SECRET_HEADER: secret} if secret else {}
        self._metrics = metrics

    async def find(self, bot_id: str, *, caller: str, stream_id: str, connected_event: str) -> BotConfig:
        """The bot's configuration for this call.

        Args:
            bot_id: as the call named it.
            caller: the caller's number.
            stream_id: the carrier's name of the stream.
            connected_event: what else is known of the call, as a JSON object.

        Raises:
            UsageError: bot_not_found, or bot_closed outside its active hours.
            DependencyError: bot_unavailable, where the bridge fails, does not answer or answers with something else.
        """
        query = {"caller_id": caller, "stream_id": stream_id, "connected_event": connected_event or "{}"}
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                url = f"{self._base}/{quote(bot_id, safe='')}{self._suffix}"
                answer = await self._http.get(url, params=query, headers=self._headers)
        except (httpx2.HTTPError, TimeoutError) as error:
            self._count("unreachable")
            raise _unavailable(
                f"The bridge did not answer ({type(error).__name__})."
            ) from None  # the cause holds the URL
        self._count(str(answer.status_code))
        if answer.status_code == 404:  # noqa: PLR2004  the contract's statuses
            raise UsageError("The bridge knows no such bot.", code="bot_not_found", hint="create it at the bridge")
        if answer.status_code == 503:  # noqa: PLR2004  the contract's statuses
            raise UsageError(
                "The bot takes no calls now.", code="bot_closed", hint="see its active hours at the bridge"
            )
        if answer.status_code != 200 or len(answer.content) > MAX_ANSWER_BYTES:  # noqa: PLR2004  the contract's statuses
            hint = "VOXCORE_SECRET must be the same on both sides" if answer.status_code in {401, 403} else ""
            raise _unavailable(f"The bridge answered {answer.status_code}.", hint)
        try:
            return read_config(_DECODER.decode(answer.content))
        except msgspec.MsgspecError:
            raise _unavailable("The bridge's answer is not a bot's configuration.") from None

    def _count(self, outcome: str) -> None:
        self._metrics.counter(BOT_REQUESTS, outcome).inc()


def read_config(raw: Mapping[str, Any]) -> BotConfig:
    """A configuration in VoxCore's form, or in that of an agent's own keys under `profile`; unknown keys are ignored."""
    profile: dict[str, Any] = {}
    api_keys: dict[str, str] = {}
    for mine, theirs in (("system_prompt", "system_prompt"), ("greeting", "opening_message")):
        if isinstance(raw.get(theirs), str):
            profile[mine] = raw[theirs]
    for stage in _STAGES:
        _read_stage(stage, _object(raw, stage), profile, api_keys)
    words = raw.get("min_words_interruption")
    if isinstance(words, int) and words > 0:
        profile |= {"interruption_strategy": "min_words", "min_words": words}
    longest = raw.get("max_call_duration_seconds")
    if isinstance(longest, int | float) and longest > 0:
        profile["max_call_secs"] = longest
    if numbers := _object(raw, "transfer_numbers"):
        profile["transfers"] = {name: {"to": str(number)} for name, number in numbers.items()}
    profile |= _object(raw, "profile")
    return BotConfig(
        agent=_text(raw, "agent"),
        profile=profile,
        variables={key: str(value) for key, value in _object(raw, "variables").items()},
        api_keys=api_keys,
        session_id=_text(raw, "session_id"),
        webhook_url=_text(raw, "webhook_url"),
    )


def _read_stage(stage: str, given: Mapping[str, Any], profile: dict[str, Any], api_keys: dict[str, str]) -> None:
    provider = _text(given, "provider")
    if provider:
        profile[f"{stage}_provider"] = provider
        if key := _text(given, "api_key"):
            api_keys[provider] = key
    if model := _text(given, "model"):
        profile["model" if stage == "llm" else f"{stage}_model"] = model
    if stage == "stt" and (language := _text(given, "language")):
        profile["stt_language"] = language
    if stage == "tts" and (voice := _text(given, "voice") or _text(given, "voice_id")):
        profile["tts_voice"] = voice
    options = dict(_object(given, "extra"))
    options |= {name: given[name] for name in ("temperature", "max_tokens") if stage == "llm" and name in given}
    if options:
        profile[f"{stage}_options"] = options


def _object(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object of that name; empty where there is none. Its keys are text, because it was JSON."""
    value = raw.get(name)
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""


def _unavailable(message: str, hint: str = "") -> DependencyError:
    return DependencyError(message, code="bot_unavailable", hint=hint, retryable=True)
