"""A `Peer` on aiortc: its ICE, DTLS, SRTP and SCTP, and an audio path of our own between them and the call.

aiortc's own senders and receivers are not used: they encode all the time, in threads, delay what they receive by 80 ms and queue
it without bound. In their place RTP is read and written here, on the event loop, a packet at a time; in silence nothing is sent.
This reaches into attributes that aiortc does not document, hence the narrow version in pyproject.toml.
"""

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

import pylibsrtp
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.clock import current_ntp_time
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket, RtcpSdesPacket, RtcpSenderInfo, RtcpSourceInfo, RtcpSrPacket

from vox.errors import DependencyError, PeerError
from vox.media.webrtc.aiortc_channel import ChannelBound
from vox.media.webrtc.aiortc_ice import Gatherer, IcePath, aiortc_servers
from vox.media.webrtc.contract import (
    INPUT_RATE,
    OUTPUT_RATE,
    PeerListener,
    PeerOptions,
    PeerState,
    RemoteCandidate,
)
from vox.media.webrtc.opus import OpusDecoder, OpusEncoder
from vox.media.webrtc.rtp import ReceiveBuffer, SendClock, read_packet, write_packet
from vox.media.webrtc.sdp import (
    MAX_CANDIDATES,
    MAX_MESSAGE_BYTES,
    Offer,
    invalid,
    opus_type,
    read_offer,
    useful_candidates,
)
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger

log = get_logger(__name__)

REPORT_EVERY_S: Final = 5.0
"""Sender and receiver reports: RFC 3550 section 6.2 recommends five seconds."""
MAX_PACKETS_PER_S: Final = 400
"""Audio packets, over one report interval: eight times what a client sends."""
MAX_CHANNELS: Final = 4
MAX_BUFFERED: Final = 1 << 20
"""Bytes that wait for a client to read them."""
FLUSH_TIMEOUT_S: Final = 1.0
CLOSE_TIMEOUT_S: Final = 5.0
LOST_AFTER_S: Final = 0.2
"""How long DTLS may be closed before ICE has said why."""


class AiortcPeer:
    """Implements `vox.media.webrtc.contract.Peer`."""

    def __init__(self, options: PeerOptions, listener: PeerListener, clock: Clock) -> None:
        self.has_channel = False
        self.bytes_sent = 0
        self.bytes_received = 0
        self.last_packet_at = 0.0
        self._options = options
        self._listener = listener
        self._clock = clock
        self._pc: Any = RTCPeerConnection(
            RTCConfiguration(iceServers=aiortc_servers(options.ice_servers), bundlePolicy=RTCBundlePolicy.BALANCED)
        )
        self._pc.on("datachannel", self._channel_came)
        self._state: PeerState = "connecting"
        self._ice_identity: tuple[str, str] | None = None
        self._path: IcePath | None = None
        self._dtls: Any = None
        self._channel: Any = None
        self._channels = 0
        self._candidates = 0
        self._is_closed = False
        self._reporting: asyncio.TimerHandle | None = None
        self._lost_timer: asyncio.TimerHandle | None = None

        self._may_send = self._may_receive = False
        self._payload_type = 0
        self._ssrc = 0
        self._number = secrets.randbits(15)  # libsrtp loses count where the first packets wrap around
        self._send_clock = SendClock(secrets.randbits(32))
        self._encoder: OpusEncoder | None = None
        self._decoder: OpusDecoder | None = None
        self._received = ReceiveBuffer()
        self._packets_in = 0
        self._packets_out = 0

    async def accept(self, offer: str) -> str:
        """Answers an offer, the first one or a later one."""
        described = read_offer(offer)
        is_restart = self._ice_identity is not None and described.ice_identity != self._ice_identity
        if is_restart and self._path is None:
            raise invalid("this connection cannot restart ICE")
        try:
            answer = described.answer(await self._negotiate(described))
            if is_restart and self._path is not None:
                answer = await self._restart_ice(self._path, described, answer)
        except (DependencyError, PeerError):
            raise
        except Exception as error:  # the top of a library that reads a stranger's text
            log.warning("an offer that was read could not be answered", error=repr(error), exc_info=True)
            raise invalid("its parts do not fit together") from error
        self._ice_identity = described.ice_identity
        return answer

    async def add_candidates(self, candidates: Sequence[RemoteCandidate]) -> None:
        """Adds addresses of the other side."""
        if self._path is None:
            return
        useful = useful_candidates([one.candidate.removeprefix("a=") for one in candidates])
        useful = useful[: MAX_CANDIDATES - self._candidates]
        self._candidates += len(useful)
        await self._path.add_candidates(useful)

    def send_audio(self, pcm: bytes) -> None:
        """Encodes and sends 20 ms."""
        if not self._may_send or self._state != "connected":
            return
        if self._encoder is None:
            self._encoder = OpusEncoder(OUTPUT_RATE)
        payload = self._encoder.encode(pcm)
        timestamp, begins = self._send_clock.frame(self._clock.now())
        if not payload:
            return
        packet = write_packet(self._payload_type, self._number, timestamp, self._ssrc, payload, marker=begins)
        self._number += 1
        self._packets_out += 1
        self.bytes_sent += len(payload)
        self._send(packet)

    def clear_audio(self) -> None:
        """Does nothing: each frame has left when `send_audio` returns."""

    def send_text(self, text: str) -> bool:
        """Sends a message, unless the other side has stopped reading."""
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return False
        if channel.bufferedAmount > MAX_BUFFERED:
            log.warning("the client does not read its data channel")
            self._change("left")
            return False
        channel.send(text)
        return True

    async def close(self) -> None:
        """Ends the connection."""
        if self._is_closed:
            return
        self._is_closed = True
        for timer in (self._reporting, self._lost_timer):
            if timer is not None:
                timer.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_TIMEOUT_S):
                await self._flushed()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                if self._path is not None:
                    await self._path.close()
                await self._pc.close()
        except Exception as error:  # noqa: BLE001  the end of a connection: its call must end all the same
            log.warning("a WebRTC connection did not close", error=repr(error))

    # Negotiation

    async def _negotiate(self, described: Offer) -> str:
        pc = self._pc
        await pc.setRemoteDescription(RTCSessionDescription(described.reduced(), "offer"))
        audio = next(iter(pc.getTransceivers()), None)
        self.has_channel = pc.sctp is not None
        if audio is not None:
            audio.direction = "sendrecv"
        if self._dtls is None:
            self._take_over(audio)
        await pc.setLocalDescription(await pc.createAnswer())
        if audio is not None and described.audio is not None:
            self._payload_type = opus_type(described.sections[described.audio]) or 0
            self._may_send = audio.currentDirection in {"sendrecv", "sendonly"}
            self._may_receive = audio.currentDirection in {"sendrecv", "recvonly"}
        return pc.localDescription.sdp

    async def _restart_ice(self, path: IcePath, described: Offer, answer: str) -> str:
        """The answer with the new connection's address and password in every section that had the old ones."""
        self._candidates = 0
        carried = next(one for one in described.sections if one.mid in described.bundle or not described.bundle)
        candidates = useful_candidates([one for one in carried.attributes if one.startswith("candidate:")])
        lines = await path.restart(*described.ice_identity, candidates[:MAX_CANDIDATES])
        replaced: list[str] = []
        old = ("a=candidate:", "a=end-of-candidates", "a=ice-ufrag:", "a=ice-pwd:")
        for line in answer.split("\r\n"):
            if line.startswith("a=ice-ufrag:"):
                replaced += lines
            elif not line.startswith(old):
                replaced.append(line)
        return "\r\n".join(replaced)

    def _take_over(self, audio: Any) -> None:
        """Puts our audio path in the place of aiortc's, before the connection begins."""
        pc = self._pc
        for each in (audio.sender, audio.receiver) if audio is not None else ():
            each.stop = _nothing
        if audio is not None:
            audio.sender.send = audio.receiver.receive = _nothing
            audio.sender._track_id, audio.sender._stream_id = "audio", "voxray"  # noqa: SLF001  names in the answer
            self._ssrc = audio.sender._ssrc  # noqa: SLF001  it stands in the answer
        transports = [each.receiver.transport for each in pc.getTransceivers()]
        if pc.sctp is not None:
            transports.append(pc.sctp.transport)
            ChannelBound(pc.sctp, self._channel_exceeded)
        for dtls in transports:
            connection = dtls.transport.iceGatherer._connection  # noqa: SLF001  aiortc hands it out nowhere else
            Gatherer(connection, self._options, self._clock, self._media_came).install()
        dtls = self._dtls = transports[0]
        dtls.on("statechange", self._dtls_changed)
        dtls.transport.on("statechange", self._ice_changed)
        self._path = IcePath(dtls.transport, self._options, self._clock, on_media=self._media_came, tell=self._change)

    # From the other side

    def _media_came(self, data: bytes) -> None:
        self._packets_in += 1
        session = self._dtls._rx_srtp if self._dtls is not None else None  # noqa: SLF001  what aiortc decrypts with
        if not self._may_receive or session is None or self._packets_in > MAX_PACKETS_PER_S * REPORT_EVERY_S:
            return
        try:
            packet = read_packet(session.unprotect(data))
        except (pylibsrtp.Error, PeerError):
            return
        if packet.payload_type != self._payload_type:
            return
        now = self.last_packet_at = self._clock.now()
        if self._decoder is None:
            self._decoder = OpusDecoder(INPUT_RATE)
        self.bytes_received += len(packet.payload)
        for received in self._received.put(packet, now):
            try:
                pcm, ticks = self._decoder.decode(received.payload)
            except PeerError:
                continue
            self._received.decoded(ticks)
            if received.missing_s:
                pcm = self._decoder.silence(received.missing_s) + pcm
            if pcm:
                self._listener.audio(pcm)

    def _channel_came(self, channel: Any) -> None:
        self._channels += 1
        if self._channels > MAX_CHANNELS:
            self._change("left")
        elif self._channel is None or self._channel.readyState == "closed":
            self._channel = channel
            channel.on("message", self._message_came)
            self._listener.channel_opened()

    def _channel_exceeded(self) -> None:
        log.warning("the client keeps too much of its data channel unfinished")
        self._change("left")

    def _message_came(self, message: str | bytes) -> None:
        if len(message) > MAX_MESSAGE_BYTES:
            self._change("left")
        else:
            self._listener.text(message if isinstance(message, str) else message.decode(errors="replace"))

    # The state of the connection

    def _dtls_changed(self) -> None:
        state = self._dtls.state
        if state == "connected":
            self._change("connected")
            if self._reporting is None:
                self._reporting = asyncio.get_running_loop().call_later(REPORT_EVERY_S, self._report)
        elif state == "failed":
            self._change("lost")
        elif state == "closed" and not self._is_closed:
            self._lost_timer = asyncio.get_running_loop().call_later(LOST_AFTER_S, self._change, "left")

    def _ice_changed(self) -> None:
        path = self._path
        if self._dtls.transport.state == "failed" and (path is None or not path.restarts):
            self._change("lost")

    def _change(self, state: PeerState) -> None:
        if self._is_closed or self._state in {state, "left"} or (self._state, state) == ("lost", "left"):
            return
        self._state = state
        self._listener.state_changed(state)

    # To the other side

    def _report(self) -> None:
        """A sender report with what was received, and the names that hold streams together."""
        self._reporting = asyncio.get_running_loop().call_later(REPORT_EVERY_S, self._report)
        self._packets_in = 0
        if self._state != "connected":
            return
        blocks: list[Any] = []
        if self._received.packets:
            fraction, lost, highest, jitter = self._received.report()
            blocks.append(
                RtcpReceiverInfo(
                    ssrc=self._received.ssrc,
                    fraction_lost=fraction,
                    packets_lost=lost,
                    highest_sequence=highest,
                    jitter=jitter,
                    lsr=0,
                    dlsr=0,
                )
            )
        if self._packets_out:
            sender = RtcpSenderInfo(
                ntp_timestamp=current_ntp_time(),
                rtp_timestamp=self._send_clock.at(self._clock.now()) & 0xFFFFFFFF,
                packet_count=self._packets_out & 0xFFFFFFFF,
                octet_count=self.bytes_sent & 0xFFFFFFFF,
            )
            first: Any = RtcpSrPacket(ssrc=self._ssrc, sender_info=sender, reports=blocks)
        elif blocks:
            first = RtcpRrPacket(ssrc=self._ssrc, reports=blocks)
        else:
            return
        name = RtcpSdesPacket(chunks=[RtcpSourceInfo(ssrc=self._ssrc, items=[(1, b"vox")])])
        self._send(bytes(first) + bytes(name))

    def _send(self, packet: bytes) -> None:
        with suppress(ConnectionError):
            _run(self._dtls._send_rtp(packet))  # noqa: SLF001  SRTP, then the socket

    async def _flushed(self) -> None:
        channel = self._channel
        if channel is not None and channel.readyState == "open" and channel.bufferedAmount:
            is_empty = asyncio.Event()
            channel.on("bufferedamountlow", is_empty.set)
            await is_empty.wait()


def _run(sending: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine of aiortc that never waits: a datagram is sent or dropped at once, so it needs no task."""
    try:
        sending.send(None)
    except StopIteration:
        return
    sending.close()
    raise RuntimeError("sending a datagram waited")


async def _nothing(*_arguments: object) -> None:
    """Stands in for what aiortc's senders and receivers would do."""
