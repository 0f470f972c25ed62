"""Interactions over REST: bots answer them, users press buttons, choose in menus and fill in forms."""

from typing import Final

from vox.chat.api.access import USER, checked
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_text
from vox.chat.features.interactions import answers, use
from vox.chat.features.interactions.schemas import InteractionAnswer, SubmitModal, UseComponent

THE_BOT: Final = checked("the bot that was asked")

routes = RouteTable()


@routes.post("/interactions/{interaction_id}/response", access=THE_BOT, body=InteractionAnswer)
async def respond(call: Call[InteractionAnswer]) -> None:
    """Answers an interaction, once and within 15 seconds."""
    validate_text("interaction_id", call.text("interaction_id"))
    await answers.respond(call.chat, call.user_id, call.text("interaction_id"), call.body)


@routes.post("/interactions/component", access=USER, body=UseComponent)
async def use_component(call: Call[UseComponent]) -> None:
    """Presses a button or chooses in a menu of a bot's message."""
    await use.use_component(call.chat, call.user_id, call.body)


@routes.post("/interactions/modal", access=checked("the user who was sent the form"), body=SubmitModal)
async def submit_modal(call: Call[SubmitModal]) -> None:
    """Submits a form that a bot has opened."""
    await use.submit_modal(call.chat, call.user_id, call.body)
