"""Tickets: short-lived tokens that stand for one step of a login and are accepted by the one endpoint they were made for.

They are rows of `sessions` whose kind is not `login`, so no other endpoint and no socket takes them. The digest covers the prefix:
a ticket of one kind cannot be rewritten into another. Changing the password, or ending all logins, ends a user's tickets too.
"""

from dataclasses import dataclass, field
from typing import Final

from vox.chat.events.ids import LoginId, UserId

ATTEMPTS: Final = 5
"""Wrong codes that end a ticket."""
LONGEST: Final = 512


@dataclass(frozen=True, slots=True)
class TicketKind:
    """What a ticket is for.

    Args:
        name: in the column `kind`.
        prefix: what its text begins with.
        lasts_s: seconds until it expires.
    """

    name: str
    prefix: str
    lasts_s: int


MFA: Final = TicketKind("mfa", "mfa_", 300)
"""The password was right; a second factor is missing."""
SETUP_TOTP: Final = TicketKind("setup_totp", "setup_totp_", 600)
SETUP_WEBAUTHN: Final = TicketKind("setup_webauthn", "setup_webauthn_", 600)
RESET: Final = TicketKind("reset", "reset_", 86_400)
"""An administrator lets a member choose a new password."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A stored ticket.

    Args:
        id: the row.
        user_id: whose it is.
        started_by: the login it was made in; None for those made before a login.
        expires_at: Unix seconds.
        method: how the login that it stands for began.
    """

    id: int
    user_id: UserId
    started_by: LoginId | None
    expires_at: int
    method: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A new ticket: its row, and its text, which is not kept."""

    id: int
    text: str = field(repr=False)
