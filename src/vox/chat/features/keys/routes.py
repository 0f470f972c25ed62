"""End-to-end encryption over REST: devices, pairing, public keys, key packages, backup, and MLS messages that wait.

Everything is about the caller's own account but for the two routes that fetch the keys of a member one may write to. `{owner}` is a
user where keys are fetched and a device where they are uploaded.
"""

from functools import partial
from typing import Final

from vox.chat.api.access import USER, checked
from vox.chat.api.path_ids import target_id
from vox.chat.api.request import AnyCall, Call, Reply, RouteTable
from vox.chat.api.validation import validate_length, validate_prose
from vox.chat.errors import refuse
from vox.chat.features.keys import device_queries, devices, key_queries, pairing, published, remote, waiting
from vox.chat.features.keys.limits import CLAIMS, CLAIMS_OF_TARGET, MAX_TAKEN, PAIRINGS, RESETS
from vox.chat.features.keys.rates import assert_below, seconds_over
from vox.chat.features.keys.schemas import (
    Acknowledgement,
    AddedDevice,
    Backup,
    DeviceList,
    KeyPackages,
    NewDevice,
    NewPairing,
    Pairing,
    PairingAnswer,
    Prekeys,
    RemoveDeviceQuery,
    UploadKeyPackages,
    UploadPrekeys,
    Waiting,
    WaitingQuery,
)

WRITABLE: Final = checked("any member who may write to the user")
NULL: Final = {"type": "null"}
JSON: Final = {"content-type": "application/json"}

routes = RouteTable()


@routes.put("/keys/prekeys/{owner}", access=USER, body=UploadPrekeys)
async def upload_prekeys(call: Call[UploadPrekeys]) -> None:
    """Replaces the identity key and signed prekey of a device of the caller, and adds one-time keys."""
    device_id = _known_id(call, "owner")
    await call.chat.change(partial(published.upload_prekeys, user_id=call.user_id, device_id=device_id, keys=call.body))


@routes.get("/keys/prekeys/{owner}", access=WRITABLE, returns=Prekeys)
async def fetch_prekeys(call: Call) -> Prekeys:
    """Returns the keys of a user's devices and gives out one one-time key of each."""
    chat, target = call.chat, target_id({"user_id": call.text("owner")}, call.user_id)
    person = chat.community.users.get(target)
    if person is not None and person.is_federated and chat.federation is not None:
        may = partial(published.assert_may_fetch, community=chat.community, caller_id=call.user_id, target_id=target)
        await chat.read(may)
        await _may_take(call, target, "prekeys")
        return await remote.fetch_prekeys(chat.federation, target, person.username)
    unit = partial(
        published.fetch_prekeys,
        community=call.chat.community,
        caller_id=call.user_id,
        target_id=target,
        with_one_time=await _may_take(call, target, "prekeys"),
    )
    return await call.chat.change(unit)


@routes.get("/keys/devices", access=USER, returns=DeviceList)
async def list_devices(call: Call) -> DeviceList:
    """Lists the caller's devices, the oldest first."""
    unit = partial(device_queries.list_devices, user_id=call.user_id, login_id=call.session_id)
    return DeviceList(await call.chat.read(unit))


@routes.post("/keys/devices", access=USER, body=NewDevice, status=201, returns=AddedDevice)
async def add_device(call: Call[NewDevice]) -> AddedDevice:
    """Registers the device that calls; the same id again renames it."""
    chat, body = call.chat, call.body
    _assert_device_id(call, body.device_id)
    validate_prose(chat.config.limit, "device_name", body.device_name, "device_name_max")
    unit = partial(
        devices.add_device,
        user_id=call.user_id,
        login_id=call.session_id,
        device_id=body.device_id,
        name=body.device_name,
        most=chat.config.limit("max_devices"),
        now_s=chat.clock.unix_s(),
    )
    await chat.change(unit)
    return AddedDevice(body.device_id)


@routes.delete("/keys/devices/{device_id}", access=USER, query=RemoveDeviceQuery)
async def remove_device(call: Call[None, RemoveDeviceQuery]) -> None:
    """Removes a device with its keys: its gateway sessions receive no events of keys any more."""
    device_id = call.text("device_id")
    if "\0" in device_id:
        raise refuse("SPACE_NOT_FOUND", "You have no device with this id.")
    unit = partial(
        devices.remove_device,
        user_id=call.user_id,
        device_id=device_id,
        ends_login=call.query.log_out,
        caller=call.session_id,
    )
    await call.chat.change(unit)


@routes.post("/keys/devices/pair", access=USER, body=NewPairing, status=201, returns=Pairing)
async def begin_pairing(call: Call[NewPairing]) -> Pairing:
    """Asks the account's other devices to let this one in; the answer may take five minutes."""
    chat, body = call.chat, call.body
    validate_prose(chat.config.limit, "device_name", body.device_name, "device_name_max")
    await assert_below(chat, f"user:{call.user_id}", PAIRINGS, "Too many pairings")
    pair_id = pairing.new_pair_id()
    unit = partial(
        pairing.begin,
        user_id=call.user_id,
        login_id=call.session_id,
        pair_id=pair_id,
        asked=body,
        ip=call.client,
        now_s=chat.clock.unix_s(),
    )
    await chat.change(unit)
    return Pairing(pair_id)


@routes.post("/keys/devices/pair/{pair_id}/respond", access=USER, body=PairingAnswer)
async def answer_pairing(call: Call[PairingAnswer]) -> None:
    """Approves or denies a pairing, once, from another login of the account than the one that asked."""
    pair_id = call.text("pair_id")
    if not pairing.is_ours(pair_id):
        raise refuse("PAIRING_NOT_FOUND", "This pairing is unknown.")
    if call.login is not None and call.login.is_keyless:
        raise refuse("FORBIDDEN", "The device of this login was removed; register it again.")
    unit = partial(
        pairing.answer,
        user_id=call.user_id,
        login_id=call.session_id,
        pair_id=pair_id,
        is_approved=call.body.approved,
        now_s=call.chat.clock.unix_s(),
    )
    await call.chat.change(unit)


@routes.put("/keys/backup", access=USER, body=Backup)
async def store_backup(call: Call[Backup]) -> None:
    """Stores keys that the client has encrypted for itself, in place of those that were there."""
    chat, blob = call.chat, call.body.encrypted_blob
    validate_length(chat.config.limit, "encrypted_blob", blob, "key_backup_max")
    await chat.change(partial(published.store_backup, user_id=call.user_id, encrypted_blob=blob))


@routes.get("/keys/backup", access=USER, returns=Backup)
async def read_backup(call: Call) -> Backup:
    """Returns the caller's encrypted keys."""
    blob = await call.chat.read(partial(key_queries.read_backup, user_id=call.user_id))
    if blob is None:
        raise refuse("KEY_BACKUP_NOT_FOUND", "There is no backup of your keys.")
    return Backup(blob)


@routes.post("/keys/mls/{owner}/key-packages", access=USER, body=UploadKeyPackages, status=201, returns=NULL)
async def upload_key_packages(call: Call[UploadKeyPackages]) -> Reply:
    """Adds MLS key packages of a device of the caller, and replaces its last resort where one is given."""
    unit = partial(
        published.upload_key_packages,
        user_id=call.user_id,
        device_id=_known_id(call, "owner"),
        keys=call.body,
        now_s=call.chat.clock.unix_s(),
    )
    await call.chat.change(unit)
    return Reply(201, b"null", JSON)


@routes.get("/keys/mls/{owner}/key-packages", access=WRITABLE, returns=KeyPackages)
async def fetch_key_packages(call: Call) -> KeyPackages:
    """Gives out one key package of each of a user's devices."""
    target = target_id({"user_id": call.text("owner")}, call.user_id)
    unit = partial(
        published.fetch_key_packages,
        community=call.chat.community,
        caller_id=call.user_id,
        target_id=target,
        with_one_time=await _may_take(call, target, "packages"),
        now_s=call.chat.clock.unix_s(),
    )
    return await call.chat.change(unit)


@routes.get("/keys/mls/{device_id}/messages", access=USER, query=WaitingQuery, returns=Waiting)
async def list_waiting_messages(call: Call[None, WaitingQuery]) -> Waiting:
    """Returns the MLS messages that a device of the caller has not yet acknowledged, the oldest first."""
    page, device_id = call.query, _known_id(call, "device_id")
    unit = partial(
        waiting.waiting_for,
        user_id=call.user_id,
        device_id=device_id,
        after=page.after,
        limit=min(page.limit, MAX_TAKEN),
    )
    return await call.chat.read(unit)


@routes.post("/keys/mls/{device_id}/messages/ack", access=USER, body=Acknowledgement)
async def acknowledge_messages(call: Call[Acknowledgement]) -> None:
    """Forgets MLS messages that a device has taken for good."""
    unit = partial(waiting.acknowledge, user_id=call.user_id, device_id=_known_id(call, "device_id"), taken=call.body)
    await call.chat.change(unit)


@routes.post("/keys/reset", access=USER)
async def reset_keys(call: Call) -> None:
    """Deletes the public keys of all devices of the caller and tells the caller's contacts."""
    await assert_below(call.chat, f"user:{call.user_id}", RESETS, "Too many resets of keys")
    await call.chat.change(partial(published.reset_keys, user_id=call.user_id))


async def _may_take(call: Call, target: int, kind: str) -> bool:
    """Whether one-time keys may be given out for this fetch, which is counted: for caller and target, and for the target."""
    if target == call.user_id:
        return True
    await assert_below(call.chat, f"{kind}:{call.user_id}:{target}", CLAIMS, "Too many fetches of this user's keys")
    return await seconds_over(call.chat, f"{kind}:{target}", CLAIMS_OF_TARGET) is None


def _known_id(call: AnyCall, name: str) -> str:
    device_id = call.text(name)
    if "\0" in device_id:
        raise published.device_not_found()
    return device_id


def _assert_device_id(call: Call[NewDevice], device_id: str) -> None:
    validate_prose(call.chat.config.limit, "device_id", device_id, "device_id_max")
    if not device_id or "/" in device_id or device_id in {".", "..", "pair"}:
        raise refuse("VALIDATION_ERROR", "body.device_id: expected an id that can stand in a path, without /")
