"""Data packets: checked, stamped with their sender, and passed on to their receivers.

Reliable packets keep their sender's sequence numbers. The last of them are kept per sender, so that a listener who resumes gets
what was sent meanwhile; a packet that the sender repeats after its own resume is recognised by its number.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from google.protobuf.message import DecodeError
from livekit.protocol import models, rtc

from vox.relay.rooms.context import if_known
from vox.relay.rooms.participant import Kept, Participant
from vox.relay.rooms.room import Room

RELIABLE: Final = "_reliable"
LOSSY: Final = "_lossy"
_MOST_KEPT: Final = 256
_SERVER_ONLY: Final = frozenset({"speaker", None})
_IN_ANOTHERS_NAME: Final = frozenset({"transcription", "stream_header", "stream_chunk", "stream_trailer"})
"""What an agent may send on behalf of a participant it has heard."""


def receive(room: Room, sender: Participant, label: str, payload: bytes) -> None:
    """Takes a packet from a participant's channel; what is not permitted or malformed is dropped and counted."""
    refused = room.context.refused
    if label not in {RELIABLE, LOSSY}:
        return
    if not sender.permission.can_publish_data:
        refused("data_denied")
        return
    if len(payload) > room.context.limits.data_bytes:
        refused("data_too_large")
        return
    packet = models.DataPacket()
    try:
        packet.ParseFromString(payload)
    except DecodeError:
        refused("data_malformed")
        return
    pass_on(room, sender, packet, reliable=label == RELIABLE)


def pass_on(room: Room, sender: Participant, packet: models.DataPacket, *, reliable: bool) -> None:
    """Stamps a packet with its sender and sends it to its receivers."""
    kind = packet.WhichOneof("value")
    if kind in _SERVER_ONLY:
        room.context.refused("data_malformed")
        return
    if reliable and packet.sequence:
        if packet.sequence <= sender.last_sequence:
            return
        sender.last_sequence = packet.sequence
    if kind in {"rpc_ack", "rpc_response"} and _answered(room, packet):
        return
    to = _destinations(room, packet)
    _stamp(room, sender, packet, kind)
    deliver(room, packet, to, reliable=reliable, but=sender)


def deliver(
    room: Room,
    packet: models.DataPacket,
    to: frozenset[str] | None,
    *,
    reliable: bool,
    but: Participant | None = None,
) -> None:
    """Sends a stamped packet to these identities, or to everyone where that is None, except its sender."""
    payload = packet.SerializeToString()
    label = RELIABLE if reliable else LOSSY
    peers: list[int] = []
    for one in _receivers(room, to):
        if one is but:
            continue
        if one.is_voice:
            if one.outbox is not None:
                one.outbox.data(packet)
        elif reliable and one.backlog:
            _queue(room, one, label, payload)
        else:
            peers.append(one.subscriber)
    if but is not None and reliable:
        _keep(room, but, Kept(packet.sequence, frozenset() if to is None else to, payload))
    _send(room, peers, label, payload)


def replay(room: Room, listener: Participant, received: Sequence[rtc.DataChannelReceiveState]) -> None:
    """Sends the reliable packets that a listener who has resumed says it lacks."""
    for state in received:
        sender = room.by_sid.get(state.publisher_sid)
        if sender is None:
            continue
        for kept in sender.replay:
            if kept.sequence > state.last_seq and (not kept.to or listener.identity in kept.to):
                _queue(room, listener, RELIABLE, kept.payload)
    flush(room, listener)


def flush(room: Room, listener: Participant) -> None:
    """Sends what waits for a participant's channel, as far as it takes it."""
    while listener.backlog:
        label, payload = listener.backlog[0]
        with if_known():
            if room.context.engine.send_data([listener.subscriber], label, payload):
                return
        listener.backlog.popleft()
        listener.backlog_bytes -= len(payload)


def _stamp(room: Room, sender: Participant, packet: models.DataPacket, kind: str | None) -> None:
    named = packet.participant_identity
    speaks_for = room.participants.get(named) if kind in _IN_ANOTHERS_NAME and named else None
    if sender.kind != models.ParticipantInfo.AGENT or speaks_for is None:
        speaks_for = sender
    packet.participant_identity = "" if sender.is_hidden else speaks_for.identity
    packet.participant_sid = "" if sender.is_hidden else sender.sid
    if kind == "user":
        packet.user.participant_identity = packet.participant_identity
        packet.user.participant_sid = packet.participant_sid


def _destinations(room: Room, packet: models.DataPacket) -> frozenset[str] | None:
    """The identities that a packet is for; None for everyone."""
    named = set(packet.destination_identities)
    sids: Iterable[str] = ()
    if packet.WhichOneof("value") == "user":
        named.update(packet.user.destination_identities)
        sids = packet.user.destination_sids
    named.update(one.identity for sid in sids if (one := room.by_sid.get(sid)) is not None)
    return frozenset(named) if named or sids else None


def _receivers(room: Room, to: frozenset[str] | None) -> list[Participant]:
    if to is None:
        return list(room.participants.values())
    return [one for identity in to if (one := room.participants.get(identity)) is not None]


def _answered(room: Room, packet: models.DataPacket) -> bool:
    """Hands an answer to a call of the server to its caller; False where it is another participant's."""
    answer = packet.rpc_ack if packet.WhichOneof("value") == "rpc_ack" else packet.rpc_response
    reply = room.replies.get(answer.request_id)
    if reply is None:
        return False
    reply(answer)
    return True


def _keep(room: Room, sender: Participant, kept: Kept) -> None:
    if not kept.sequence:
        return
    sender.replay.append(kept)
    sender.replay_bytes += len(kept.payload)
    while sender.replay_bytes > room.context.limits.replay_bytes or len(sender.replay) > _MOST_KEPT:
        sender.replay_bytes -= len(sender.replay.popleft().payload)


def _send(room: Room, peers: list[int], label: str, payload: bytes) -> None:
    if not peers:
        return
    failed: list[int] = []
    with if_known():
        failed = room.context.engine.send_data(peers, label, payload)
    if label != RELIABLE or not failed:
        return
    lacking = set(failed)
    for one in room.participants.values():
        if one.subscriber in lacking:
            _queue(room, one, label, payload)


def _queue(room: Room, listener: Participant, label: str, payload: bytes) -> None:
    """Lets a reliable packet wait; beyond the bound the newest is dropped and counted, and the sender's next resume cannot help."""
    if listener.backlog_bytes + len(payload) > room.context.limits.backlog_bytes:
        room.context.refused("data_backlog_full")
        return
    listener.backlog.append((label, payload))
    listener.backlog_bytes += len(payload)
