"""Rules of auto-moderation with their dry run, and raid mode. Both are for holders of MANAGE_SERVER."""

import asyncio
from functools import partial

from vox.chat.api.access import requires
from vox.chat.api.request import Call, RouteTable
from vox.chat.community import Community
from vox.chat.errors import refuse
from vox.chat.events.ids import FeedId
from vox.chat.events.permissions import P
from vox.chat.features.automod import queries, service
from vox.chat.features.automod.patterns import is_available
from vox.chat.features.automod.rules import Definition, Rule
from vox.chat.features.automod.ruleset import Author
from vox.chat.features.automod.schemas import RaidInfo, RaidRequest, RuleList, RuleTrial, TrialResult
from vox.chat.features.automod.trial import Standing, try_messages, try_samples
from vox.chat.identity.joins import Measures, RaidPolicy, read_policy

routes = RouteTable()


@routes.get("/moderation/rules", access=requires(P.MANAGE_SERVER), returns=RuleList)
async def list_rules(call: Call) -> RuleList:
    """Lists all rules by id."""
    return RuleList(await call.chat.read(queries.list_rules), is_available())


@routes.post("/moderation/rules", access=requires(P.MANAGE_SERVER), body=Definition, status=201, returns=Rule)
async def create_rule(call: Call[Definition]) -> Rule:
    """Makes a rule, which counts from the next message on."""
    chat = call.chat
    definition = await asyncio.to_thread(partial(service.checked, chat, call.body))
    unit = partial(service.create_rule, actor_id=call.user_id, definition=definition, now_s=chat.clock.unix_s())
    return await chat.change(unit)


@routes.post("/moderation/rules/try", access=requires(P.MANAGE_SERVER), body=RuleTrial, returns=TrialResult)
async def try_rule(call: Call[RuleTrial]) -> TrialResult:
    """Answers what a rule would have caught, in samples and in the latest messages that the caller may read."""
    chat, body = call.chat, call.body
    rule: Definition | None = body.rule
    if rule is not None:
        rule = await asyncio.to_thread(partial(service.checked, chat, rule))
    elif body.rule_id is not None:
        rule = await chat.read(partial(queries.find_rule, rule_id=body.rule_id))
        if rule is None:
            raise service.no_rule(body.rule_id)
    else:
        raise refuse("VALIDATION_ERROR", "body: expected rule or rule_id")
    feed_ids = chat.community.readable_feeds(call.user_id)
    if body.feed_id is not None:
        if FeedId(body.feed_id) not in feed_ids:
            raise refuse("SPACE_NOT_FOUND", f"There is no feed {body.feed_id} that you may read.")
        feed_ids = frozenset({FeedId(body.feed_id)})
    samples = await asyncio.to_thread(partial(try_samples, rule, body.samples))
    if not body.messages:
        return TrialResult(samples, [], 0, 0)
    standing = await asyncio.to_thread(partial(_standing, chat.community))
    unit = partial(try_messages, rule=rule, feed_ids=feed_ids, limit=body.messages, standing=standing)
    result = await chat.database.read_slowly(unit)
    result.samples = samples
    return result


@routes.get("/moderation/rules/{rule_id}", access=requires(P.MANAGE_SERVER), returns=Rule)
async def get_rule(call: Call) -> Rule:
    """Returns one rule."""
    rule_id = call.id("rule_id")
    rule = await call.chat.read(partial(queries.find_rule, rule_id=rule_id))
    if rule is None:
        raise service.no_rule(rule_id)
    return rule


@routes.put("/moderation/rules/{rule_id}", access=requires(P.MANAGE_SERVER), body=Definition, returns=Rule)
async def change_rule(call: Call[Definition]) -> Rule:
    """Replaces a rule; the new one counts from the next message on."""
    chat = call.chat
    definition = await asyncio.to_thread(partial(service.checked, chat, call.body))
    unit = partial(
        service.change_rule,
        actor_id=call.user_id,
        rule_id=call.id("rule_id"),
        definition=definition,
        now_s=chat.clock.unix_s(),
    )
    return await chat.change(unit)


@routes.delete("/moderation/rules/{rule_id}", access=requires(P.MANAGE_SERVER))
async def delete_rule(call: Call) -> None:
    """Deletes a rule."""
    await call.chat.change(partial(service.delete_rule, actor_id=call.user_id, rule_id=call.id("rule_id")))


@routes.get("/moderation/raid-policy", access=requires(P.MANAGE_SERVER), returns=RaidPolicy)
async def get_raid_policy(call: Call) -> RaidPolicy:
    """Returns when raid mode turns itself on, and with which measures."""
    return await call.chat.read(read_policy)


@routes.put("/moderation/raid-policy", access=requires(P.MANAGE_SERVER), body=RaidPolicy, returns=RaidPolicy)
async def change_raid_policy(call: Call[RaidPolicy]) -> RaidPolicy:
    """Sets when raid mode turns itself on, and with which measures."""
    await call.chat.change(partial(service.change_policy, actor_id=call.user_id, policy=call.body))
    return call.body


@routes.get("/moderation/raid", access=requires(P.MANAGE_SERVER), returns=RaidInfo)
async def get_raid(call: Call) -> RaidInfo:
    """Returns whether raid mode is on."""
    return _raid_info(call.chat.community)


@routes.put("/moderation/raid", access=requires(P.MANAGE_SERVER), body=RaidRequest, returns=RaidInfo)
async def change_raid(call: Call[RaidRequest]) -> RaidInfo:
    """Turns raid mode on or off; while it is on, again with other measures changes them."""
    chat, body = call.chat, call.body
    if not body.active:
        await chat.change(partial(service.turn_raid_off, actor_id=call.user_id))
        return _raid_info(chat.community)
    policy = await chat.read(read_policy)
    measures = Measures(
        lasts_s=policy.lasts_s if body.lasts_s is None else body.lasts_s,
        joins_paused=policy.joins_paused if body.joins_paused is None else body.joins_paused,
        new_account_wait_s=policy.new_account_wait_s if body.new_account_wait_s is None else body.new_account_wait_s,
        slow_mode_s=policy.slow_mode_s if body.slow_mode_s is None else body.slow_mode_s,
    )
    unit = partial(service.turn_raid_on, actor_id=call.user_id, measures=measures, now_s=chat.clock.unix_s())
    await chat.change(unit)
    return _raid_info(chat.community)


def _raid_info(community: Community) -> RaidInfo:
    raid = community.raid
    if raid is None:
        return RaidInfo(active=False, until=0, joins_paused=False, new_account_wait_s=0, slow_mode_s=0)
    return RaidInfo(
        active=True,
        until=raid.until,
        joins_paused=raid.joins_paused,
        new_account_wait_s=raid.new_account_wait_s,
        slow_mode_s=raid.slow_mode_s,
    )


def _standing(community: Community) -> Standing:
    people = list(community.users.values())
    authors = {person.id: Author(person.role_ids, community.may(person.id, P.MANAGE_MESSAGES)) for person in people}
    return Standing(authors, frozenset(person.id for person in people if community.is_administrator(person.id)))
