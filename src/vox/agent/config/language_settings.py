"""What differs in each further language of an agent."""

from collections.abc import Mapping
from typing import Annotated, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class LanguageSettings(BaseModel):
    """What differs in one language; texts that are empty are the agent's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tts_voice: str = Field(default="", description="Voice; empty: the provider's for this language")
    not_understood: str = Field(default="", description="As the agent's")
    error_message: str = Field(default="", description="As the agent's")
    user_idle_prompt: str = Field(default="", description="As the agent's")
    user_idle_goodbye: str = Field(default="", description="As the agent's")


def _with_names(value: object) -> object:
    """A list of languages is one of languages without settings."""
    if not isinstance(value, (list, tuple)):
        return value
    named: dict[str, dict[str, str]] = {str(tag): {} for tag in cast("list[object]", value)}
    return named


Languages = Annotated[Mapping[str, LanguageSettings], BeforeValidator(_with_names)]
"""Settings by BCP 47 tag."""
