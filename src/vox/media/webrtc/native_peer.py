"""A `Peer` on the media engine in Rust: no packet passes through Python, only 20 ms of sound at a time.

Each call is a room of its own in the engine, with one connection, one tap of what it says and one voice that speaks to it. The
engine waits for the other side's checks (ICE-lite), so it asks no STUN or TURN server: clients must reach this machine, or find
a relay of their own. Where they cannot, the driver on aiortc takes the call (`vox.media.webrtc.contract.driver`).
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from vox.errors import DependencyError
from vox.media.webrtc.contract import INPUT_RATE, OUTPUT_RATE, PeerListener, PeerOptions, PeerState, RemoteCandidate
from vox.media.webrtc.native_engine import Event, EventFeed, feed_of
from vox.media.webrtc.sdp import MAX_CANDIDATES, MAX_MESSAGE_BYTES, invalid, read_offer, useful_candidates
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger

log = get_logger(__name__)

MAX_CHANNELS: Final = 4
FLUSH_S: Final = 0.2
"""So long a text that was sent just before the end has to arrive."""
COUNT_EVERY_S: Final = 1.0
"""How often the media thread is asked what it has sent and received."""


class NativePeer:
    """Implements `vox.media.webrtc.contract.Peer`."""

    def __init__(self, options: PeerOptions, listener: PeerListener, clock: Clock) -> None:
        self.has_channel = False
        self.last_packet_at = 0.0
        self._options = options
        self._listener = listener
        self._clock = clock
        self._state: PeerState = "connecting"
        self._is_closed = False
        self._feed: EventFeed | None = None
        self._room = self._peer = self._track = self._tap = self._voice = 0
        self._label = ""
        self._channels = 0
        self._candidates = 0
        self._sent_at = 0.0
        self._published = ""
        self._counted = (0, 0)
        self._counted_at = -COUNT_EVERY_S

    @property
    def bytes_sent(self) -> int:
        """Opus payload sent so far."""
        return self._bytes()[1]

    @property
    def bytes_received(self) -> int:
        """Opus payload received so far."""
        return self._bytes()[0]

    async def accept(self, offer: str) -> str:
        """Answers an offer, the first one or a later one."""
        described = read_offer(offer)
        if self._is_closed or self._state == "left":
            raise invalid("the connection has ended")
        feed = self._feed or self._open()
        try:
            if described.audio is not None:
                self._publish(feed, described.sections[described.audio].mid)
            answer = await asyncio.to_thread(feed.engine.accept_offer, self._peer, described.reduced(has_headers=True))
        except ValueError as error:
            raise invalid("its parts do not fit together") from error
        except OSError as error:
            raise DependencyError(
                f"the media engine did not answer: {error}", code="media_unavailable", retryable=True
            ) from error
        self.has_channel = described.channel is not None
        self._candidates = 0
        return described.answer(answer["sdp"])

    async def add_candidates(self, candidates: Sequence[RemoteCandidate]) -> None:
        """Adds addresses of the other side; the engine learns them by their checks, and only has to accept that they come."""
        if self._feed is None or self._is_closed:
            return
        useful = useful_candidates([one.candidate.removeprefix("a=") for one in candidates])
        useful = useful[: MAX_CANDIDATES - self._candidates]
        self._candidates += len(useful)
        for one in useful:
            with suppress(ValueError):
                self._feed.engine.add_candidate(self._peer, one)

    def send_audio(self, pcm: bytes) -> None:
        """Speaks 20 ms."""
        if self._feed is None or self._state != "connected" or self._is_closed:
            return
        with suppress(ValueError, BufferError):
            self._feed.engine.voice_write(self._voice, pcm, OUTPUT_RATE)

    def clear_audio(self) -> None:
        """Drops what was not said yet."""
        if self._feed is not None and not self._is_closed:
            with suppress(ValueError):
                self._feed.engine.voice_flush(self._voice)

    def send_text(self, text: str) -> bool:
        """Sends a message, unless the other side has stopped reading."""
        if self._feed is None or not self._label or self._is_closed or self._state == "left":
            return False
        try:
            refused = self._feed.engine.send_data([self._peer], self._label, text.encode(), binary=False)
        except (ValueError, OSError):
            refused = [self._peer]
        if refused:
            log.warning("the client does not read its data channel")
            self._change("left")
            return False
        self._sent_at = self._clock.now()
        return True

    async def close(self) -> None:
        """Ends the connection."""
        if self._is_closed:
            return
        self._is_closed = True
        feed = self._feed
        if feed is None:
            return
        try:
            if self._state != "left" and self._clock.now() - self._sent_at < FLUSH_S:
                await asyncio.sleep(FLUSH_S)
        finally:
            feed.forget(self._peer, self._tap)
            for end, handle in ((feed.engine.close_peer, self._peer), (feed.engine.close_room, self._room)):
                with suppress(ValueError, OSError):
                    end(handle)

    def _bytes(self) -> tuple[int, int]:
        now = self._clock.now()
        if self._feed is not None and not self._is_closed and now - self._counted_at >= COUNT_EVERY_S:
            self._counted_at = now
            with suppress(ValueError, OSError):
                self._counted = self._feed.engine.peer_stats(self._peer)
        return self._counted

    # Negotiation

    def _open(self) -> EventFeed:
        feed = self._feed = feed_of(self._options)
        engine = feed.engine
        self._room, self._peer, self._track, self._tap, self._voice = (feed.handle() for _ in range(5))
        feed.follow(self._peer, self._tap, on_event=self._on_event, on_audio=self._heard)
        engine.open_room(self._room)
        engine.open_peer(self._room, self._peer, "both")
        return feed

    def _publish(self, feed: EventFeed, mid: str) -> None:
        if self._published:
            return
        engine = feed.engine
        engine.publish(self._peer, mid, self._track, "audio")
        engine.open_tap(self._tap, self._track, rate=INPUT_RATE)
        engine.open_voice(self._room, self._voice)
        engine.subscribe(self._peer, self._voice, "voxray", "audio")
        self._published = mid

    # From the other side

    def _heard(self) -> None:
        if self._feed is None or self._is_closed:
            return
        with suppress(ValueError):
            pcm = self._feed.engine.tap_read(self._tap)
            if pcm:
                self.last_packet_at = self._clock.now()
                self._listener.audio(pcm)

    def _on_event(self, event: Event) -> None:
        match event:
            case ("connected", _):
                self._change("connected")
            case ("disconnected", _):
                self._change("lost")
            case ("closed", _, "unreachable"):
                self._change("lost")
            case ("closed", _, _):
                self._change("left")
            case ("channel", _, str() as label):
                self._channel_came(label)
            case ("data", _, _, bytes() as payload, _):
                self._message_came(payload)
            case _:
                pass

    def _channel_came(self, label: str) -> None:
        self._channels += 1
        if self._channels > MAX_CHANNELS:
            self._change("left")
        elif not self._label:
            self._label = label
            self._listener.channel_opened()

    def _message_came(self, payload: bytes) -> None:
        if len(payload) > MAX_MESSAGE_BYTES:
            self._change("left")
        elif not self._is_closed:
            self._listener.text(payload.decode(errors="replace"))

    def _change(self, state: PeerState) -> None:
        if self._is_closed or self._state in {state, "left"}:
            return
        self._state = state
        self._listener.state_changed(state)
