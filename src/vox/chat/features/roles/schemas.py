"""Requests and responses of roles."""

from msgspec import Struct

from vox.chat.api.fields import Id, Int64, Mask


class RoleInfo(Struct):
    """A role."""

    role_id: int
    name: str
    color: int | None
    permissions: Mask
    position: int


class NewRole(Struct):
    """A role to create; a lower position is a higher rank."""

    name: str
    permissions: Mask
    position: Id
    color: Int64 | None = None


class RoleChange(Struct):
    """What to change of a role."""

    name: str | None = None
    color: Int64 | None = None
    permissions: Mask | None = None
    position: Id | None = None
