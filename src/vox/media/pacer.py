"""Sends every call's audio frame by frame in real time: one ticker, absolute deadlines, no task per call.

A reply's first frame leaves at once; it fixes the track's phase (one of four 5 ms slots in a 20 ms frame), and frame `k`
is due exactly `k * frame_s` after that slot's beginning, however late the ones before it were. A frame is thereby up to
one tick early and never late by design. What happens to a track's audio between `write` and `send` is bytes only.
"""

from collections.abc import Callable
from math import isclose

from vox.errors import UsageError
from vox.media.playout_track import PlayoutTrack
from vox.media.ticker import Ticker
from vox.runtime.clock import Clock
from vox.runtime.metrics import Counter, Gauge, Histogram, Metrics

FRAME_LATENESS = Histogram(
    "vox_media_frame_lateness_seconds",
    "How late frames of outgoing audio left, against their absolute deadlines; one observation for each group of frames"
    " due together, taken after the last of the group.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.5, 1.0),
)
FRAMES_SENT = Counter("vox_media_frames_sent_total", "Frames of outgoing audio sent.")
FRAMES_LATE = Counter(
    "vox_media_frames_late_total",
    "Frames of outgoing audio that left more than one frame length after their deadline: the far side has run dry.",
)
UNDERRUNS = Counter(
    "vox_media_underruns_total",
    "Gaps inside a reply: its next audio was written more than one frame length after it was due.",
)
WRITES_REFUSED = Counter(
    "vox_media_writes_refused_total",
    "Writes of reply audio refused, because the track held its full queue or was closed.",
)
TRACKS_FAILED = Counter("vox_media_tracks_failed_total", "Tracks closed because sending a frame raised an error.")
TRACKS_ACTIVE = Gauge("vox_media_tracks_active", "Calls to which audio is being played right now.")

# After a stall of the process frames are sent in a burst until the schedule is met again, because the far side's buffer
# has shrunk by as much. Beyond what far sides buffer (0.2 s) they have long run dry, and a burst would only make them lag.
LONGEST_CATCH_UP_S = 0.2


class Pacer:
    """Plays all calls' audio from one ticker.

    Args:
        ticker: its period must divide `frame_s`.
        clock: the ticker's clock.
        metrics: where lateness, underruns and refusals are counted.
        frame_s: length of a frame in seconds.
        lead_s: how far a reply may run ahead of real time; its first `lead_s` leave at once and fill the far side's
            jitter buffer, at the price of as much more to throw away on a barge-in.

    Attributes:
        frames_sent: frames of all tracks so far.
        frames_late: those that left more than one frame length after their deadline.

    Raises:
        UsageError: `invalid_frame_size` when the ticker's period does not divide `frame_s`.
    """

    def __init__(
        self, ticker: Ticker, clock: Clock, metrics: Metrics, *, frame_s: float = 0.02, lead_s: float = 0.0
    ) -> None:
        phases = round(frame_s / ticker.period_s)
        if phases < 1 or not isclose(phases * ticker.period_s, frame_s):
            raise UsageError(
                f"frames of {frame_s} s do not fit a ticker of {ticker.period_s} s",
                code="invalid_frame_size",
                hint="choose a frame length that is a multiple of the ticker's period",
            )
        self.frame_s = frame_s
        self.phases = phases
        self.lead_ticks = round(lead_s / frame_s) * phases
        self._ticker = ticker
        self._clock = clock
        self._groups: list[dict[PlayoutTrack, None]] = [{} for _ in range(phases)]
        self.frames_sent = 0
        self.frames_late = 0
        self._active = 0
        self._last_index = 0
        self._longest_catch_up = round(LONGEST_CATCH_UP_S / ticker.period_s)
        self._lateness = metrics.histogram(FRAME_LATENESS)
        self._sent = metrics.counter(FRAMES_SENT)
        self._late = metrics.counter(FRAMES_LATE)
        self._active_gauge = metrics.gauge(TRACKS_ACTIVE)
        self.underruns = metrics.counter(UNDERRUNS)
        self.refused = metrics.counter(WRITES_REFUSED)
        self.failed = metrics.counter(TRACKS_FAILED)

    def open_track(
        self,
        *,
        frame_bytes: int,
        silence: bytes,
        send: Callable[[bytes], None],
        on_drained: Callable[[], None],
        max_queued_s: float = 10.0,
    ) -> PlayoutTrack:
        """A track for one call's outgoing audio.

        Args:
            frame_bytes: wire bytes of one frame of `frame_s`.
            silence: the wire bytes of one silent sample, which pads a reply's last frame.
            send: takes one frame at a time and must not block; when it raises, the track is closed.
            on_drained: called once per ended reply, when its last frame's time is over; never from inside `end`.
            max_queued_s: seconds of audio beyond which `write` refuses.
        """
        return PlayoutTrack(
            self,
            frame_bytes=frame_bytes,
            silence=silence,
            send=send,
            on_drained=on_drained,
            max_queued_bytes=max(frame_bytes, round(max_queued_s / self.frame_s) * frame_bytes),
        )

    def present_index(self) -> int:
        """The number of the last tick due by now."""
        return self._ticker.index_at(self._clock.now())

    def join(self, track: PlayoutTrack, index: int) -> int:
        """Steps the track from tick `index` on, every frame length; returns the phase it must leave by."""
        if not self._active:
            self._last_index = self.present_index()
            self._ticker.add(self._tick)
        phase = index % self.phases
        self._groups[phase][track] = None
        self._active += 1
        self._active_gauge.set(self._active)
        return phase

    def leave(self, track: PlayoutTrack, phase: int) -> None:
        """Stops stepping a track that joined."""
        del self._groups[phase][track]
        self._active -= 1
        self._active_gauge.set(self._active)
        if not self._active:
            self._ticker.remove(self._tick)

    def count_immediate(self, frames: int) -> None:
        """Counts frames that a track sent on its own, at once."""
        self.frames_sent += frames
        self._sent.inc(frames)

    def _tick(self, now: float) -> None:
        last = self._ticker.index_at(now)
        first = max(self._last_index + 1, last - self._longest_catch_up + 1)
        self._last_index = last
        for index in range(first, last + 1):
            group = self._groups[index % self.phases]
            if not group:
                continue
            sent = 0
            for track in tuple(group):
                if track in group:  # another track's callback may have removed it
                    sent += track.step(index)
            if sent:
                lateness = max(self._clock.now() - self._ticker.time_of(index), 0.0)
                self._lateness.observe(lateness)
                self.frames_sent += sent
                self._sent.inc(sent)
                if lateness > self.frame_s:
                    self.frames_late += sent
                    self._late.inc(sent)
