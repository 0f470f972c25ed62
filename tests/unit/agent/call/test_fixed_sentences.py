"""What an agent is known to say, as its voice will be given it."""

import asyncio
from typing import Any, cast

from vox.agent.call.fixed_sentences import fixed_sentences
from vox.agent.config.profile import AgentProfile
from vox.agent.config.resources import Agent


class Script:
    speaks_first = True
    not_understood = "Pardon?"

    def fixed_texts(self) -> list[str]:
        return ["The bar is open. Anything else?", "Anything else?", "Our tables are free again at eight, not before."]


def agent(llm: object, **profile: Any) -> Agent:
    chosen = AgentProfile.model_validate(profile)
    nothing = cast("Any", asyncio)
    return Agent("test", chosen, nothing, cast("Any", llm), nothing, chosen.greeting, "Pardon?")


def test_texts_are_cut_as_an_answer_is_and_as_its_later_part():
    sentences = fixed_sentences(agent(Script(), greeting="Hello. How are you?", error_message="Sorry."))
    assert sentences == [
        "Hello.",
        "How are you?",
        "Pardon?",
        "Sorry.",
        "The bar is open.",
        "Anything else?",
        "Our tables are free again at eight,",
        "not before.",
        "Our tables are free again at eight, not before.",
    ]


def test_a_text_with_places_to_fill_in_is_left_out():
    assert fixed_sentences(agent(object(), greeting="Hello {caller}.", error_message="Sorry.")) == ["Pardon?", "Sorry."]
