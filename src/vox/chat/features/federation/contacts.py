"""Users of other servers: how they come to be known, the conversations with them, and what is shown of them."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from vox.chat.api.validation import validate_address, validate_length, validate_person_name, validate_prose
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import Event
from vox.chat.events.audience import EVERYONE, Users
from vox.chat.events.ids import DmId, UserId
from vox.chat.events.people import remote_contact
from vox.chat.features.dms.service import open_pair
from vox.chat.features.federation import queries as own
from vox.chat.features.federation.inbound import federation_of, take_quota
from vox.chat.features.members.queries import update_profile
from vox.chat.federation import queries
from vox.chat.federation.addresses import UserAddress, parse_address
from vox.chat.federation.client import PeerFailure, unreachable
from vox.chat.federation.quotas import NEW_USERS
from vox.chat.federation.wire import RemoteProfile
from vox.stores.sql import Connection


async def ensure_contact(chat: ChatContext, address: UserAddress, profile: RemoteProfile | None = None) -> UserId:
    """The user with an address, who is stored as a contact where they are not known yet.

    Args:
        chat: the server.
        address: of a user of another server.
        profile: what that server says of them.

    Raises:
        Refusal: RATE_LIMITED or QUOTA_EXCEEDED where the server brings too many users, BANNED.
    """
    found = await chat.read(partial(queries.find_remote_user, address=str(address), domain=address.domain))
    if found is None:
        await take_quota(chat, address.domain, NEW_USERS)
        known = await chat.read(partial(queries.count_remote_users, domain=address.domain))
        if known >= chat.settings.federation_users_per_peer:
            raise refuse("QUOTA_EXCEEDED", f"Too many users of {address.domain} are known here.", status=429)
        shown = cleaned(chat, profile) if profile is not None else {}
        found = await chat.change(partial(_insert_contact, address=address, shown=shown, now_s=chat.clock.unix_s()))
    person = chat.community.users.get(found)
    if person is not None and not person.is_active:
        raise refuse("BANNED", f"{address} is banned or was removed here.")
    return found


async def ensure_pair(chat: ChatContext, remote_id: UserId, local_id: UserId, address: UserAddress) -> DmId:
    """The conversation of a user of another server with one of this, which their settings may refuse.

    Raises:
        Refusal: USER_BLOCKED, DM_PERMISSION_DENIED, RATE_LIMITED.
    """
    found = await chat.read(partial(queries.pair_of, one=remote_id, other=local_id))
    if found is not None:
        return found
    await take_quota(chat, address.domain, NEW_USERS, "conversations")
    federation, community, now_s = federation_of(chat), chat.community, chat.clock.unix_s()

    def unit(connection: Connection) -> Change[DmId]:
        change = open_pair(connection, community=community, caller_id=remote_id, other_id=local_id, now_s=now_s)
        federation.watch(connection, str(address))
        return Change(DmId(change.value.dm_id), change.events)

    dm_id = await chat.change(unit)
    federation.outbox.wake()
    return dm_id


async def fetch_profile(chat: ChatContext, address: UserAddress) -> RemoteProfile:
    """What a server says of one of its users.

    Raises:
        Refusal: FED_USER_NOT_FOUND, FED_BLOCKED, FED_POLICY_DENIED, FED_UNAVAILABLE.
    """
    federation = federation_of(chat)
    path = f"/users/{quote(str(address), safe='@')}"
    try:
        return await federation.client.ask(address.domain, "GET", path, RemoteProfile, policy=federation.policy)
    except PeerFailure as failure:
        raise unreachable(failure, address.domain) from None


async def refresh(chat: ChatContext, user_id: UserId, address: str) -> None:
    """Asks a user's own server how they are to be shown, and stores what has changed."""
    parsed = parse_address(address, chat.config.limit("federation_address_max"))
    if parsed is None:
        return
    changed = cleaned(chat, await fetch_profile(chat, parsed))
    person = chat.community.users.get(user_id)
    if person is None:
        return
    shown: dict[str, Any] = {"display_name": person.display_name, "avatar": person.avatar}
    profile = await chat.logins.profiles.read(user_id)
    shown["bio"] = profile.bio if profile is not None else None
    changed = {name: value for name, value in changed.items() if shown.get(name) != value}
    if changed:
        await chat.change(partial(_store_profile, user_id=user_id, changed=changed, is_contact=person.is_contact))


def cleaned(chat: ChatContext, profile: RemoteProfile) -> dict[str, str]:
    """What of a profile may be shown here: a stranger wrote it, so each field counts only where it keeps our own rules."""
    limits, kept = chat.config.limit, dict[str, str]()
    try:
        if profile.display_name:
            kept["display_name"] = validate_person_name(
                limits, "display_name", profile.display_name, "display_name_max"
            )
    except Refusal:
        pass
    try:
        if profile.avatar_url and profile.avatar_url.startswith(("https://", "http://")):
            validate_length(limits, "avatar", profile.avatar_url, "avatar_max")
            validate_address("avatar", profile.avatar_url)
            kept["avatar"] = profile.avatar_url
    except Refusal:
        pass
    try:
        if profile.bio:
            validate_prose(limits, "bio", profile.bio, "bio_max")
            kept["bio"] = profile.bio
    except Refusal:
        pass
    return kept


def _insert_contact(
    connection: Connection, *, address: UserAddress, shown: Mapping[str, str], now_s: int
) -> Change[UserId]:
    lock_event_order(connection)
    text, name = str(address), shown.get("display_name", address.name)
    user_id = queries.insert_remote_user(connection, text, address.domain, name, now_s, is_contact=True)
    if user_id is None:
        known = queries.find_remote_user(connection, text, address.domain)
        if known is None:
            raise refuse("UNAVAILABLE", "This user has just been removed; try again.", retry_after_ms=1000)
        return Change(known)
    rest = {field: value for field, value in shown.items() if field != "display_name"}
    if rest:
        update_profile(connection, user_id=user_id, changed=rest)
    return Change(user_id, [remote_contact(user_id=user_id, username=text, display_name=name)])


def _store_profile(
    connection: Connection, *, user_id: UserId, changed: Mapping[str, str], is_contact: bool
) -> Change[None]:
    lock_event_order(connection)
    update_profile(connection, user_id=user_id, changed=changed)
    audience = Users(tuple(own.partners_of(connection, user_id))) if is_contact else EVERYONE
    return Change(None, [Event("user_update", {"user_id": user_id, **changed}, audience)])
