"""The tools by which a model pauses the recording of its call, as the model is told of them."""

from typing import Any, Final

from vox.providers.llm.contract import ToolSpec

_NO_ARGUMENTS: Final[dict[str, Any]] = {"type": "object", "properties": {}}

PAUSE_RECORDING: Final = ToolSpec(
    "pause_recording",
    "Pauses the recording of this call. Call it before the caller says a card number or another secret.",
    _NO_ARGUMENTS,
)
RESUME_RECORDING: Final = ToolSpec(
    "resume_recording",
    "Goes on recording this call, once the secret was said.",
    _NO_ARGUMENTS,
)
RECORDING_TOOLS: Final = (PAUSE_RECORDING, RESUME_RECORDING)
