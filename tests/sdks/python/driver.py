"""LiveKit's Python SDK on strings: commands as JSON lines in, what the room tells as JSON lines out."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from livekit import rtc

RATE = 48_000
FRAME = RATE // 50
SILENT = 0.01
GAP_MS = 60
AWAY_MS = 500


class Ear:
    """What one remote audio track sounds like: its tone, and where it was silent."""

    def __init__(self) -> None:
        self.hz = 0
        self._window = np.zeros(0)
        self._silent = 0
        self._untold = 0
        self._sounded = 0.0
        self.gaps: list[tuple[int, int]] = []

    def hear(self, samples: "np.ndarray[Any, Any]") -> bool:
        """Takes 20 ms; whether there is something to tell: the tone changed, or was told half a second ago."""
        if float(np.sqrt(np.mean(samples**2))) < SILENT:
            self._silent += 20
        else:
            now = time.monotonic() * 1000
            away = (
                round(now - self._sounded) if now - self._sounded > AWAY_MS else 0
            )  # a track that ends has no silent frames
            silent = max(self._silent, away)
            if self._sounded and silent >= GAP_MS:
                self.gaps.append((round(now) - silent, silent))
            self._sounded, self._silent = now, 0
        self._window = np.concatenate((self._window, samples))
        if len(self._window) < 5 * FRAME:
            return False
        window, self._window = self._window, np.zeros(0)
        loud = float(np.sqrt(np.mean(window**2))) >= SILENT
        spectrum = np.abs(np.fft.rfft(window * np.hanning(len(window))))
        hz = round(int(spectrum.argmax()) * RATE / len(window)) if loud else 0
        was, self.hz = self.hz, hz
        self._untold = 0 if was != hz else self._untold + 1
        return self._untold % 5 == 0


class Driver:
    """One member of one room."""

    def __init__(self) -> None:
        self._room = rtc.Room()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tracks: dict[str, rtc.LocalAudioTrack] = {}
        self._playing: dict[str, asyncio.Task[None]] = {}
        self._ears: dict[str, Ear] = {}
        self._listen()

    async def run(self) -> None:
        """Obeys until the commands end."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=1 << 20)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            self._start(self._obey(json.loads(line)))

    async def _obey(self, command: dict[str, Any]) -> None:
        number, name = command.pop("id"), command.pop("do")
        try:
            action: Callable[..., Awaitable[Any]] = getattr(self, f"do_{name}")
            tell(id=number, result=await action(**command))
        except Exception as error:  # noqa: BLE001  the one that asked has to hear of it
            tell(id=number, error=f"{type(error).__name__}: {error}")

    async def do_join(
        self,
        url: str,
        token: str,
        *,
        version: int,
        e2ee: str | None = None,
        auto_subscribe: bool = True,
        relay_only: bool = False,
    ) -> dict[str, str]:
        keys = rtc.E2EEOptions(key_provider_options=rtc.KeyProviderOptions(shared_key=e2ee.encode())) if e2ee else None
        transport = rtc.IceTransportType.TRANSPORT_RELAY if relay_only else rtc.IceTransportType.TRANSPORT_ALL
        options = rtc.RoomOptions(
            auto_subscribe=auto_subscribe,
            single_peer_connection=version == 1,
            encryption=keys,
            rtc_config=rtc.RtcConfiguration(ice_transport_type=transport) if relay_only else None,
        )
        if self._room.isconnected() or self._room.remote_participants:  # the application takes another server
            self._start(self._room.disconnect())
            self._room = rtc.Room()
            self._listen()
        await self._room.connect(url, token, options)
        self._room.local_participant.register_rpc_method("echo", self._echo)
        for topic in ("chat", "lk.transcription"):
            self._room.register_text_stream_handler(topic, self._text)
        return {"identity": self._room.local_participant.identity, "sid": self._room.local_participant.sid}

    async def do_publish(self, hz: int, name: str = "tone") -> dict[str, str]:
        source = rtc.AudioSource(RATE, 1, queue_size_ms=100)
        track = rtc.LocalAudioTrack.create_audio_track(name, source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
        publication = await self._room.local_participant.publish_track(track, options)
        self._tracks[publication.sid] = track
        self._playing[publication.sid] = self._start(play(source, hz))
        return {"sid": publication.sid}

    async def do_unpublish(self, sid: str) -> None:
        self._playing.pop(sid).cancel()
        await self._room.local_participant.unpublish_track(sid)

    async def do_mute(self, sid: str, *, muted: bool) -> None:
        track = self._tracks[sid]
        track.mute() if muted else track.unmute()

    async def do_subscribe(self, sid: str, *, subscribed: bool) -> None:
        for member in self._room.remote_participants.values():
            if sid in member.track_publications:
                member.track_publications[sid].set_subscribed(subscribed)

    async def do_data(self, payload: str, *, topic: str, reliable: bool, to: list[str]) -> None:
        await self._room.local_participant.publish_data(
            payload, reliable=reliable, destination_identities=to, topic=topic
        )

    async def do_text(self, text: str, *, topic: str, attributes: dict[str, str], to: list[str]) -> None:
        await self._room.local_participant.send_text(
            text, topic=topic, attributes=attributes, destination_identities=to
        )

    async def do_transcribe(self, segment: str, *, text: str, final: bool, sid: str) -> None:
        spoken = rtc.TranscriptionSegment(id=segment, text=text, start_time=0, end_time=0, language="en", final=final)
        own = self._room.local_participant
        await own.publish_transcription(rtc.Transcription(own.identity, sid, [spoken]))

    async def do_rpc(self, to: str, *, method: str, payload: str) -> str:
        return await self._room.local_participant.perform_rpc(destination_identity=to, method=method, payload=payload)

    async def do_metadata(self, metadata: str) -> None:
        await self._room.local_participant.set_metadata(metadata)

    async def do_attributes(self, attributes: dict[str, str]) -> None:
        await self._room.local_participant.set_attributes(attributes)

    async def do_name(self, name: str) -> None:
        await self._room.local_participant.set_name(name)

    async def do_gaps(self) -> dict[str, list[tuple[int, int]]]:
        return {identity: ear.gaps for identity, ear in self._ears.items()}

    async def do_leave(self) -> None:
        for playing in self._playing.values():
            playing.cancel()
        await self._room.disconnect()

    async def _echo(self, call: rtc.RpcInvocationData) -> str:
        if call.payload == "fail":
            raise rtc.RpcError(1234, "failed as asked", data="why")
        return f"{call.caller_identity}:{call.payload}"

    def _text(self, reader: rtc.TextStreamReader, identity: str) -> None:
        async def read() -> None:
            text = await reader.read_all()
            attributes = dict(reader.info.attributes or {})
            tell(event="text", sender=identity, topic=reader.info.topic, text=text, attributes=attributes)

        self._start(read())

    def _start(self, work: Any) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _listen(self) -> None:
        room = self._room
        room.on(
            "participant_connected",
            lambda who: tell(event="member", sender=who.identity, there=True, kind=int(who.kind)),
        )
        room.on("participant_disconnected", lambda who: tell(event="member", sender=who.identity, there=False))
        room.on("track_published", lambda track, who: tell(event="published", sender=who.identity, sid=track.sid))
        room.on("track_unpublished", lambda track, who: tell(event="unpublished", sender=who.identity, sid=track.sid))
        room.on("track_subscribed", self._subscribed)
        room.on("track_unsubscribed", self._unsubscribed)
        room.on("local_track_subscribed", lambda track: tell(event="listened", sid=track.sid))
        room.on("track_muted", lambda who, track: tell(event="muted", sender=who.identity, sid=track.sid, muted=True))
        room.on(
            "track_unmuted", lambda who, track: tell(event="muted", sender=who.identity, sid=track.sid, muted=False)
        )
        room.on("active_speakers_changed", lambda who: tell(event="speakers", identities=[one.identity for one in who]))
        room.on("data_received", self._data)
        room.on(
            "participant_metadata_changed",
            lambda who, _, new: tell(event="metadata", sender=who.identity, metadata=new),
        )
        room.on("participant_name_changed", lambda who, _, new: tell(event="name", sender=who.identity, name=new))
        room.on(
            "participant_attributes_changed",
            lambda new, who: tell(event="attributes", sender=who.identity, attributes=dict(who.attributes)),
        )
        room.on(
            "connection_quality_changed",
            lambda who, quality: tell(event="quality", sender=who.identity, quality=int(quality)),
        )
        room.on("transcription_received", self._transcription)
        room.on("room_metadata_changed", lambda _, new: tell(event="room_metadata", metadata=new))
        room.on("reconnecting", lambda: tell(event="state", state="reconnecting"))
        room.on("reconnected", lambda: tell(event="state", state="reconnected"))
        room.on(
            "disconnected",
            lambda reason: tell(event="state", state="disconnected", reason=rtc.DisconnectReason.Name(reason)),
        )

    def _subscribed(self, track: Any, publication: Any, member: Any) -> None:
        kind = "audio" if track.kind == rtc.TrackKind.KIND_AUDIO else "video"
        tell(event="subscribed", sender=member.identity, sid=publication.sid, kind=kind)
        if kind == "audio":
            self._playing[f"ear {publication.sid}"] = self._start(self._hear(track, publication.sid, member.identity))

    def _unsubscribed(self, track: Any, publication: Any, member: Any) -> None:
        if ear := self._playing.pop(f"ear {publication.sid}", None):
            ear.cancel()
        tell(event="unsubscribed", sender=member.identity, sid=publication.sid)

    async def _hear(self, track: Any, sid: str, identity: str) -> None:
        ear = self._ears.setdefault(identity, Ear())
        stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1, frame_size_ms=20)
        async for event in stream:
            samples = np.frombuffer(event.frame.data, dtype=np.int16).astype(np.float64) / 32_768
            if ear.hear(samples):
                tell(event="tone", sender=identity, sid=sid, hz=ear.hz)

    def _data(self, packet: rtc.DataPacket) -> None:
        sender = packet.participant.identity if packet.participant else ""
        reliable = packet.kind == rtc.DataPacketKind.KIND_RELIABLE
        payload = bytes(packet.data).decode(errors="replace")
        tell(event="data", sender=sender, topic=packet.topic or "", payload=payload, reliable=reliable)

    def _transcription(self, segments: Any, member: Any, publication: Any) -> None:
        for one in segments:
            sid = publication.sid if publication else ""
            tell(
                event="transcription",
                sender=member.identity if member else "",
                segment=one.id,
                text=one.text,
                final=one.final,
                sid=sid,
            )


async def play(source: rtc.AudioSource, hz: int) -> None:
    """A tone without an end; the source takes it as fast as it is spoken."""
    position = 0
    while True:
        times = (np.arange(FRAME) + position) / RATE
        samples = (0.3 * 32_767 * np.sin(2 * np.pi * hz * times)).astype(np.int16)
        position += FRAME
        await source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, FRAME))


def tell(**message: Any) -> None:
    """One line to the test."""
    message["at"] = round(time.monotonic() * 1000)
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def main() -> None:
    await Driver().run()
    os._exit(0)  # the SDK's threads know no end


if __name__ == "__main__":
    asyncio.run(main())
