"""Gemini Live: speech in, speech out, over one WebSocket a call (`_gemini_live_wire`)."""

from types import TracebackType
from typing import Any, Final, Self

from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps, DriverConfig
from vox.providers.realtime._gemini_live_wire import INPUT_RATE, OUTPUT_RATE, GeminiLiveCodec
from vox.providers.realtime._session import VendorSession
from vox.providers.realtime.contract import RealtimeSession, RealtimeSetup

KEY: Final = Key("google", ("GOOGLE_API_KEY", "GEMINI_API_KEY"))
BASE_URL: Final = "https://generativelanguage.googleapis.com"
PATH: Final = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


class Config(DriverConfig):
    """Options of Gemini Live."""

    model: str = Field(default="gemini-3.8-live", description="One of Google's live models")
    base_url: str = Field(default="", description="A server of your own that speaks this API; empty: Google's")
    temperature: float | None = Field(default=None, ge=0, le=2, description="Empty: the vendor's default")
    max_tokens: int | None = Field(default=None, gt=0, description="Longest answer; empty: the vendor's default")
    timeout_s: float = Field(
        default=15.0, gt=0, le=300, description="Longest wait for the session, an answer, and between its parts"
    )


class GeminiLive:
    """A live model of Google's."""

    input_rate = INPUT_RATE
    output_rate = OUTPUT_RATE

    def __init__(self, config: Config, deps: Deps, key: str) -> None:
        base_url = (config.base_url or BASE_URL).rstrip("/")
        self._url = f"ws{base_url.removeprefix('http')}{PATH}"
        self._headers = {"x-goog-api-key": key}
        self._model = config.model.removeprefix("models/")
        settings: dict[str, Any] = {"temperature": config.temperature, "maxOutputTokens": config.max_tokens}
        self._generation = {name: value for name, value in settings.items() if value is not None}
        self.timeout_s = config.timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: each call has a connection of its own."""

    def open_session(self, setup: RealtimeSetup) -> RealtimeSession:
        """A session for one call; it connects when its `events` are read."""
        codec = GeminiLiveCodec(setup, self._model, self._generation, KEY)
        return VendorSession(codec, "google", KEY, self._url, self._headers, self.timeout_s)


def create(config: Config, deps: Deps) -> GeminiLive:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return GeminiLive(config, deps, KEY.required(deps, "gemini"))
