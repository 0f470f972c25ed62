"""Whether anybody is left who can do everything: asked inside the unit of work, after the change, where two at once see each other."""

from sqlalchemy import Connection, select

from vox.chat.community.state import Role, State
from vox.chat.database.schema import role_members, roles, users
from vox.chat.events.permissions import P, holds


def administrators_in(connection: Connection) -> frozenset[int]:
    """The active members who hold ADMINISTRATOR, as the transaction sees it; reads the roles and their few administrators."""
    role = roles.c
    rows = connection.execute(select(role.id, role.name, role.color, role.position, role.permissions))
    known = {row[0]: Role(*row) for row in rows}
    everyone = State(roles=known).everyone_role()
    active = select(users.c.id).where(users.c.active)
    if everyone is None or not holds(everyone.permissions, P.ADMINISTRATOR):
        powerful = [
            role.id for role in known.values() if role.position != 0 and holds(role.permissions, P.ADMINISTRATOR)
        ]
        active = active.join(role_members, role_members.c.user_id == users.c.id).where(
            role_members.c.role_id.in_(powerful)
        )
    return frozenset(connection.execute(active.distinct()).scalars())
