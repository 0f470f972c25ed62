"""A member of a room without a socket of its own: what it is sent becomes events, and its commands become operations of the room.

Both kinds of voices stand on it: those of this process and those behind the internal socket. Its audio is a voice of the engine, and
what it hears comes from taps, so nothing of it is encrypted or packed on the way.
"""

from collections.abc import Callable
from typing import Final, assert_never

import msgspec
from livekit.protocol import models, rtc

from vox.errors import UsageError
from vox.protocols import relay_voices as wire
from vox.relay.rooms import data, membership, publishing
from vox.relay.rooms.context import if_known
from vox.relay.rooms.messages import Outgoing
from vox.relay.rooms.participant import JoinSettings, Participant
from vox.relay.rooms.registry import Rooms
from vox.relay.rooms.room import Room
from vox.relay.rooms.subscriptions import may_receive
from vox.relay.rooms.tracks import Track
from vox.relay.voices.packets import TextStreams, digit, text_stream, transcription
from vox.security.room_tokens import RoomClaims

KINDS: Final = frozenset({"agent", "sip", "ingress", "egress"})
"""Kinds of participants who may be in a room without a connection of their own."""
_SETTINGS: Final = JoinSettings(auto_subscribe=False)
_JOINED_ATTRIBUTES_BYTES: Final = wire.MAX_MESSAGE_BYTES // 4
"""Of all members' attributes in the first message; the rest is for names and tracks of as many members as it may list."""
_KIND_NAMES: Final[dict[int, wire.MemberKind]] = {
    models.ParticipantInfo.STANDARD: "standard",
    models.ParticipantInfo.INGRESS: "ingress",
    models.ParticipantInfo.EGRESS: "egress",
    models.ParticipantInfo.SIP: "sip",
    models.ParticipantInfo.AGENT: "agent",
}
_REASONS: Final[dict[int, wire.RemovedReason]] = {
    models.DisconnectReason.CLIENT_INITIATED: "left",
    models.DisconnectReason.DUPLICATE_IDENTITY: "duplicate_identity",
    models.DisconnectReason.ROOM_DELETED: "room_deleted",
    models.DisconnectReason.ROOM_CLOSED: "room_closed",
    models.DisconnectReason.SERVER_SHUTDOWN: "server_shutdown",
}


class VoiceMember:
    """One member. Nothing here blocks; what cannot be carried out comes back as `Refused`.

    Args:
        rooms: where to join.
        claims: of a checked token.
        emit: takes each event, in order; `Removed` is the last.
    """

    def __init__(self, rooms: Rooms, claims: RoomClaims, emit: Callable[[wire.RoomEvent], None]) -> None:
        self._rooms = rooms
        self._engine = rooms.context.engine
        self._claims = claims
        self._emit = emit
        self._is_joined = False
        self._room: Room | None = None
        self._participant: Participant | None = None
        self._track: Track | None = None
        self._members: dict[str, tuple[str, wire.Member]] = {}
        self._listens: set[str] = set()
        self._taps: dict[int, int] = {}
        self._mix: int | None = None
        self._unmixed: set[int] = set()
        self._texts = TextStreams()

    def join(self) -> wire.Joined:
        """Enters the room, with a track of its own where the token permits to publish.

        Raises:
            UsageError: as `Rooms.join`, or join_denied for a token of another kind.
        """
        if self._claims.kind not in KINDS and not self._claims.video.agent:
            raise UsageError("The token is not one of an agent or a telephone call.", code="join_denied")
        self._room, self._participant = room, participant = self._rooms.join(
            self._claims, _SETTINGS, self, is_voice=True
        )
        if publishing.may_publish(participant.permission, models.TrackSource.MICROPHONE):
            request = rtc.AddTrackRequest(
                cid="voice", name="voice", type=models.TrackType.AUDIO, source=models.TrackSource.MICROPHONE
            )
            self._track = publishing.begin_voice(room, participant, request)
        self._is_joined = True
        return wire.Joined(
            room.name,
            participant.identity,
            participant.sid,
            self._track.sid if self._track is not None else "",
            room.state.metadata[: wire.MAX_PAYLOAD_BYTES],
            _within([member for _, member in self._members.values()][: wire.MAX_MEMBERS]),
        )

    def take(self, message: wire.ClientMessage) -> None:
        """Carries out a command."""
        participant = self._participant
        if participant is None or not participant.is_here:
            return
        try:
            self._carry_out(message)
        except UsageError as error:
            self._rooms.context.refused(error.code)
            name = "speech" if isinstance(message, wire.Speech) else str(message.__struct_config__.tag)
            self._emit(wire.Refused(name, error.code, str(error.args[0])[:1_000]))

    def queued_ms(self) -> int:
        """How much of its own audio has not gone out yet."""
        if self._track is not None:
            with if_known():
                return self._engine.voice_queued(self._track.handle)
        return 0

    def leave(self, reason: "models.DisconnectReason" = models.DisconnectReason.CLIENT_INITIATED) -> None:
        """Leaves the room; `Removed` follows at once."""
        if self._room is not None and self._participant is not None:
            membership.leave(self._room, self._participant, reason)

    # What the room sends: implements `Outbox`

    def send(self, message: Outgoing) -> None:
        """Takes a message of the signalling protocol."""
        said = message.message
        match said.WhichOneof("message"):
            case "join":
                for info in said.join.other_participants:
                    self._see(info)
            case "update":
                for info in said.update.participants:
                    self._see(info)
                self._set_taps()
            case "speakers_changed":
                self._tell_speakers()
            case "mute":
                self._tell(wire.Muted(said.mute.muted))
            case "track_unpublished":
                self._track = None
            case _:
                pass

    def data(self, packet: models.DataPacket) -> None:
        """Takes a data packet."""
        sender = packet.participant_identity
        match packet.WhichOneof("value"):
            case "user":
                self._tell(wire.DataReceived(packet.user.payload, packet.user.topic[:256], sender))
            case "sip_dtmf":
                key = packet.sip_dtmf.digit
                if key and all(one in "0123456789*#ABCD" for one in key) and len(key) <= 64:  # noqa: PLR2004  the codec's bound
                    self._tell(wire.DigitsReceived(key, sender))
            case "chat_message":
                self._tell(wire.TextReceived(packet.chat_message.message, wire.CHAT_TOPIC, sender))
            case _:
                text = self._texts.take(packet)
                if text is not None:
                    self._tell(text)

    def end(self, leave: rtc.LeaveRequest | None) -> None:
        """The member is out of the room."""
        for tap in [*self._taps.values(), *([self._mix] if self._mix is not None else [])]:
            self._close_tap(tap)
        self._taps.clear()
        self._mix = None
        self._emit(wire.Removed("left" if leave is None else _REASONS.get(leave.reason, "removed")))

    def _tell(self, event: wire.RoomEvent) -> None:
        if self._is_joined:
            self._emit(event)

    def _see(self, info: models.ParticipantInfo) -> None:
        if info.identity == self._claims.sub:
            return
        known = self._members.get(info.identity)
        if info.state != models.ParticipantInfo.ACTIVE:
            if known is not None and known[0] == info.sid and info.state == models.ParticipantInfo.DISCONNECTED:
                del self._members[info.identity]
                self._tell(wire.MemberLeft(info.identity))
            return
        member = _member(info)
        if known is None:
            self._members[info.identity] = (info.sid, member)
            self._tell(wire.MemberJoined(member))
        elif known[1] != member or known[0] != info.sid:
            self._members[info.identity] = (info.sid, member)
            self._tell(wire.MemberChanged(member))

    def _tell_speakers(self) -> None:
        room = self._room
        if room is None:
            return
        found = [
            wire.Speaker(who.identity, min(1.0, max(0.0, level)))
            for sid, level in room.speakers.items()
            if (who := room.by_sid.get(sid)) is not None and not who.is_hidden
        ]
        self._tell(wire.SpeakersChanged(sorted(found, key=lambda one: -one.level)[: wire.MAX_MEMBERS]))

    # Hearing

    def _set_taps(self) -> None:
        """Opens and closes taps, so that they are those of everyone listened to."""
        room, participant = self._room, self._participant
        if room is None or participant is None or not participant.is_here:
            return
        due = {
            track.handle: identity for identity in self._listens for track in self._audible(room, participant, identity)
        }
        for handle in [one for one in self._taps if one not in due]:
            self._close_tap(self._taps.pop(handle))
        for handle, identity in due.items():
            if handle not in self._taps:
                self._taps[handle] = self._open_tap(handle, identity)
        if self._mix is not None:
            for handle, track in room.by_handle.items():
                if handle not in self._unmixed and not self._may_hear(room, participant, track):
                    self._unmixed.add(handle)
                    with if_known():
                        self._engine.exclude(self._mix, handle)

    def _audible(self, room: Room, participant: Participant, identity: str) -> list[Track]:
        speaker = room.participants.get(identity)
        if speaker is None or speaker is participant:
            return []
        return [
            one for one in speaker.tracks.values() if one.kind == "audio" and self._may_hear(room, participant, one)
        ]

    def _may_hear(self, room: Room, participant: Participant, track: Track) -> bool:
        publisher = room.by_sid.get(track.owner)
        return (
            publisher is not None
            and publisher is not participant
            and participant.permission.can_subscribe
            and track.info.encryption == models.Encryption.NONE
            and may_receive(publisher, participant, track)
        )

    def _open_tap(self, handle: int, identity: str) -> int:
        tap = self._rooms.context.handle()
        self._rooms.media.taps[tap] = lambda: self._hear(tap, identity)
        with if_known():
            self._engine.open_tap(tap, handle, rate=wire.HEARD_RATE)
        return tap

    def _close_tap(self, tap: int) -> None:
        self._rooms.media.taps.pop(tap, None)
        with if_known():
            self._engine.close_tap(tap)

    def _hear(self, tap: int, identity: str) -> None:
        pcm = b""
        with if_known():
            pcm = self._engine.tap_read(tap)
        for start in range(0, len(pcm), wire.MAX_AUDIO_BYTES):
            self._tell(wire.Heard(identity, pcm[start : start + wire.MAX_AUDIO_BYTES]))

    # Commands

    def _carry_out(self, message: wire.ClientMessage) -> None:
        room, participant = self._room, self._participant
        if room is None or participant is None:
            return
        match message:
            case wire.Speech():
                self._speak(message)
            case wire.Listen():
                if message.is_on and not participant.permission.can_subscribe:
                    raise UsageError("The token does not permit to listen.", code="subscribe_denied")
                if message.is_on and len(self._listens) >= wire.MAX_MEMBERS:
                    raise UsageError("Too many members are listened to.", code="too_many_tracks")
                (self._listens.add if message.is_on else self._listens.discard)(message.identity)
                self._set_taps()
            case wire.Mix():
                self._set_mix(room, participant, message.rate)
            case wire.Flush():
                if self._track is not None:
                    with if_known():
                        self._engine.voice_flush(self._track.handle)
            case wire.Mute():
                if self._track is not None:
                    publishing.mute(room, participant, self._track, message.is_muted)
            case wire.SendData():
                packet = models.DataPacket(destination_identities=message.to)
                packet.user.payload = message.payload
                packet.user.topic = message.topic
                self._send_data(room, participant, packet, is_reliable=message.is_reliable)
            case wire.SendText():
                stream = text_stream(
                    self._rooms.context.new_id("st"),
                    message.text,
                    topic=message.topic,
                    now_ms=self._rooms.context.clock.unix_ms(),
                    to=message.to,
                )
                for packet in stream:
                    self._send_data(room, participant, packet)
            case wire.SendDigits():
                for key in message.digits:
                    self._send_data(room, participant, digit(key))
            case wire.Transcribe():
                self._transcribe(room, participant, message)
            case wire.SetAttributes():
                membership.update_own_details(
                    room, participant, metadata=None, name=None, attributes=message.attributes
                )
            case wire.SetMetadata():
                membership.update_own_details(room, participant, metadata=message.metadata, name=None, attributes={})
            case wire.Leave():
                self.leave()
            case _:
                assert_never(message)

    def _speak(self, speech: wire.Speech) -> None:
        if self._track is None:
            raise UsageError("The token does not permit to publish.", code="publish_denied")
        try:
            self._engine.voice_write(self._track.handle, speech.pcm, speech.rate)
        except BufferError:
            raise UsageError("More than 30 seconds of audio wait already.", code="audio_queue_full") from None
        except ValueError:
            raise UsageError("The audio is malformed.", code="audio_invalid") from None

    def _set_mix(self, room: Room, participant: Participant, rate: int | None) -> None:
        if rate is not None and not participant.permission.can_subscribe:
            raise UsageError("The token does not permit to listen.", code="subscribe_denied")
        if self._mix is not None:
            self._close_tap(self._mix)
            self._mix = None
        if rate is None:
            return
        tap = self._mix = self._rooms.context.handle()
        self._unmixed = {one.handle for one in room.tracks.values() if not self._may_hear(room, participant, one)}
        self._rooms.media.taps[tap] = lambda: self._hear(tap, "")
        with if_known():
            self._engine.open_mix(tap, room.handle, rate=rate, without=sorted(self._unmixed))

    def _transcribe(self, room: Room, participant: Participant, said: wire.Transcribe) -> None:
        track = said.track
        if not track:
            speaker = room.participants.get(said.speaker)
            found = [one.sid for one in speaker.tracks.values() if one.kind == "audio"] if speaker is not None else []
            track = found[0] if found else ""
        whole = wire.Transcribe(said.segment, said.text, said.speaker, said.is_final, track, said.language)
        context = self._rooms.context
        for packet in transcription(context.new_id("st"), whole, context.clock.unix_ms()):
            self._send_data(room, participant, packet)

    def _send_data(
        self, room: Room, participant: Participant, packet: models.DataPacket, *, is_reliable: bool = True
    ) -> None:
        if not participant.permission.can_publish_data:
            raise UsageError("The token does not permit to send data.", code="data_denied")
        if packet.ByteSize() > self._rooms.context.limits.data_bytes:
            raise UsageError(f"A packet may have {self._rooms.context.limits.data_bytes} bytes.", code="data_too_large")
        data.pass_on(room, participant, packet, reliable=is_reliable)


def _member(info: models.ParticipantInfo) -> wire.Member:
    """A participant as other members see them; the microphone is their audio track, where they have several."""
    audio = [one for one in info.tracks if one.type == models.TrackType.AUDIO]
    microphone = next((one for one in audio if one.source == models.TrackSource.MICROPHONE), None) or (
        audio[0] if audio else None
    )
    return wire.Member(
        info.identity,
        info.name[:512],
        _KIND_NAMES.get(info.kind, "standard"),
        microphone is not None and not microphone.muted,
        microphone is not None and microphone.encryption != models.Encryption.NONE,
        microphone.sid if microphone is not None else "",
        {
            key: value
            for key, value in list(info.attributes.items())[: wire.MAX_ATTRIBUTES]
            if len(key) <= 256 and len(value) <= 4_096  # noqa: PLR2004  the codec's bounds
        },
    )


def _within(members: list[wire.Member]) -> list[wire.Member]:
    """The members, from some point on without attributes: all of them have to fit into the first message."""
    left = _JOINED_ATTRIBUTES_BYTES
    found: list[wire.Member] = []
    for member in members:
        left -= len(msgspec.json.encode(member.attributes))
        found.append(member if left >= 0 else msgspec.structs.replace(member, attributes={}))
    return found
