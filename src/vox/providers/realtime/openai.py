"""OpenAI's Realtime API: speech in, speech out, over one WebSocket a call (`_openai_wire`)."""

from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import urlencode

from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps, DriverConfig
from vox.providers.realtime._openai_wire import RATE, OpenAiRealtimeCodec
from vox.providers.realtime._session import VendorSession
from vox.providers.realtime.contract import RealtimeSession, RealtimeSetup

KEY: Final = Key("openai", ("OPENAI_API_KEY",))
BASE_URL: Final = "https://api.openai.com/v1"


class Config(DriverConfig):
    """Options of the Realtime API."""

    model: str = Field(default="gpt-realtime", description="One of OpenAI's realtime models")
    base_url: str = Field(default="", description="A server of your own that speaks this API; empty: OpenAI's")
    transcription_model: str = Field(
        default="gpt-4o-mini-transcribe", description="Writes down what callers say, for transcripts and interruptions"
    )
    noise_reduction: Literal["", "near_field", "far_field"] = Field(
        default="", description="The vendor's noise filter, for a headset or for a room; empty: none"
    )
    max_tokens: int | None = Field(
        default=None, gt=0, le=4096, description="Longest answer; empty: the vendor's default"
    )
    timeout_s: float = Field(
        default=15.0, gt=0, le=300, description="Longest wait for the session, an answer, and between its parts"
    )


class OpenAiRealtime:
    """A realtime model of OpenAI's."""

    input_rate = output_rate = RATE

    def __init__(self, config: Config, deps: Deps, key: str) -> None:
        base_url = (config.base_url or BASE_URL).rstrip("/")
        self._url = f"ws{base_url.removeprefix('http')}/realtime?{urlencode({'model': config.model})}"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._options = config.model_dump(include={"transcription_model", "noise_reduction", "max_tokens"})
        self.timeout_s = config.timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: each call has a connection of its own."""

    def open_session(self, setup: RealtimeSetup) -> RealtimeSession:
        """A session for one call; it connects when its `events` are read."""
        codec = OpenAiRealtimeCodec(setup, self._options, KEY)
        return VendorSession(codec, "openai", KEY, self._url, self._headers, self.timeout_s)


def create(config: Config, deps: Deps) -> OpenAiRealtime:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return OpenAiRealtime(config, deps, KEY.required(deps, "openai"))
