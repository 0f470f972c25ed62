"""What stands in the place of recogniser, language model and synthesiser where a realtime model does all three."""

from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import NoReturn, Self

from vox.errors import UsageError
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message
from vox.providers.stt.contract import SpeechHints, SttStream, Transcript
from vox.providers.tts.contract import SpeechChunk


class RealtimeStages:
    """Three stages that are never asked: the call asks the realtime model."""

    sample_rate = 24_000
    speaks_first = False
    answers_inaudible = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> SttStream:
        """Raises `UsageError`: the call's own realtime session hears."""
        _refuse()

    def respond(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        """Raises `UsageError`: the call's own realtime session answers."""
        _refuse()

    def hints(self, messages: tuple[Message, ...]) -> SpeechHints | None:
        """None: anything may be said."""
        return None

    def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Raises `UsageError`: the call's own realtime session speaks."""
        _refuse()


def _refuse() -> NoReturn:
    raise UsageError("a realtime model has no stages of its own", code="realtime_has_no_stages")
