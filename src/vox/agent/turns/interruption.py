"""Which words of a caller stop an agent that is speaking."""

from vox.agent.turns.completeness import is_backchannel, is_silencer
from vox.agent.turns.events import BotState, TurnPolicy


def words_interrupt(policy: TurnPolicy, bot: BotState, text: str) -> bool:
    """Whether these words end the agent's answer, by the policy's strategy; a listener's "uh huh" never does.

    Before the answer was audible any word does: nothing was heard that a strategy could protect, the caller's turn goes on.
    """
    words = text.split()
    if not words or not policy.allow_interruptions:
        return False
    if bot is BotState.THINKING:
        return True
    if policy.keywords:
        said = f" {' '.join(_plain(words))} "
        return any(f" {' '.join(_plain(keyword.split()))} " in said for keyword in policy.keywords)
    return len(words) >= max(1, policy.min_words) and not is_backchannel(text, policy.language)


def silences(policy: TurnPolicy, text: str) -> bool:
    """Whether the words ask for nothing but silence, which every strategy grants."""
    return policy.allow_interruptions and is_silencer(text, policy.language)


def voice_holds(policy: TurnPolicy, bot: BotState) -> bool:
    """Whether a voice alone makes the agent pause."""
    return bot is BotState.THINKING or not (policy.min_words or policy.keywords)


def _plain(words: list[str]) -> list[str]:
    return [word.strip(".,;:!?\"'").casefold() for word in words]
