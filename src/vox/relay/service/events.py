"""What happens in rooms, as webhooks tell it."""

from livekit.protocol.webhook import WebhookEvent

from vox.relay.rooms.events import (
    ParticipantAborted,
    ParticipantJoined,
    ParticipantLeft,
    RoomEvent,
    RoomFinished,
    RoomStarted,
    TrackPublished,
    TrackUnpublished,
)


def webhook_event(event: RoomEvent) -> WebhookEvent:
    """The webhook of an event, without its id and time. Pure."""
    match event:
        case RoomStarted(room, _):
            return WebhookEvent(event="room_started", room=room)
        case RoomFinished(room):
            return WebhookEvent(event="room_finished", room=room)
        case ParticipantJoined(room, participant):
            return WebhookEvent(event="participant_joined", room=room, participant=participant)
        case ParticipantLeft(room, participant):
            return WebhookEvent(event="participant_left", room=room, participant=participant)
        case ParticipantAborted(room, participant):
            return WebhookEvent(event="participant_connection_aborted", room=room, participant=participant)
        case TrackPublished(room, participant, track):
            return WebhookEvent(event="track_published", room=room, participant=participant, track=track)
        case TrackUnpublished(room, participant, track):
            return WebhookEvent(event="track_unpublished", room=room, participant=participant, track=track)
