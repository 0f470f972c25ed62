"""The bodies that servers send each other. Fields behind the original's are additions, which original servers ignore."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

MAX_BODY_BYTES: Final = 131_072
"""Of a request from another server: its largest part is an opaque blob of 16,384 characters."""
MAX_ANSWER_BYTES: Final = 262_144
"""Of an answer that is no file."""
PATH: Final = "/api/v1/federation"
MAX_FILES: Final = 10
"""Attachments of one message that travel."""

Int64 = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Address = Annotated[str, Meta(min_length=3, max_length=512)]
Name = Annotated[str, Meta(max_length=512)]


class RemoteFile(msgspec.Struct, frozen=True):
    """A file of a message, which the receiver may fetch."""

    file_id: Annotated[str, Meta(min_length=1, max_length=128)]
    name: Name
    size: Int64
    mime: Annotated[str, Meta(max_length=255)]


class RelayMessage(msgspec.Struct, frozen=True, omit_defaults=True, rename={"sender": "from", "recipient": "to"}):
    """A message of a conversation.

    Args:
        sender: address of the author.
        recipient: address of the receiver.
        opaque_blob: the encrypted text; of a message that is not encrypted its text, as the original has it.
        body: the text of a message that is not encrypted.
        delivery_id: names the message at its server, so that a repeated delivery is known.
        sequence: ascends with the deliveries of the sender's server.
        settled_before: all deliveries with a lower sequence are settled: they will not come again.
        files: what is attached.
    """

    sender: Address
    recipient: Address
    opaque_blob: str
    body: str | None = None
    delivery_id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    sequence: Int64 = 0
    settled_before: Int64 = 0
    files: Annotated[list[RemoteFile], Meta(max_length=MAX_FILES)] = []


class RelayTyping(msgspec.Struct, frozen=True, rename={"sender": "from", "recipient": "to"}):
    """A user types."""

    sender: Address
    recipient: Address


class RelayRead(msgspec.Struct, frozen=True, omit_defaults=True, rename={"sender": "from", "recipient": "to"}):
    """How far a conversation was read.

    Args:
        sender: the reader.
        recipient: whose messages were read.
        up_to_msg_id: the mark at the reader's server.
        up_to_delivery_id: the last message up to it, by the name that its own server gave it.
    """

    sender: Address
    recipient: Address
    up_to_msg_id: Int64
    up_to_delivery_id: Annotated[str, Meta(max_length=64)] | None = None


class PresenceSubscribe(msgspec.Struct, frozen=True):
    """Asks to be told of a user's presence."""

    user_address: Address


class PresenceNotify(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a user of the sender is present."""

    user_address: Address
    status: Annotated[str, Meta(max_length=32)]
    activity: Annotated[str, Meta(max_length=2048)] | None = None


class PeerJoin(msgspec.Struct, frozen=True, omit_defaults=True):
    """A user wants to join this server."""

    user_address: Address
    voucher: Annotated[str, Meta(max_length=4096)]
    invite_code: Annotated[str, Meta(max_length=128)] | None = None


class BlockNotice(msgspec.Struct, frozen=True, omit_defaults=True):
    """The sender has blocked this server."""

    reason: Annotated[str, Meta(max_length=512)] | None = None


class PeerInfo(msgspec.Struct, frozen=True):
    """A server as it presents itself."""

    name: Name
    domain: Name


class Joined(msgspec.Struct, frozen=True):
    """A user was let in: the token is exchanged for a login within ten minutes, once."""

    accepted: bool
    federation_token: Annotated[str, Meta(max_length=512)]
    server_info: PeerInfo


class RemoteProfile(msgspec.Struct, frozen=True):
    """A user as other servers may show them."""

    display_name: str | None = None
    avatar_url: str | None = None
    bio: str | None = None


class PeerDevicePrekeys(msgspec.Struct, frozen=True):
    """Keys of one device; a one-time key is handed out once."""

    device_id: str
    identity_key: str
    signed_prekey: str
    one_time_prekey: str | None = None


class RemotePrekeys(msgspec.Struct, frozen=True):
    """The keys with which a user can be written to."""

    user_address: str
    devices: Annotated[list[PeerDevicePrekeys], Meta(max_length=64)]
    prekey_warning: str | None = None
