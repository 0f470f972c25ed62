"""Conversations for vendors that keep instructions apart and want the caller and the model to alternate. Pure."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from vox.providers.llm.contract import Message

CALL_BEGINS: Final = "(the call begins)"
"""What stands for the caller where the agent has spoken first."""
GO_ON: Final = "(go on)"
"""What stands for the caller where the agent has spoken last: a model does not answer itself."""


def split(messages: Sequence[Message]) -> tuple[str, list[Message]]:
    """The instructions at the beginning of a conversation, and the rest of it."""
    begin = next((at for at, message in enumerate(messages) if message["role"] != "system"), len(messages))
    texts = [text for message in messages[:begin] if (text := (message["content"] or "").strip())]
    return "\n\n".join(texts), list(messages[begin:])


def alternating(
    messages: Sequence[Message],
    blocks: Callable[[Message], list[dict[str, Any]]],
    *,
    model: str,
    field: str,
    text: Callable[[str], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Turns of the caller and the model; the caller has the first and the last.

    Args:
        messages: those behind the instructions. Later instructions and the results of tools are said by the caller.
        blocks: what a message consists of in the vendor's shape; a message of nothing is left out.
        model: the vendor's name of the model's role.
        field: where a turn's blocks stand.
        text: a block of text.
    """
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = model if message["role"] == "assistant" else "user"
        shaped = blocks(message)
        if shaped and turns and turns[-1]["role"] == role:
            turns[-1][field] += shaped
        elif shaped:
            turns.append({"role": role, field: shaped})
    if not turns or turns[0]["role"] == model:
        turns.insert(0, {"role": "user", field: [text(CALL_BEGINS)]})
    if turns[-1]["role"] == model:
        turns.append({"role": "user", field: [text(GO_ON)]})
    return turns
