"""What a member asks of a bot: a slash command, a button, a menu, or a form that was filled in.

The one thing to know: an interaction lives 15 seconds and is answered once. What takes longer is acknowledged first (`defer`)
and then sent to the channel as an ordinary message.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from vox.clients.chat.bound import Bound
from vox.clients.chat.components import Component, Modal, encoded
from vox.clients.chat.messages import Channel, Embed
from vox.clients.chat.rest import segment


class Interaction(Bound, kw_only=True):
    """One thing that a member asks."""

    id: str
    type: str = ""
    user_id: int = 0
    command: str = ""
    params: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    component_id: str = ""
    custom_id: str = ""
    values: Any = None
    feed_id: int | None = None
    thread_id: int | None = None
    dm_id: int | None = None
    msg_id: int | None = None

    @property
    def channel(self) -> Channel:
        """Where it was asked."""
        return Channel(self.rest, feed_id=self.feed_id, thread_id=self.thread_id, dm_id=self.dm_id)

    @property
    def is_answered(self) -> bool:
        """Whether this client has answered it."""
        return bool(vars(self).get("_is_answered"))

    @property
    def name(self) -> str:
        """The command's name, or the id that the button, menu or form was given."""
        return self.command or self.component_id or self.custom_id

    @property
    def chosen(self) -> list[str]:
        """What was chosen in a menu."""
        found: Any = self.values
        return msgspec.convert(found, list[str]) if isinstance(found, list) else []

    @property
    def fields(self) -> dict[str, str]:
        """What was typed into a form, by the fields' ids."""
        found: Any = self.values
        return msgspec.convert(found, dict[str, str]) if isinstance(found, dict) else {}

    async def respond(
        self,
        body: str = "",
        *,
        embeds: Sequence[Embed] = (),
        components: Sequence[Component] = (),
        ephemeral: bool = False,
    ) -> None:
        """Answers with a message; with `ephemeral` only this member sees it, and it is not stored."""
        await self._answer("message", body or None, embeds or None, components or None, ephemeral=ephemeral)

    async def update(
        self,
        body: str | None = None,
        *,
        embeds: Sequence[Embed] | None = None,
        components: Sequence[Component] | None = None,
    ) -> None:
        """Changes the message whose button or menu was used; what is None stays, an empty list takes away."""
        await self._answer("update", body, embeds, components)

    async def ask(self, modal: Modal) -> None:
        """Opens a form; what is typed comes as an interaction of its own."""
        await self._respond({"type": "modal", "modal": msgspec.to_builtins(modal)})

    async def defer(self) -> None:
        """Takes note, and shows nothing."""
        await self._respond({"type": "ack"})

    async def _answer(
        self,
        kind: Literal["message", "update"],
        body: str | None,
        embeds: Sequence[Embed] | None,
        components: Sequence[Component] | None,
        *,
        ephemeral: bool | None = None,
    ) -> None:
        shown = None if embeds is None else [msgspec.to_builtins(one) for one in embeds]
        answer = {"type": kind, "body": body, "embeds": shown, "components": encoded(components)}
        await self._respond({**answer, "ephemeral": ephemeral})

    async def _respond(self, answer: dict[str, Any]) -> None:
        vars(self)["_is_answered"] = True
        await self.rest.post(f"/interactions/{segment(self.id)}/response", object, answer)
