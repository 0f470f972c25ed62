"""Keeps the agent's own voice, back from the far end of the line, from interrupting it.

Two signs are looked for: audio that is a copy of what was sent (`vox.media.echo`), when a voice begins and while one goes on; and
a transcript of the agent's own words (`vox.agent.turns.echo_words`), for echoes that a room or a codec has changed too much for that.
"""

from typing import Final

from vox.agent.call.speech_output import SpeechOutput
from vox.agent.turns import echo_words
from vox.media.echo import is_echo

ANSWER_TAIL_S: Final = 0.3
"""What begins later behind an answer is not the answer's echo: callers repeat what they were asked, "seven thirty"."""


class EchoGuard:
    """Compares what one call hears with what it says. Nothing is computed while no voice is heard."""

    def __init__(self, output: SpeechOutput) -> None:
        self._output = output
        self._began_in_answer = False

    def is_own_voice(self, pcm: bytes, sample_rate: int) -> bool:
        """Whether the end of this audio, s16le mono, is a copy of what was sent a moment ago."""
        sent = self._output.sent_lately()
        return bool(sent) and is_echo(pcm, sample_rate, sent, self._output.sample_rate)

    def utterance_began(self) -> None:
        """What is heard from now on is a new utterance."""
        self._began_in_answer = bool(self._output.sent_lately()) and self._output.was_heard_within(ANSWER_TAIL_S)

    def is_own_text(self, text: str) -> bool:
        """Whether a final transcript is what the agent was saying."""
        return self._began_in_answer and echo_words.is_echo(text, self._said())

    def may_be_own_text(self, text: str) -> bool:
        """Whether a transcript that goes on has nothing but the agent's words so far."""
        return self._began_in_answer and echo_words.may_be_echo(text, self._said())

    def _said(self) -> str:
        return " ".join(part.voiced for part in self._output.parts() if part.voiced)
