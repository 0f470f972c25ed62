"""Whether anybody is left who can do everything.

Ask `would_leave_no_administrator` before a change for a quick answer from memory, and `administrators_in` inside the unit of work
after it, where two changes at the same moment see each other.
"""

from dataclasses import replace

from sqlalchemy import Connection, select

from vox.chat.community.applying import apply_to
from vox.chat.community.masks import Masks
from vox.chat.community.state import Role, State
from vox.chat.events import Event
from vox.chat.permissions import P, holds
from vox.chat.schema import role_members, roles, users


def administrators(state: State) -> frozenset[int]:
    """The active members who hold ADMINISTRATOR."""
    masks = Masks(state)
    return frozenset(user_id for user_id in tuple(state.users) if holds(masks.of(user_id), P.ADMINISTRATOR))


def would_leave_no_administrator(state: State, event: Event) -> bool:
    """Whether there are administrators now and none once this event came (member_leave, role_revoke, role_update, …)."""
    if not administrators(state):
        return False
    after = replace(state, users=dict(state.users), roles=dict(state.roles), overrides=dict(state.overrides))
    apply_to(after, event)
    return not administrators(after)


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
