"""Help for members who are locked out: administrators remove second factors and hand out links to choose a password."""

from vox.chat.api.access import PUBLIC, requires
from vox.chat.api.request import Call, RouteTable
from vox.chat.events.permissions import P
from vox.chat.features.account_recovery import service
from vox.chat.features.account_recovery.schemas import FactorReset, NewPassword, PasswordReset, ResetLink

routes = RouteTable()


@routes.post("/admin/2fa-reset", access=requires(P.MANAGE_2FA).fresh(), body=FactorReset)
async def reset_factors(call: Call[FactorReset]) -> None:
    """Removes the second factors of a member of a lower rank, who has lost them."""
    await service.reset_factors(call.chat, call.body, actor_id=call.user_id)


@routes.post("/admin/password-reset", access=requires(P.ADMINISTRATOR).fresh(), body=PasswordReset, returns=ResetLink)
async def make_reset_link(call: Call[PasswordReset]) -> ResetLink:
    """Returns a link, good once within a day, by which a member chooses a new password."""
    return await service.make_reset_link(call.chat, call.body, actor_id=call.user_id)


@routes.post("/auth/password/reset", access=PUBLIC, body=NewPassword)
async def choose_password(call: Call[NewPassword]) -> None:
    """Replaces the password by the token of such a link, and ends all logins of the account."""
    await service.choose_password(call.chat, call.body)
