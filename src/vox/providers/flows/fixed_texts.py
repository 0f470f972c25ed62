"""What a flow says word for word, so that a voice can be prepared for it. Pure."""

from collections.abc import Iterator, Mapping
from typing import cast

from vox.providers.flows.schema import Script

_SPOKEN = frozenset(
    {
        "greeting",
        "prompt",
        "prompts",
        "reprompts",
        "follow_up",
        "answer",
        "confirm",
        "done",
        "failed",
        "invalid",
        "offer",
    }
)


def fixed_texts(script: Script) -> list[str]:
    """The script's texts without places to fill in, in the script's order, each once."""
    texts = (text for text in _spoken(script.model_dump()) if "{" not in text)
    return list(dict.fromkeys(texts))


def _spoken(value: object, *, is_spoken: bool = False) -> Iterator[str]:
    if isinstance(value, str) and is_spoken:
        yield value
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, object]", value).items():
            yield from _spoken(inner, is_spoken=key in _SPOKEN)
    elif isinstance(value, tuple | list):
        for inner in cast("tuple[object, ...] | list[object]", value):
            yield from _spoken(inner, is_spoken=is_spoken)
