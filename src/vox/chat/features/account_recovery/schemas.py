"""Requests and responses by which administrators help members who are locked out."""

from msgspec import Struct

from vox.chat.api.fields import Id


class FactorReset(Struct):
    """Whose second factors are removed, and why."""

    target_user_id: Id
    reason: str | None = None


class PasswordReset(Struct):
    """Who may choose a new password, and why."""

    target_user_id: Id
    reason: str | None = None


class ResetLink(Struct):
    """What to hand to the member: good once, until `expires_at` (Unix seconds). `reset_url` is null where no public address is set."""

    reset_token: str
    reset_url: str | None
    expires_at: int


class NewPassword(Struct):
    """The token of a reset link, and the password that its owner chose."""

    reset_token: str
    new_password: str
