"""Stages over REST: listeners ask to speak, moderators let them."""

from functools import partial

import msgspec

from vox.chat.api.access import in_room
from vox.chat.api.fields import Id
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_prose
from vox.chat.events import stage_request
from vox.chat.events.ids import UserId
from vox.chat.events.permissions import P
from vox.chat.features.stage import service
from vox.chat.features.voice import stage_queries as queries
from vox.chat.features.voice.opening import keeper_of

routes = RouteTable()


class StageTarget(msgspec.Struct, frozen=True):
    """A member of the room."""

    user_id: Id


class StageAnswer(msgspec.Struct, frozen=True):
    """Whether the invited user will speak."""

    accepted: bool


class StageTopic(msgspec.Struct, frozen=True):
    """What the stage is about."""

    topic: str


@routes.post("/rooms/{room_id}/stage/request", access=in_room(P.VIEW_SPACE))
async def request_to_speak(call: Call) -> None:
    """Asks the moderators in the room to be let on the stage."""
    chat, room_id = call.chat, call.id("room_id")
    stage = (await chat.read(partial(queries.stage_of, room_id=room_id))).request(call.user_id)
    moderators = [one for one in stage.members if chat.community.may_in(one, "room", room_id, P.STAGE_MODERATOR)]
    chat.tell(stage_request(room_id=room_id, user_id=call.user_id, moderators=sorted(moderators)))


@routes.post("/rooms/{room_id}/stage/invite", access=in_room(P.STAGE_MODERATOR), body=StageTarget)
async def invite_to_speak(call: Call[StageTarget]) -> None:
    """Asks a member to come on the stage; the invitation may be accepted for five minutes."""
    target, now_s = UserId(call.body.user_id), call.chat.clock.unix_s()
    await call.chat.change(partial(service.invite, room_id=call.id("room_id"), user_id=target, now_s=now_s))


@routes.post("/rooms/{room_id}/stage/invite/respond", access=in_room(P.VIEW_SPACE), body=StageAnswer)
async def respond_to_invite(call: Call[StageAnswer]) -> None:
    """Accepts or declines an invitation to speak."""
    chat, room_id = call.chat, call.id("room_id")
    now_s, accepted = chat.clock.unix_s(), call.body.accepted
    await chat.change(partial(service.respond, room_id=room_id, user_id=call.user_id, accepted=accepted, now_s=now_s))
    if accepted:
        await keeper_of(chat).settle(room_id)


@routes.post("/rooms/{room_id}/stage/revoke", access=in_room(P.STAGE_MODERATOR), body=StageTarget)
async def revoke_speaker(call: Call[StageTarget]) -> None:
    """Takes a speaker from the stage at once, or an invitation back."""
    chat, room_id = call.chat, call.id("room_id")
    target, now_s = UserId(call.body.user_id), chat.clock.unix_s()
    await chat.change(partial(service.revoke, room_id=room_id, user_id=target, now_s=now_s))
    await keeper_of(chat).settle(room_id)


@routes.patch("/rooms/{room_id}/stage/topic", access=in_room(P.STAGE_MODERATOR), body=StageTopic, returns=StageTopic)
async def set_stage_topic(call: Call[StageTopic]) -> StageTopic:
    """Changes what the stage is about."""
    chat, topic = call.chat, call.body.topic
    validate_prose(chat.config.limit, "topic", topic, "topic_max")
    await chat.change(partial(service.set_topic, actor_id=call.user_id, room_id=call.id("room_id"), topic=topic))
    return call.body
