"""What simulated callees say: the steps of a behaviour as audio, prepared before the first call rings."""

import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from vox.clients.audio_files import Recording, read_wav
from vox.clients.carrier_simulator.behaviour import (
    Beep,
    Behaviour,
    CalleeStep,
    EndCall,
    Listen,
    PlayFile,
    PressKeys,
    SayText,
    Silence,
)
from vox.clients.script import HangUp, Press, Say, Step, Wait, WaitForAgent
from vox.errors import UsageError

Speaker = Callable[[str], Awaitable[Recording]]
"""Turns a text into speech."""

BEEP_HZ = 1000.0
_RATE = 8000
_LEVEL = 8000.0


class Voices:
    """Speech by text and by file, each made once.

    Args:
        speaker: speaks texts; without one, behaviours that say something are refused.
    """

    def __init__(self, speaker: Speaker | None = None) -> None:
        self._speaker = speaker
        self._spoken: dict[str, Recording] = {}
        self._files: dict[Path, Recording] = {}

    async def prepare(self, behaviours: Iterable[Behaviour]) -> None:
        """Makes all the audio that these behaviours need.

        Raises:
            UsageError: `no_speech_driver`, where nothing can speak; `bad_audio_file`.
        """
        for behaviour in behaviours:
            for step in behaviour.callee:
                if isinstance(step, SayText) and step.text not in self._spoken:
                    if self._speaker is None:
                        raise UsageError(
                            f"nothing here can say {step.text[:60]!r}",
                            code="no_speech_driver",
                            hint="give the simulator a speaker, or play a WAV file",
                        )
                    self._spoken[step.text] = await self._speaker(step.text)
                elif isinstance(step, PlayFile) and step.path not in self._files:
                    self._files[step.path] = read_wav(step.path)

    def script(self, behaviour: Behaviour) -> list[Step]:
        """The callee's steps for the simulated phone."""
        return [self._step(step) for step in behaviour.callee]

    def completed(self, behaviour: Behaviour) -> Behaviour:
        """The behaviour with the length of its greeting, where that follows from its steps: all before and with the first beep."""
        if behaviour.greeting_s is not None or not any(isinstance(step, Beep) for step in behaviour.callee):
            return behaviour
        seconds = 0.0
        for step in behaviour.callee:
            made = self._step(step)
            if isinstance(made, Say):
                seconds += made.speech.duration_s
            elif isinstance(made, Wait):
                seconds += made.seconds
            if isinstance(step, Beep):
                break
        return replace(behaviour, greeting_s=seconds)

    def _step(self, step: CalleeStep) -> Step:
        match step:
            case SayText(text):
                return Say(self._spoken[text])
            case PlayFile(path):
                return Say(self._files[path])
            case Beep(seconds):
                return Say(beep(seconds))
            case Silence(seconds):
                return Wait(seconds)
            case Listen(silence_s, timeout_s):
                return WaitForAgent(silence_s, begin_timeout_s=timeout_s, timeout_s=timeout_s)
            case PressKeys(digits):
                return Press(digits)
            case EndCall():
                return HangUp()


def beep(seconds: float) -> Recording:
    """A tone of 1 kHz."""
    phase = np.arange(int(seconds * _RATE)) * (2 * math.pi * BEEP_HZ / _RATE)
    return Recording((np.sin(phase) * _LEVEL).astype("<i2").tobytes(), _RATE)
