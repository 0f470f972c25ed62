"""Which of a recogniser's texts was said, where the model knows what it can be asked."""

from collections.abc import Awaitable, Callable
from functools import partial

from vox.agent.call.conversation import Conversation
from vox.providers.llm.contract import ChoosesTranscripts, LanguageModel
from vox.providers.stt.contract import Transcript


def chooser(model: LanguageModel, conversation: Conversation) -> Callable[[Transcript], Awaitable[str]] | None:
    """Asks the model about a transcript in this conversation; None where it has no opinion."""
    return partial(_choose, model, conversation) if isinstance(model, ChoosesTranscripts) else None


async def _choose(model: ChoosesTranscripts, conversation: Conversation, transcript: Transcript) -> str:
    return await model.choose(conversation.messages(), transcript)
