"""Several language models as one: where one fails before its first word, the next is asked."""

from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Self

from vox.providers.failover.members import Members
from vox.providers.llm.contract import LanguageModel, LlmEvent, LlmRequest, Message
from vox.providers.stt.contract import SpeechHints


class FailOverModel:
    """A list of models, opened and closed by their owner. What a model declares of itself is the preferred one's.

    Args:
        members: the models.
    """

    def __init__(self, members: Members[LanguageModel]) -> None:
        self._members = members
        first = members.drivers[0]
        self.speaks_first = first.speaks_first
        self.answers_inaudible = first.answers_inaudible

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    @property
    def current(self) -> str:
        """The model that a new request would be given to."""
        return self._members.preferred.name

    def respond(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        """The answer of the first model that begins one."""
        return self._members.stream(lambda member: member.driver.respond(request))

    def hints(self, messages: tuple[Message, ...]) -> SpeechHints | None:
        """The preferred model's."""
        return self._members.drivers[0].hints(messages)
