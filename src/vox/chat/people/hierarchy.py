"""Who may act on whom, and who may give what: the questions behind every role, ban and nickname.

Two rules stop a moderator from becoming an administrator: one acts only on what ranks below oneself, and one grants, takes and
deletes only what one holds oneself. Administrators are above both; nobody else acts on an administrator, whatever his rank.
"""

from sqlalchemy import Connection

from vox.chat.community import Community
from vox.chat.community.administrators import administrators_in
from vox.chat.errors import missing_permission, refuse
from vox.chat.permissions import P, exceeds


def assert_outranks(community: Community, actor_id: int, target_id: int) -> None:
    """Refuses to kick, ban or rename somebody of the same or a higher rank.

    Raises:
        Refusal: ROLE_HIERARCHY.
    """
    if community.is_administrator(actor_id):
        return
    if community.is_administrator(target_id) or not community.may_act_on(actor_id, target_id):
        raise refuse("ROLE_HIERARCHY", "This member ranks as high as you or higher.")


def assert_below(community: Community, actor_id: int, position: int) -> None:
    """Refuses to touch a role at a position that is not below one's own.

    Raises:
        Refusal: ROLE_HIERARCHY.
    """
    if not community.may_manage_role(actor_id, position):
        raise refuse("ROLE_HIERARCHY", "This role ranks as high as you or higher.")


def assert_holds(own: int, bits: int) -> None:
    """Refuses to give or take permissions one does not hold.

    Args:
        own: the mask of the actor where it counts.
        bits: what is given or taken.

    Raises:
        Refusal: MISSING_PERMISSIONS.
    """
    if beyond := exceeds(own, bits):
        raise missing_permission(P(beyond).name or str(beyond))


def assert_administrator_left(connection: Connection) -> None:
    """Refuses a change, already made in this transaction, that leaves nobody who can do everything.

    Raises:
        Refusal: INVALID_TARGET.
    """
    if not administrators_in(connection):
        raise refuse("INVALID_TARGET", "The last administrator cannot be taken away.")
