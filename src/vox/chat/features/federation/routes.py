"""What clients and administrators call: join another server, write to its users, and decide which servers are met."""

from functools import partial
from typing import Final

from vox.chat.api.access import PUBLIC, USER, requires
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_prose
from vox.chat.errors import refuse
from vox.chat.events.permissions import P
from vox.chat.features.auth.schemas import LoggedIn
from vox.chat.features.federation import administration, contacts, joining, queries
from vox.chat.features.federation.inbound import federation_of
from vox.chat.features.federation.schemas import (
    FederationLogin,
    FindUser,
    FoundUser,
    JoinRequest,
    KeyInfo,
    KeyList,
    ListChange,
    ListPage,
    ListQuery,
    PeerPage,
    PeerQuery,
    Unsettled,
    UnsettledPage,
    UnsettledQuery,
)
from vox.chat.federation.addresses import parse_address
from vox.chat.federation.wire import Joined

ADMINISTRATOR: Final = requires(P.ADMINISTRATOR)
LONGEST_CLIENT: Final = 200
MOST_LISTED: Final = 200

routes = RouteTable()


@routes.post("/federation/join-request", access=USER, body=JoinRequest, returns=Joined)
async def request_join(call: Call[JoinRequest]) -> Joined:
    """Asks another server to let the caller in; the token of the response is exchanged there for a login."""
    return await joining.join_elsewhere(call.chat, call.user_id, call.body.target_domain, call.body.invite_code)


@routes.post("/auth/login/federation", access=PUBLIC, body=FederationLogin, returns=LoggedIn)
async def log_in(call: Call[FederationLogin]) -> LoggedIn:
    """Exchanges the token of a join for a login, once."""
    client = call.header(b"user-agent")[:LONGEST_CLIENT].replace("\0", "") or None
    return await joining.log_in(call.chat, call.body.federation_token, client)


@routes.post("/federation/users", access=USER, body=FindUser, returns=FoundUser)
async def find_user(call: Call[FindUser]) -> FoundUser:
    """Finds a user of another server by their address, so that the caller can write to them."""
    chat = call.chat
    federation = federation_of(chat)
    address = parse_address(call.body.user_address, chat.config.limit("federation_address_max"))
    if address is None or address.domain == federation.domain:
        raise refuse("VALIDATION_ERROR", "body.user_address: expected name@domain of another server")
    await chat.read(partial(federation.assert_permitted, domain=address.domain))
    profile = await contacts.fetch_profile(chat, address)
    user_id = await contacts.ensure_contact(chat, address, profile)
    person = chat.community.users[user_id]
    return FoundUser(user_id, str(address), person.display_name, address.domain)


@routes.get("/federation/deliveries", access=USER, query=UnsettledQuery, returns=UnsettledPage)
async def list_deliveries(call: Call[None, UnsettledQuery]) -> UnsettledPage:
    """Lists the caller's messages that have not arrived at another server: those that wait, and those that were refused."""
    after, limit = call.query.after, min(call.query.limit, MOST_LISTED)
    found = await call.chat.read(partial(queries.unsettled, author_id=call.user_id, after=after, limit=limit))
    items = [Unsettled(one.msg_id, one.dm_id, one.domain, one.state, one.code) for one in found]
    return UnsettledPage(items, str(found[-1].number) if found else None)


@routes.post("/federation/admin/block", access=ADMINISTRATOR, body=ListChange)
async def block(call: Call[ListChange]) -> None:
    """Blocks a server: nothing comes from it or goes to it, its users' logins end, and it is told."""
    validate_prose(call.chat.config.limit, "reason", call.body.reason, "admin_reason_max")
    await administration.block(call.chat, call.user_id, administration.domain_of(call.body.domain), call.body.reason)


@routes.delete("/federation/admin/block/{domain}", access=ADMINISTRATOR)
async def unblock(call: Call) -> None:
    """Lifts a block."""
    domain = administration.domain_of(call.text("domain"))
    await call.chat.change(partial(administration.unblock, actor_id=call.user_id, domain=domain))


@routes.get("/federation/admin/block", access=ADMINISTRATOR, query=ListQuery, returns=ListPage)
async def list_blocked(call: Call[None, ListQuery]) -> ListPage:
    """Lists the blocked servers."""
    page = partial(
        administration.listed, is_allow=False, limit=min(call.query.limit, MOST_LISTED), offset=call.query.offset
    )
    return ListPage(await call.chat.read(page))


@routes.post("/federation/admin/allow", access=ADMINISTRATOR, body=ListChange)
async def allow(call: Call[ListChange]) -> None:
    """Puts a server on the allow list, which counts where the policy is allowlist."""
    chat, body = call.chat, call.body
    validate_prose(chat.config.limit, "reason", body.reason, "admin_reason_max")
    unit = partial(
        administration.allow,
        actor_id=call.user_id,
        domain=administration.domain_of(body.domain),
        reason=body.reason,
        now_s=chat.clock.unix_s(),
    )
    await chat.change(unit)


@routes.delete("/federation/admin/allow/{domain}", access=ADMINISTRATOR)
async def disallow(call: Call) -> None:
    """Takes a server off the allow list."""
    domain = administration.domain_of(call.text("domain"))
    await call.chat.change(partial(administration.disallow, actor_id=call.user_id, domain=domain))


@routes.get("/federation/admin/allow", access=ADMINISTRATOR, query=ListQuery, returns=ListPage)
async def list_allowed(call: Call[None, ListQuery]) -> ListPage:
    """Lists the servers on the allow list."""
    page = partial(
        administration.listed, is_allow=True, limit=min(call.query.limit, MOST_LISTED), offset=call.query.offset
    )
    return ListPage(await call.chat.read(page))


@routes.get("/federation/admin/peers", access=ADMINISTRATOR, query=PeerQuery, returns=PeerPage)
async def list_peers(call: Call[None, PeerQuery]) -> PeerPage:
    """Lists the servers that this one has met, with what waits for them."""
    after = call.query.after.replace("\0", "")
    return await call.chat.read(partial(administration.peers, after=after, limit=min(call.query.limit, MOST_LISTED)))


@routes.delete("/federation/admin/peers/{domain}/keys", access=ADMINISTRATOR)
async def believe_keys(call: Call) -> None:
    """Believes the keys that the DNS shows for a server now, instead of after a day."""
    await administration.believe_keys(call.chat, call.user_id, administration.domain_of(call.text("domain")))


@routes.get("/federation/admin/keys", access=ADMINISTRATOR, returns=KeyList)
async def list_keys(call: Call) -> KeyList:
    """Lists the keys of this server, with the DNS records that publish them."""
    return KeyList(await administration.keys(call.chat))


@routes.post("/federation/admin/keys", access=ADMINISTRATOR, status=201, returns=KeyInfo)
async def make_key(call: Call) -> KeyInfo:
    """Makes the next key: publish its record beside the old one, then activate it."""
    return await administration.make_key(call.chat, call.user_id)


@routes.post("/federation/admin/keys/{key}/activate", access=ADMINISTRATOR)
async def activate_key(call: Call) -> None:
    """Signs with this key from now on; the DNS must show it."""
    await administration.activate_key(call.chat, call.user_id, call.text("key"))


@routes.delete("/federation/admin/keys/{key}", access=ADMINISTRATOR)
async def delete_key(call: Call) -> None:
    """Deletes a key that is not the active one."""
    await administration.delete_key(call.chat, call.user_id, call.text("key"))
