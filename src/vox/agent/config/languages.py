"""The languages that a call may go on in, and the tool by which the model chooses one."""

from typing import Any, Final

from vox.agent.config.profile import AgentProfile
from vox.providers.llm.contract import ToolSpec

SWITCH_LANGUAGE: Final = "switch_language"


def tags(profile: AgentProfile) -> tuple[str, ...]:
    """The languages of an agent, its first one first; empty where it has only one."""
    if not profile.languages:
        return ()
    first = (profile.stt_language,) if profile.stt_language else ()
    return tuple(dict.fromkeys((*first, *profile.languages)))


def switch_tool(profile: AgentProfile) -> ToolSpec | None:
    """The tool by which the model goes on in another language; None where there is none."""
    choices = tags(profile)
    if not choices:
        return None
    language: dict[str, Any] = {"type": "string", "enum": list(choices), "description": "BCP 47"}
    return ToolSpec(
        SWITCH_LANGUAGE,
        "Goes on in another language. Call it when the caller speaks or asks for that language, then answer in it.",
        {"type": "object", "properties": {"language": language}, "required": ["language"]},
    )
