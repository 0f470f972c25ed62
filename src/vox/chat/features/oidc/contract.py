"""What the routes ask of a login by an organisation's provider, so that they load nothing of it where none is configured."""

from typing import Protocol

from vox.chat.events.ids import UserId
from vox.chat.features.auth.gate import Arrival
from vox.chat.features.auth.schemas import LoggedIn
from vox.chat.features.oidc.queries import Purpose
from vox.chat.features.oidc.schemas import Begin, CallbackQuery, Finish


class OidcLogin(Protocol):
    """Implemented by `vox.chat.features.oidc.service.Oidc`."""

    async def begin(self, body: Begin, purpose: Purpose, user_id: UserId | None = None) -> str:
        """Where the browser logs in."""
        ...

    async def come_back(self, query: CallbackQuery) -> str:
        """Where the browser goes after the provider."""
        ...

    async def finish(self, body: Finish, arrival: Arrival) -> LoggedIn:
        """Logs in who has come back."""
        ...

    async def link(self, body: Finish, user_id: UserId) -> None:
        """Links who has come back to an account."""
        ...

    async def unlink(self, user_id: UserId) -> None:
        """Ends the link of an account."""
        ...

    async def is_linked(self, user_id: UserId) -> bool:
        """Whether an account is linked."""
        ...
