"""The two sides of a call on one sample clock: where on it each piece of audio belongs.

Positions are samples of the side's own rate since the recording began, and come from the call's clock, never from counting what
arrived: so neither side drifts, however long the call. Audio of the caller stands where it arrived, with the network's jitter
taken out; audio of the agent where the far side plays it, which is behind what it was sent before.
"""

from collections import deque

from vox.media.levels import rms

CALLER_SLACK_S = 0.02
"""Audio that arrives later than expected by so much, and stays late, has a gap before it."""
AGENT_SLACK_S = 0.02
"""The far side's own buffer: a frame sent later than this behind the one before it is heard after a gap."""
LOOKAHEAD_S = 0.8
"""How long late audio is waited on before its lateness is a gap: what a stalled network held back arrives in a burst."""
SETTLED_S = 1.0
"""Behind the present, nothing changes any more: late audio has come, and what a barge-in takes back is younger."""
AHEAD_SLACK_S = 0.1
"""Audio that arrived earlier than it can have been spoken is shortened by this and more, in its pauses."""
QUIET_LEVEL = 0.003
"""Of full scale: -50 dBFS."""
AHEAD_PATIENCE_S = 30.0
"""A caller who never pauses is shortened too, by `SHORTENED_BY_S` a second, once they were ahead for this long."""
SHORTENED_BY_S = 0.02
MOST_AHEAD_S = 30.0
"""Audio further ahead of the clock is left out, so that a client that sends a whole file takes no memory for it."""


class _Track:
    """Audio from the last position that was taken on."""

    def __init__(self, sample_rate: int, begins: int = 0) -> None:
        self.sample_rate = sample_rate
        self.end = begins
        self._taken = begins
        self._audio = bytearray()

    def _samples(self, seconds: float) -> int:
        return round(seconds * self.sample_rate)

    def _append(self, pcm: bytes) -> None:
        self._audio += pcm
        self.end += len(pcm) >> 1

    def _pad(self, position: int) -> None:
        """Fills up with silence to a position; does nothing where there is audio already."""
        if position > self.end:
            self._audio += bytes(2 * (position - self.end))
            self.end = position

    def _cut(self, position: int) -> None:
        """Takes back what lies behind a position, as far as it was not taken."""
        position = max(position, self._taken)
        if position < self.end:
            del self._audio[2 * (position - self._taken) :]
            self.end = position

    def _take(self, until: int) -> bytes:
        self._pad(until)
        size = 2 * max(0, until - self._taken)
        taken = bytes(self._audio[:size])
        del self._audio[:size]
        self._taken = max(self._taken, until)
        return taken


class CallerTrack(_Track):
    """What the caller said.

    Args:
        sample_rate: of the caller's audio in Hz.
        begins: the position that is taken first.

    Attributes:
        left_out: samples that were too far ahead of the clock to be kept.
    """

    def __init__(self, sample_rate: int, *, begins: int = 0) -> None:
        super().__init__(sample_rate, begins)
        self.left_out = 0
        self._late: deque[tuple[int, bytes]] = deque()
        self._slack = self._samples(CALLER_SLACK_S)
        self._lookahead = self._samples(LOOKAHEAD_S)
        self._ahead_slack = self._samples(AHEAD_SLACK_S)
        self._ahead_since: int | None = None
        self._shortened_at = 0

    def arrive(self, position: int, pcm: bytes) -> None:
        """Adds audio that had arrived, to its last sample, at this position of the clock."""
        if self._late or position - (self.end + (len(pcm) >> 1)) > self._slack:
            self._late.append((position, pcm))
        else:
            self._place(position, pcm)

    def take(self, until: int, now: int, *, is_last: bool = False) -> bytes:
        """The audio up to a position, silence where there is none; `is_last` waits for nothing that may still arrive."""
        while self._late:
            position, pcm = self._late[0]
            lateness = position - (self.end + (len(pcm) >> 1))
            if lateness > self._slack:
                if position + self._lookahead > now and not is_last:
                    break
                self._pad(self.end + self._gap(lateness))
            self._late.popleft()
            self._place(position, pcm)
        return self._take(until)

    def _gap(self, lateness: int) -> int:
        """How much of the lateness of the first late piece is not made up for by those behind it."""
        horizon, end, gap = self._late[0][0] + self._lookahead, self.end, lateness
        for position, pcm in self._late:
            if position > horizon:
                break
            end += len(pcm) >> 1
            gap = min(gap, position - end)
            if gap <= self._slack:
                return 0
        return gap

    def _place(self, position: int, pcm: bytes) -> None:
        ahead = self.end + (len(pcm) >> 1) - position
        if ahead <= self._ahead_slack:
            self._ahead_since = None
        else:
            pcm = self._shortened(position, pcm, ahead)
        self._append(pcm)

    def _shortened(self, position: int, pcm: bytes, ahead: int) -> bytes:
        """Less of a piece that is ahead of the clock: a caller's clock may run faster than ours."""
        samples = len(pcm) >> 1
        if ahead > self._samples(MOST_AHEAD_S):
            self.left_out += samples
            return b""
        if self._ahead_since is None:
            self._ahead_since = position
        if rms(pcm) < QUIET_LEVEL:
            return pcm[: 2 * max(0, samples - ahead)]
        is_overdue = position - self._ahead_since > self._samples(AHEAD_PATIENCE_S)
        if is_overdue and position - self._shortened_at >= self.sample_rate:
            self._shortened_at = position
            return pcm[: 2 * max(0, samples - self._samples(SHORTENED_BY_S))]
        return pcm


class AgentTrack(_Track):
    """What was heard of the agent.

    Args:
        sample_rate: of the agent's audio in Hz.
        begins: the position that is taken first.
    """

    def __init__(self, sample_rate: int, *, begins: int = 0) -> None:
        super().__init__(sample_rate, begins)
        self._slack = self._samples(AGENT_SLACK_S)

    def send(self, position: int, pcm: bytes) -> None:
        """Adds audio that was sent at this position of the clock: heard at once, or behind what the far side has yet to play."""
        if position - self.end > self._slack:
            self._pad(position)
        self._append(pcm)

    def clear(self, position: int, taken_back: int = 0) -> None:
        """The far side was told to throw away what it has not played, of which so many samples will be sent again."""
        self._cut(min(position, self.end - taken_back))

    def take(self, until: int) -> bytes:
        """The audio up to a position, silence where there is none."""
        return self._take(until)
