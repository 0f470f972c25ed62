"""The sentences that an agent is known to say before anyone calls, as its voice will be given them. Pure."""

from collections.abc import Iterable

from vox.agent.call.sentences import SentenceSplitter
from vox.agent.call.speakable import SpeakableText
from vox.agent.config.profile import AgentProfile
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
    return list(dict.fromkeys(_sentences((text for text in texts if "{" not in text), profile)))


def _sentences(texts: Iterable[str], profile: AgentProfile) -> Iterable[str]:
    """As an answer that consists of the text is cut, and as one in which it comes second."""
    language = profile.stt_language
    for text in texts:
        for splitter in (SentenceSplitter(language), SentenceSplitter(language, first_clause=0)):
            speakable = SpeakableText(language, says_numbers=profile.text_normalization)
            for sentence in (*splitter.push(text), *splitter.flush()):
                if spoken := speakable.piece(sentence).spoken:
                    yield spoken
