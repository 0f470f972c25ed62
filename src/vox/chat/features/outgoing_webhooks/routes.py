"""Outgoing webhooks over REST, with the log of their deliveries."""

from functools import partial
from typing import Any, Final

import msgspec

from vox.chat.api.access import requires
from vox.chat.api.request import Call, RouteTable
from vox.chat.events.permissions import P
from vox.chat.features.outgoing_webhooks import queries, service
from vox.chat.features.outgoing_webhooks.schemas import (
    CreatedSubscription,
    DeliveryLog,
    LogQuery,
    NewSubscription,
    Redelivered,
    Subscription,
    SubscriptionChange,
    SubscriptionList,
    SubscriptionSecret,
)

MAX_PAGE: Final = 100
KEEPER: Final = requires(P.MANAGE_WEBHOOKS)

routes = RouteTable()


@routes.post("/outgoing-webhooks", access=KEEPER, body=NewSubscription, status=201, returns=CreatedSubscription)
async def create_outgoing_webhook(call: Call[NewSubscription]) -> CreatedSubscription:
    """Subscribes an address to events; the signing secret is shown this once."""
    number, secret = await service.create(call.chat, call.user_id, call.body)
    one = await service.managed(call.chat, call.user_id, number)
    return CreatedSubscription(**msgspec.structs.asdict(one), secret=secret)


@routes.get("/outgoing-webhooks", access=KEEPER, returns=SubscriptionList)
async def list_outgoing_webhooks(call: Call) -> SubscriptionList:
    """The outgoing webhooks that the caller may manage."""
    found = await call.chat.read(queries.list_subscriptions)
    return SubscriptionList([one for one in found if service.may_manage(call.chat, call.user_id, one)])


@routes.get("/outgoing-webhooks/{subscription_id}", access=KEEPER, returns=Subscription)
async def get_outgoing_webhook(call: Call) -> Subscription:
    """An outgoing webhook, and how its deliveries go."""
    return await _managed(call)


@routes.patch("/outgoing-webhooks/{subscription_id}", access=KEEPER, body=SubscriptionChange, returns=Subscription)
async def change_outgoing_webhook(call: Call[SubscriptionChange]) -> Subscription:
    """Changes an outgoing webhook, disables it, or enables it again."""
    await service.change(call.chat, call.user_id, await _managed(call), call.body)
    return await _managed(call)


@routes.delete("/outgoing-webhooks/{subscription_id}", access=KEEPER)
async def delete_outgoing_webhook(call: Call) -> None:
    """Deletes an outgoing webhook with its log."""
    one = await _managed(call)
    unit = partial(service.delete, actor_id=call.user_id, subscription_id=one.subscription_id)
    await call.chat.change(unit)


@routes.post("/outgoing-webhooks/{subscription_id}/secret", access=KEEPER, returns=SubscriptionSecret)
async def rotate_outgoing_secret(call: Call) -> SubscriptionSecret:
    """Replaces the signing secret; the old one signs too for a day."""
    return SubscriptionSecret(*await service.rotate_secret(call.chat, call.user_id, await _managed(call)))


@routes.post("/outgoing-webhooks/{subscription_id}/ping", access=KEEPER, status=201, returns=Redelivered)
async def ping_outgoing_webhook(call: Call) -> Redelivered:
    """Sends an event `ping` to try the address."""
    one, now_ms = await _managed(call), call.chat.clock.unix_ms()
    service.assert_enabled(one)
    number = await call.chat.change(partial(service.ping, subscription_id=one.subscription_id, now_ms=now_ms))
    return Redelivered(number)


@routes.get("/outgoing-webhooks/{subscription_id}/deliveries", access=KEEPER, query=LogQuery, returns=DeliveryLog)
async def list_deliveries(call: Call[None, LogQuery]) -> DeliveryLog:
    """What became of the events, the newest first."""
    one, query = await _managed(call), call.query
    unit = partial(
        queries.list_deliveries,
        subscription_id=one.subscription_id,
        before=query.before,
        limit=min(query.limit, MAX_PAGE),
    )
    return DeliveryLog(await call.chat.read(unit))


@routes.post(
    "/outgoing-webhooks/{subscription_id}/deliveries/{delivery_id}/redeliver",
    access=KEEPER,
    status=201,
    returns=Redelivered,
)
async def redeliver(call: Call) -> Redelivered:
    """Sends the event of an earlier delivery again."""
    delivery_id, now_ms = call.id("delivery_id"), call.chat.clock.unix_ms()
    one = await _managed(call)
    service.assert_enabled(one)
    unit = partial(service.redeliver, subscription_id=one.subscription_id, delivery_id=delivery_id, now_ms=now_ms)
    return Redelivered(await call.chat.change(unit))


async def _managed(call: Call[Any, Any]) -> Subscription:
    return await service.managed(call.chat, call.user_id, call.id("subscription_id"))
