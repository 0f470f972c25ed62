"""The sentences that an agent is known to say before anyone calls, as its voice will be given them. Pure."""

from collections.abc import Iterable

from vox.agent.call.sentences import SentenceSplitter
from vox.agent.config.resources import Agent
from vox.providers.llm.contract import Scripted


def fixed_sentences(agent: Agent, notice: str = "") -> list[str]:
    """The sentences of the agent's own texts and of its script, each once; those with places to fill in are left out.

    `notice` is said before the greeting.
    """
    profile = agent.profile
    texts = [notice, agent.greeting, agent.not_understood, profile.error_message, profile.user_idle_prompt]
    texts += [profile.tool_filler, *(one.filler or "" for one in profile.http_tools)]
    texts += [profile.answering.voicemail_message, profile.answering.screening_message]
    texts += [one.announcement for one in profile.transfers.values()]
    if isinstance(agent.llm, Scripted):
        texts += agent.llm.fixed_texts()
    return list(dict.fromkeys(_sentences(text for text in texts if "{" not in text)))


def _sentences(texts: Iterable[str]) -> Iterable[str]:
    """As an answer that consists of the text is cut, and as one in which it comes second."""
    for text in texts:
        for splitter in (SentenceSplitter(), SentenceSplitter(first_clause=0)):
            yield from splitter.push(text)
            yield from splitter.flush()
