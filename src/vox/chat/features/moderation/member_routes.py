"""Time-outs of members and slow mode of feeds over REST."""

from functools import partial

from vox.chat.api.access import USER, checked, in_feed, requires
from vox.chat.api.hierarchy import recheck_in_transaction
from vox.chat.api.pagination import Items, PageQuery, page_limit
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_prose
from vox.chat.context import ChatContext
from vox.chat.errors import missing_permission, refuse
from vox.chat.events.ids import FeedId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.automod import queries
from vox.chat.features.automod.schemas import (
    NewTimeout,
    OwnTimeout,
    SlowMode,
    SlowModeInfo,
    SlowModeList,
    TimeoutInfo,
)
from vox.chat.features.automod.timeouts import end_timeout, time_out
from vox.chat.features.members.service import assert_may_act
from vox.chat.features.messages.slow_mode import wait_between_s
from vox.chat.features.moderation.service import set_slow_mode

routes = RouteTable()


@routes.get("/moderation/timeouts", access=requires(P.KICK_MEMBERS), query=PageQuery, returns=Items[TimeoutInfo])
async def list_timeouts(call: Call[None, PageQuery]) -> Items[TimeoutInfo]:
    """Lists time-outs that are not over, by user id."""
    chat, page = call.chat, call.query
    limit, now_s = page_limit(chat, page.limit, "members"), chat.clock.unix_s()
    rows = await chat.read(partial(queries.list_timeouts, after=page.after, limit=limit, now_s=now_s))
    return Items(rows, str(rows[-1].user_id) if rows else None)


@routes.get("/members/{user_id}/timeout", access=USER, returns=OwnTimeout)
async def get_timeout(call: Call) -> OwnTimeout:
    """Returns until when a member is timed out, which every member may know."""
    chat, target = call.chat, call.target_id
    if target not in chat.community.users:
        raise refuse("USER_NOT_FOUND", f"There is no user {target}.")
    return OwnTimeout(chat.community.timeout_of(target))


@routes.put(
    "/members/{user_id}/timeout", access=checked("KICK_MEMBERS and a higher rank"), body=NewTimeout, returns=TimeoutInfo
)
async def put_timeout(call: Call[NewTimeout]) -> TimeoutInfo:
    """Times a member out: until it is over they may only read."""
    chat, actor, target = call.chat, call.user_id, call.id("user_id")
    may_act = partial(assert_may_act, permission=P.KICK_MEMBERS, actor_id=actor, target_id=target)
    _assert_may_kick(chat, actor)
    validate_prose(chat.config.limit, "reason", call.body.reason, "kick_reason_max")
    assert_may_be_timed_out(chat, actor, target)
    may_act(chat.community)
    unit = partial(time_out, actor_id=actor, user_id=target, body=call.body, now_s=chat.clock.unix_s())
    return await chat.change(recheck_in_transaction(unit, may_act, actor, target))


@routes.delete("/members/{user_id}/timeout", access=checked("KICK_MEMBERS and a higher rank"))
async def delete_timeout(call: Call) -> None:
    """Ends a time-out."""
    chat, actor, target = call.chat, call.user_id, call.id("user_id")
    _assert_may_kick(chat, actor)
    may_act = partial(assert_may_act, permission=P.KICK_MEMBERS, actor_id=actor, target_id=target)
    may_act(chat.community)
    unit = partial(end_timeout, actor_id=actor, user_id=target)
    await chat.change(recheck_in_transaction(unit, may_act, actor, target))


@routes.get("/moderation/slow-mode", access=USER, returns=SlowModeList)
async def list_slow_modes(call: Call) -> SlowModeList:
    """Lists the feeds with slow mode that the caller may view."""
    chat = call.chat
    feeds = sorted(chat.community.visible_feeds(call.user_id))
    slow = [feed_id for feed_id in feeds if chat.community.slow_mode_s(feed_id)]
    return SlowModeList([SlowModeInfo(feed_id, chat.community.slow_mode_s(feed_id), 0) for feed_id in slow])


@routes.get("/feeds/{feed_id}/slow-mode", access=in_feed(P.VIEW_SPACE), returns=SlowModeInfo)
async def get_slow_mode(call: Call) -> SlowModeInfo:
    """Returns the slow mode of a feed, and how long the caller has to wait."""
    return await _slow_mode(call.chat, call.user_id, call.id("feed_id"))


@routes.put(
    "/feeds/{feed_id}/slow-mode",
    access=requires(P.MANAGE_SPACES, sees="feed"),
    body=SlowMode,
    returns=SlowModeInfo,
)
async def put_slow_mode(call: Call[SlowMode]) -> SlowModeInfo:
    """Sets how long authors wait between two messages of a feed; 0 turns it off."""
    chat, feed_id = call.chat, call.id("feed_id")
    await chat.change(partial(set_slow_mode, actor_id=call.user_id, feed_id=feed_id, seconds=call.body.seconds))
    return await _slow_mode(chat, call.user_id, feed_id)


def assert_may_be_timed_out(chat: ChatContext, actor_id: UserId, target_id: UserId) -> None:
    """Requires a member other than the caller who is no administrator.

    Raises:
        Refusal: USER_NOT_FOUND, INVALID_TARGET.
    """
    person = chat.community.users.get(target_id)
    if person is None or not person.is_active:
        raise refuse("USER_NOT_FOUND", f"There is no member {target_id}.")
    if actor_id == target_id:
        raise refuse("INVALID_TARGET", "You cannot time yourself out.")
    if chat.community.is_administrator(target_id) and chat.community.is_administrator(actor_id):
        raise refuse("INVALID_TARGET", "An administrator cannot be timed out; take the role first.")


async def _slow_mode(chat: ChatContext, user_id: UserId, feed_id: FeedId) -> SlowModeInfo:
    seconds, wait_s = chat.community.slow_mode_s(feed_id), wait_between_s(chat, user_id, feed_id)
    left_s = 0
    if wait_s:
        last_ms = await chat.read(partial(queries.last_turn, feed_id=feed_id, user_id=user_id))
        left_s = max(0, min(wait_s, -(-(last_ms + wait_s * 1000 - chat.clock.unix_ms()) // 1000)))
    return SlowModeInfo(feed_id, seconds, left_s)


def _assert_may_kick(chat: ChatContext, actor_id: UserId) -> None:
    if not chat.community.may(actor_id, P.KICK_MEMBERS):
        raise missing_permission("KICK_MEMBERS")
