"""What a simulated caller does, step by step: one small value for each thing a person does on the phone."""

from dataclasses import dataclass

from vox.clients.audio_files import Recording


@dataclass(frozen=True, slots=True)
class Say:
    """Speaks, at once or, with `into_agent_s`, that many seconds after the agent was first heard speaking (barge-in)."""

    speech: Recording
    into_agent_s: float | None = None
    timeout_s: float = 20.0  # how long to wait for the agent to begin before speaking all the same


@dataclass(frozen=True, slots=True)
class WaitForAgent:
    """Listens until the agent has spoken and then been silent for `silence_s`.

    Gives up where it has not begun within `begin_timeout_s`, or is not through after `timeout_s`.
    """

    silence_s: float = 1.0
    begin_timeout_s: float = 10.0
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Does nothing for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Press:
    """Presses keys, one every 0.2 s; a turn of its own, since the agent may answer."""

    digits: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """Ends the call; the end of the script does the same."""


Step = Say | WaitForAgent | Wait | Press | HangUp
