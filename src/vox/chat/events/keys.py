"""Events of end-to-end encryption: devices, their keys, pairing, and the MLS messages that are relayed.

What they carry is opaque: ciphertexts, public keys and the names that users gave their devices. Events marked FOR_DEVICES do not
reach the sessions of a login whose device was removed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from vox.chat.events.audience import Audience, Users
from vox.chat.events.event import Event, shown
from vox.chat.events.ids import DmId, LoginId, UserId
from vox.chat.events.kinds import DEVICE_LOGIN, FOR_DEVICES

KeyChange = Literal["added", "changed", "removed"]

_DEVICES_ONLY: Final[Mapping[str, Any]] = {FOR_DEVICES: True}


def mls_message(
    kind: str,
    *,
    data: Any,
    audience: Audience,
    dm_id: DmId | None = None,
    relay_id: int | None = None,
    sender_id: UserId | None = None,
    sender_device_id: str | None = None,
    group_id: str | None = None,
    epoch: int | None = None,
    request_id: str | None = None,
) -> Event:
    """A Welcome, Commit or Proposal of MLS; without a conversation it has `data` only, as in the original."""
    payload = {"data": data} | shown(
        dm_id=dm_id,
        relay_id=relay_id,
        sender_id=sender_id,
        sender_device_id=sender_device_id,
        group_id=group_id,
        epoch=epoch,
        request_id=request_id,
    )
    return Event(f"mls_{kind}", payload, audience, facts=dict(_DEVICES_ONLY))


def cpace_message(kind: str, *, user_id: UserId, pair_id: str, data: Any, nonce: Any = None) -> Event:
    """A step of pairing two devices of one user."""
    payload = {"pair_id": pair_id, "data": data} | shown(nonce=nonce)
    return Event(f"cpace_{kind}", payload, Users((user_id,)), facts=dict(_DEVICES_ONLY))


def device_pair_prompt(
    *, user_id: UserId, device_name: str, ip: str, pair_id: str, method: str, temp_public_key: str | None
) -> Event:
    """A new device asks the user's other devices to let it in."""
    payload = {"device_name": device_name, "ip": ip, "location": ip, "pair_id": pair_id, "method": method}
    payload |= shown(temp_public_key=temp_public_key)
    return Event("device_pair_prompt", payload, Users((user_id,)), facts=dict(_DEVICES_ONLY))


def device_list_update(*, user_id: UserId, devices: Iterable[tuple[str, str]]) -> Event:
    """The devices of the user, told to the user only: id and name of each."""
    named = [{"device_id": device_id, "device_name": name} for device_id, name in devices]
    return Event("device_list_update", {"devices": named}, Users((user_id,)))


def device_keys_update(*, user_id: UserId, device_id: str, change: KeyChange, contacts: Sequence[UserId]) -> Event:
    """A device of a user has its first keys, another identity key, or is gone; told to the user and the user's contacts."""
    payload = {"user_id": user_id, "device_id": device_id, "change": change}
    return Event("device_keys_update", payload, Users((user_id, *contacts)))


def one_time_keys_low(*, user_id: UserId, device_id: str, one_time_prekeys: int, key_packages: int) -> Event:
    """A device has few keys left that others can fetch; it is to upload more."""
    payload = {"device_id": device_id, "one_time_prekeys": one_time_prekeys, "key_packages": key_packages}
    return Event("one_time_keys_low", payload, Users((user_id,)))


def key_reset_notify(*, user_id: UserId, contacts: Sequence[UserId]) -> Event:
    """A user has thrown all keys away and begins from nothing; told to the user's contacts."""
    return Event("key_reset_notify", {"user_id": user_id}, Users(tuple(contacts)))


def device_login(user_id: UserId, session_ids: Sequence[LoginId], *, is_keyless: bool) -> Event:
    """Ends the key events of logins whose device was removed, in every process; or begins them again."""
    facts = {"user_id": user_id, "session_ids": list(session_ids), "is_keyless": is_keyless}
    return Event(DEVICE_LOGIN, {}, Users(()), facts=facts)
