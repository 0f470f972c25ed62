"""The language of one call: it follows the caller, or the model by a tool; voice, texts and turn taking follow it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from vox.agent.config.languages import SWITCH_LANGUAGE, switch_tool, tags
from vox.agent.config.resources import Agent
from vox.agent.tools.contract import Tool
from vox.agent.turns.language_choice import LanguageChoice
from vox.errors import UsageError
from vox.providers.llm.contract import ToolCall
from vox.providers.stt.contract import Transcript
from vox.runtime.logging import get_logger

log = get_logger(__name__)

_TEXTS: Final = ("not_understood", "error_message", "user_idle_prompt", "user_idle_goodbye")


class CallLanguage:
    """Chooses among an agent's languages.

    Args:
        agent: as the call began with it.
        use: takes the agent as it is in the language that is chosen.
    """

    def __init__(self, agent: Agent, use: Callable[[Agent], None]) -> None:
        self._agent = agent
        self._use = use
        self._choice = LanguageChoice(tags(agent.profile), agent.profile.stt_language)

    def heard(self, transcript: Transcript) -> None:
        """Follows the caller, where the recogniser tells their language and the agent has it."""
        if self._agent.profile.language_detection:
            before = self._choice.language
            if (tag := self._choice.heard(transcript.text, transcript.language)) is not None:
                self._switch(before, tag, "detected")

    @property
    def language(self) -> str:
        """Tag of the present one; empty where there is only one."""
        return self._choice.language if self._agent.profile.languages else ""

    def restore(self, tag: str) -> None:
        """Goes on in a language that was chosen in another process."""
        if tag and tag != self._choice.language and tag in tags(self._agent.profile):
            self._use(agent_in(self._agent, self._choice.chosen(tag)))

    def tools(self) -> dict[str, Tool]:
        """What the model may call; nothing where the agent has one language."""
        spec = switch_tool(self._agent.profile)
        return {} if spec is None else {SWITCH_LANGUAGE: Tool(spec, self._run)}

    async def _run(self, _call: ToolCall, arguments: Mapping[str, Any]) -> dict[str, str]:
        tag = self._choice.tag_of(str(arguments.get("language", "")))
        if tag is None:
            known = ", ".join(tags(self._agent.profile))
            raise UsageError(f"the agent speaks {known}", code="unknown_language", hint=f"give one of {known}")
        before = self._choice.language
        if tag != before:
            self._switch(before, self._choice.chosen(tag), "asked")
        return {"language": tag}

    def _switch(self, before: str, tag: str, reason: str) -> None:
        log.info("language switched", before=before, language=tag, reason=reason)
        self._use(agent_in(self._agent, tag))


def agent_in(agent: Agent, tag: str) -> Agent:
    """The agent as it is in one of its languages: voice, texts, and what is made of its words."""
    profile = agent.profile
    settings = profile.languages.get(tag)
    if settings is None:  # the first language, where nothing is set for it
        return agent
    changes: dict[str, Any] = {"stt_language": tag}
    if tag != profile.stt_language or settings.tts_voice:
        changes["tts_voice"] = settings.tts_voice
    changes |= {name: text for name in _TEXTS if (text := getattr(settings, name))}
    is_asked = bool(agent.not_understood and settings.not_understood)
    not_understood = settings.not_understood if is_asked else agent.not_understood
    return replace(agent, profile=profile.model_copy(update=changes), not_understood=not_understood)
