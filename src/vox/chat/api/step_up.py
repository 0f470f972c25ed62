"""Step-up: what is dangerous wants a second factor that was shown in the last minutes, not just an open session.

Accounts without a second factor are not asked: they have nothing to show beyond the password, which is asked where it is needed.
"""

from typing import Final

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Read
from vox.chat.errors import refuse
from vox.chat.events.ids import LoginId, UserId
from vox.chat.identity.factor_queries import last_proof, read_factors
from vox.chat.identity.factors import Factors
from vox.chat.identity.logins import Login
from vox.chat.identity.public_address import relying_party
from vox.stores.sql import Connection

FRESH_S: Final = 600
"""How long a login counts as fresh after a password, passkey or code."""


async def assert_fresh_login(chat: ChatContext, login: Login) -> None:
    """Requires that the login has proved itself lately, where its owner has a second factor.

    Raises:
        Refusal: STEP_UP_REQUIRED, with the methods that the owner has.
    """
    proved_at, factors = await _standing(chat.read, login.user_id, login.session_id)
    if not factors.any or chat.clock.unix_s() - proved_at < FRESH_S:
        return
    methods = factors.methods(with_passkeys=relying_party(chat.config) is not None)
    raise refuse(
        "STEP_UP_REQUIRED",
        "Confirm that it is you: show your second factor at POST /api/v1/auth/step-up, and try again.",
        available_methods=methods,
    )


async def _standing(read: Read, user_id: UserId, session_id: LoginId) -> tuple[int, Factors]:
    def look(connection: Connection) -> tuple[int, Factors]:
        return last_proof(connection, session_id=session_id), read_factors(connection, user_id=user_id)

    return await read(look)
