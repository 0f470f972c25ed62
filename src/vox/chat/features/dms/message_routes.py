"""Messages of conversations over REST; participation is the only permission."""

from functools import partial

from vox.chat.api.access import IN_DM
from vox.chat.api.request import Call, RouteTable
from vox.chat.features.messages.addresses import Address, MessageLocation
from vox.chat.features.messages.edit import edit, remove
from vox.chat.features.messages.history import one
from vox.chat.features.messages.routes import history
from vox.chat.features.messages.schemas import Edited, EditMessage, History, HistoryQuery, Message, SendMessage, Sent
from vox.chat.features.messages.send import send_message

routes = RouteTable()


@routes.get("/dms/{dm_id}/messages", access=IN_DM, query=HistoryQuery, returns=History)
async def list_dm_messages(call: Call[None, HistoryQuery]) -> History:
    """A conversation's messages, newest first."""
    return await history(call, "dm", call.id("dm_id"))


@routes.get("/dms/{dm_id}/messages/{msg_id}", access=IN_DM, returns=Message)
async def get_dm_message(call: Call) -> Message:
    """One message of a conversation."""
    return await call.chat.read(partial(one, place=MessageLocation("dm", call.id("dm_id")), msg_id=call.id("msg_id")))


@routes.post("/dms/{dm_id}/messages", access=IN_DM, body=SendMessage, status=201, returns=Sent)
async def send_dm_message(call: Call[SendMessage]) -> Sent:
    """Sends a message to a conversation; refused where the other participant has blocked the caller."""
    return await send_message(call.chat, call.user_id, Address(dm_id=call.id("dm_id")), call.body)


@routes.patch("/dms/{dm_id}/messages/{msg_id}", access=IN_DM, body=EditMessage, returns=Edited)
async def edit_dm_message(call: Call[EditMessage]) -> Edited:
    """Changes the text of the caller's own message."""
    address = Address(dm_id=call.id("dm_id"))
    return await edit(call.chat, call.user_id, address, call.id("msg_id"), call.body.body, call.body.components)


@routes.delete("/dms/{dm_id}/messages/{msg_id}", access=IN_DM)
async def delete_dm_message(call: Call) -> None:
    """Deletes the caller's own message."""
    address = Address(dm_id=call.id("dm_id"))
    await remove(call.chat, call.user_id, address, call.id("msg_id"), is_moderator=False)
