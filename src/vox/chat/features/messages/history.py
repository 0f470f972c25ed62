"""Reading one message."""

from vox.chat.errors import Refusal, refuse
from vox.chat.events.ids import MessageId
from vox.chat.features.messages.addresses import MessageLocation
from vox.chat.features.messages.history_queries import find_message
from vox.chat.features.messages.schemas import Message
from vox.stores.sql import Connection


def one(connection: Connection, place: MessageLocation, msg_id: MessageId) -> Message:
    """A single message.

    Raises:
        Refusal: MESSAGE_NOT_FOUND, also where it is in another place.
    """
    found = find_message(connection, place, msg_id)
    if found is None:
        raise message_not_found(msg_id)
    return found


def message_not_found(msg_id: MessageId) -> Refusal:
    """The refusal for a message that does not exist in the place of the request."""
    return refuse("MESSAGE_NOT_FOUND", f"There is no message {msg_id} here.")
