"""What other servers call. Each request is signed by the server it comes from; `inbound` checks that before anything is believed."""

from functools import partial
from typing import Final

from vox.chat.api.access import Access
from vox.chat.api.rate_categories import CATEGORIES
from vox.chat.api.request import Call, Reply, RouteTable
from vox.chat.errors import rate_limited, refuse
from vox.chat.events.ids import FileId
from vox.chat.features.federation import administration, joining, queries, relay
from vox.chat.features.federation.inbound import (
    GET_BODY_BYTES,
    authenticate,
    decoded,
    recipient_of,
    take_quota,
)
from vox.chat.features.files.download import pieces_of, response_headers
from vox.chat.features.files.http_range import Span
from vox.chat.features.files.service import file_not_found, find
from vox.chat.features.keys.published import give_prekeys
from vox.chat.federation import queries as federation_queries
from vox.chat.federation.quotas import JOINS, LOOKUPS, PREKEYS, RELAY, SIGNALS
from vox.chat.federation.wire import (
    BlockNotice,
    Joined,
    PeerDevicePrekeys,
    PeerJoin,
    PresenceNotify,
    PresenceSubscribe,
    RelayMessage,
    RelayRead,
    RelayTyping,
    RemotePrekeys,
    RemoteProfile,
)
from vox.stores.sql import Connection

SIGNED: Final = Access("public", text="a request signed by another server")
_PEERS: Final = CATEGORIES["federation_peers"]

routes = RouteTable()


@routes.post("/federation/relay/message", access=SIGNED, body=RelayMessage, is_raw=True, category=_PEERS)
async def relay_message(call: Call[bytes]) -> None:
    """Takes a message of a conversation; one that came before changes nothing."""
    domain = await authenticate(call, call.body, RELAY)
    await relay.receive_message(call.chat, domain, decoded(call.body, RelayMessage))


@routes.post("/federation/relay/typing", access=SIGNED, body=RelayTyping, is_raw=True, category=_PEERS)
async def relay_typing(call: Call[bytes]) -> None:
    """Shows a user of the sender as typing."""
    domain = await authenticate(call, call.body, SIGNALS)
    await relay.receive_typing(call.chat, domain, decoded(call.body, RelayTyping))


@routes.post("/federation/relay/read", access=SIGNED, body=RelayRead, is_raw=True, category=_PEERS)
async def relay_read(call: Call[bytes]) -> None:
    """Moves the read mark of a user of the sender."""
    domain = await authenticate(call, call.body, RELAY)
    await relay.receive_read(call.chat, domain, decoded(call.body, RelayRead))


@routes.get("/federation/users/{user_address}/prekeys", access=SIGNED, returns=RemotePrekeys, category=_PEERS)
async def get_prekeys(call: Call) -> RemotePrekeys:
    """Returns the keys with which a user can be written to; each one-time key goes out once."""
    body = await call.read_body(GET_BODY_BYTES)
    domain = await authenticate(call, body, LOOKUPS, needs_full=True)
    address = call.text("user_address")
    user = await recipient_of(call.chat, address)
    await take_quota(call.chat, domain, PREKEYS, str(user.id))
    given = await call.chat.change(partial(give_prekeys, target_id=user.id, with_one_time=True))
    devices = [
        PeerDevicePrekeys(one.device_id, one.identity_key, one.signed_prekey, one.one_time_prekey)
        for one in given.devices
    ]
    return RemotePrekeys(address, devices, given.prekey_warning)


@routes.get("/federation/users/{user_address}", access=SIGNED, returns=RemoteProfile, category=_PEERS)
async def get_profile(call: Call) -> RemoteProfile:
    """Returns how a user is to be shown."""
    body = await call.read_body(GET_BODY_BYTES)
    await authenticate(call, body, LOOKUPS, needs_full=True)
    user = await recipient_of(call.chat, call.text("user_address"))
    found = await call.chat.read(partial(queries.profile_of, user_id=user.id))
    if found is None:
        raise refuse("FED_USER_NOT_FOUND", "There is no such user here.")
    return found


@routes.get("/federation/files/{file_id}", access=SIGNED, returns=bytes, category=_PEERS)
async def get_file(call: Call) -> Reply:
    """Returns a file of a conversation that a user of the sender takes part in."""
    body = await call.read_body(GET_BODY_BYTES)
    domain = await authenticate(call, body, LOOKUPS, needs_full=True)
    file_id = FileId(call.text("file_id"))

    def unit(connection: Connection) -> bool:
        return "\0" not in file_id and queries.is_shown_to(connection, file_id, domain)

    if not await call.chat.read(unit):
        raise file_not_found()
    file = await call.chat.read(partial(find, file_id=file_id))
    headers = {**response_headers(file, is_inline=False), "content-length": str(file.size)}
    return Reply(200, headers=headers, stream=pieces_of(call.chat.storage, file, Span(0, file.size)))


@routes.post("/federation/presence/subscribe", access=SIGNED, body=PresenceSubscribe, is_raw=True, category=_PEERS)
async def subscribe(call: Call[bytes]) -> None:
    """Notes that the sender wants to know of a user's presence; it is told once its users write with them."""
    chat = call.chat
    domain = await authenticate(call, call.body, SIGNALS)
    said = decoded(call.body, PresenceSubscribe)
    await recipient_of(chat, said.user_address)
    most = chat.config.limit("federation_presence_sub_limit")
    unit = partial(federation_queries.subscribe, domain=domain, address=said.user_address, most=most)
    if not await chat.database.write(unit):
        raise rate_limited(3600, "Too many subscriptions of this server")


@routes.post("/federation/presence/notify", access=SIGNED, body=PresenceNotify, is_raw=True, category=_PEERS)
async def notify(call: Call[bytes]) -> None:
    """Shows the presence of a user of the sender to those who write with them."""
    domain = await authenticate(call, call.body, SIGNALS)
    await relay.receive_presence(call.chat, domain, decoded(call.body, PresenceNotify))


@routes.post("/federation/join", access=SIGNED, body=PeerJoin, is_raw=True, status=200, returns=Joined)
async def join(call: Call[bytes]) -> Joined:
    """Lets a user of the sender in, by the sender's voucher; the ticket is exchanged at `/auth/login/federation`."""
    domain = await authenticate(call, call.body, JOINS)
    return await joining.let_in(call.chat, domain, decoded(call.body, PeerJoin))


@routes.post("/federation/block", access=SIGNED, body=BlockNotice, is_raw=True)
async def take_block(call: Call[bytes]) -> None:
    """Notes in the audit log that the sender has blocked this server."""
    domain = await authenticate(call, call.body, JOINS, needs_full=True)
    said = decoded(call.body, BlockNotice)
    reason = None if said.reason is None else said.reason.replace("\0", "")
    await call.chat.change(partial(administration.note_block_of, domain=domain, reason=reason))
