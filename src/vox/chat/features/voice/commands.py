"""The slash command of voice rooms, `/agent`, for members who are in one: it needs no bot."""

from functools import partial
from typing import Final

from vox.chat.api.access import assert_permission
from vox.chat.context import ChatContext
from vox.chat.events.ids import DmId, FeedId, ThreadId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.interactions.calls import call_command, new_interaction_id
from vox.chat.features.voice import agents, queries
from vox.chat.features.voice.guest_schemas import MAX_NAME, InviteAgent
from vox.chat.features.voice.opening import keeper_of
from vox.chat.features.voice.stage import not_in_voice

NAME: Final = "agent"
LEAVE: Final = "leave"


async def call_any_command(
    chat: ChatContext,
    user_id: UserId,
    body: str,
    *,
    feed_id: FeedId | None,
    thread_id: ThreadId | None,
    dm_id: DmId | None,
    nonce: str | None,
) -> str | None:
    """Calls a bot's command, or ours where no bot has that name; see `vox.chat.context.CallCommand`.

    Raises:
        Refusal: NOT_IN_VOICE, MISSING_PERMISSIONS, or what inviting an agent is refused with.
    """
    called = await call_command(chat, user_id, body, feed_id=feed_id, thread_id=thread_id, dm_id=dm_id, nonce=nonce)
    words = body.split()
    is_ours = bool(words) and words[0] == f"/{NAME}" and keeper_of(chat).media.is_configured
    if called is not None or not is_ours or chat.integrations.is_bot(user_id):
        return called
    await _agent(chat, user_id, " ".join(words[1:])[:MAX_NAME])
    return new_interaction_id()


async def _agent(chat: ChatContext, user_id: UserId, asked: str) -> None:
    row = await chat.read(partial(queries.member, user_id=user_id))
    if row is None:
        raise not_in_voice(user_id)
    room_id, keeper = row.room_id, keeper_of(chat)
    assert_permission(chat.community.may_in(user_id, "room", room_id, P.MOVE_MEMBERS), P.MOVE_MEMBERS)
    if asked != LEAVE:
        await agents.invite(chat, keeper.media, room_id, user_id, InviteAgent(asked))
        return
    for guest in await chat.read(partial(queries.shown_guests, room_id=room_id)):
        if guest.kind == "agent":
            await chat.change(partial(agents.dismiss, room_id=room_id, guest_id=guest.guest_id))
            await keeper.remove_now(room_id, guest.identity)
