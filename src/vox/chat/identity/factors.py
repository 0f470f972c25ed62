"""What a user can prove themselves with besides a password, as it is stored."""

from dataclasses import dataclass

from vox.chat.events.ids import UserId
from vox.chat.identity.webauthn import Credential


@dataclass(frozen=True, slots=True)
class Factors:
    """What a user can prove themselves with besides a password."""

    has_totp: bool
    passkeys: int
    recovery_codes_left: int

    @property
    def any(self) -> bool:
        """Whether there is a second factor; recovery codes alone are none."""
        return self.has_totp or self.passkeys > 0

    def methods(self, *, with_passkeys: bool) -> list[str]:
        """Their names on the wire, in the order that clients should offer them.

        Args:
            with_passkeys: whether this server can check passkeys at present.
        """
        held = (
            ("totp", self.has_totp),
            ("webauthn", with_passkeys and self.passkeys > 0),
            ("recovery", self.recovery_codes_left > 0),
        )
        return [name for name, is_held in held if is_held]


@dataclass(frozen=True, slots=True)
class StoredTotp:
    """A stored one-time password secret; `secret` is encrypted, or in clear as an original wrote it."""

    secret: str
    is_enabled: bool
    last_used_step: int | None


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """A passkey and whose it is; times in Unix seconds."""

    user_id: UserId
    credential: Credential
    name: str
    registered_at: int
    last_used_at: int | None


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    """A recovery code that was not used yet."""

    id: int
    code_hash: str
