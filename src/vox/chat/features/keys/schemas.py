"""Requests and responses of keys, devices and pairing; names and order are the original's, additions stand behind.

Keys are opaque texts, usually base64, that only the length and the alphabet of are looked at.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from vox.chat.api.fields import Id, Limit
from vox.chat.features.keys.limits import MAX_KEY, MAX_KEY_PACKAGE, MAX_TAKEN, MAX_UPLOADED

_BASE64 = r"^[A-Za-z0-9+/_-]+={0,2}$"

Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY, pattern=_BASE64)]
KeyPackageText = Annotated[str, Meta(min_length=1, max_length=MAX_KEY_PACKAGE, pattern=_BASE64)]


class UploadPrekeys(Struct):
    """The public keys of a device; one-time keys are added to those that are there."""

    identity_key: Key
    signed_prekey: Key
    one_time_prekeys: Annotated[list[Key], Meta(max_length=MAX_UPLOADED)] = []


class DevicePrekeys(Struct):
    """What another device needs to begin a session with this one; the one-time key is given out once."""

    device_id: str
    identity_key: str
    signed_prekey: str
    one_time_prekey: str | None


class Prekeys(Struct):
    """The keys of a user's devices; the warning is set where a device has no one-time key to give."""

    user_id: int
    devices: list[DevicePrekeys]
    prekey_warning: Literal["PREKEY_EXHAUSTED"] | None


class NewDevice(Struct):
    """A device of the caller; the id is the client's choice."""

    device_id: str
    device_name: str


class AddedDevice(Struct):
    """The id of a device that was added."""

    device_id: str


class Device(Struct):
    """A device of the caller, what others can still fetch of it, and whether the login in use registered it."""

    device_id: str
    device_name: str
    created_at: int
    one_time_prekeys: int = 0
    key_packages: int = 0
    is_current: bool = False


class DeviceList(Struct):
    """The caller's devices."""

    devices: list[Device]


class RemoveDeviceQuery(Struct):
    """Whether to end the login that registered the device, too."""

    log_out: bool = False


class NewPairing(Struct):
    """A device that asks the account's other devices to let it in."""

    device_name: str
    method: Literal["cpace", "qr"]
    temp_public_key: Key | None = None


class Pairing(Struct):
    """A pairing that waits for an answer, for five minutes."""

    pair_id: str


class PairingAnswer(Struct):
    """The answer of another device of the account."""

    approved: bool


class Backup(Struct):
    """Keys that a client has encrypted for itself."""

    encrypted_blob: str


class UploadKeyPackages(Struct):
    """Key packages (RFC 9420 section 10) of a device; the last resort is given out when no other is left, and stays."""

    key_packages: Annotated[list[KeyPackageText], Meta(max_length=MAX_UPLOADED)] = []
    last_resort: KeyPackageText | None = None


class DeviceKeyPackage(Struct):
    """A key package and whose it is."""

    device_id: str
    key_package: str
    is_last_resort: bool


class KeyPackages(Struct):
    """One key package of each device of a user; `packages` says which is whose."""

    key_packages: list[str]
    packages: list[DeviceKeyPackage]


class WaitingQuery(Struct):
    """A page of waiting messages."""

    limit: Limit = MAX_TAKEN
    after: Id = 0


class WaitingMessage(Struct):
    """An MLS message that a device has not yet acknowledged; `created_at` in Unix seconds."""

    relay_id: int
    mls_type: Literal["welcome", "commit", "proposal"]
    data: str
    dm_id: int
    sender_id: int | None
    sender_device_id: str | None
    group_id: str | None
    epoch: int | None
    created_at: int


class Waiting(Struct):
    """What waits for a device, oldest first; `has_missed` says that some was dropped before."""

    messages: list[WaitingMessage]
    has_missed: bool


class Acknowledgement(Struct):
    """Messages that a device has taken for good, and whether it knows that it missed some."""

    relay_ids: Annotated[list[Id], Meta(max_length=MAX_TAKEN)] = []
    has_missed: bool = False
