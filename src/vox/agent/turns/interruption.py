"""Which words of a caller stop an agent that is speaking."""

from vox.agent.turns.completeness import is_backchannel, is_silencer
from vox.agent.turns.events import BotState, TurnPolicy
from vox.text.words import contains_phrase, count_words


def words_interrupt(policy: TurnPolicy, bot: BotState, text: str) -> bool:
    """Whether these words end the agent's answer, by the policy's strategy; a listener's "uh huh" never does.

    Before the answer was audible any word does: nothing was heard that a strategy could protect, the caller's turn goes on.
    """
    count = count_words(text)
    if not count or not policy.allow_interruptions:
        return False
    if bot is BotState.THINKING:
        return True
    if policy.keywords:
        return any(contains_phrase(text, keyword) for keyword in policy.keywords)
    return count >= max(1, policy.min_words) and not is_backchannel(text, policy.language)


def silences(policy: TurnPolicy, text: str) -> bool:
    """Whether the words ask for nothing but silence, which every strategy grants."""
    return policy.allow_interruptions and is_silencer(text, policy.language)


def voice_holds(policy: TurnPolicy, bot: BotState) -> bool:
    """Whether a voice alone makes the agent pause."""
    return bot is BotState.THINKING or not (policy.min_words or policy.keywords)
