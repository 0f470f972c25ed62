"""What a member's roles add up to."""

from vox.clients.chat.permissions import combined
from vox.protocols.chat_permissions import ALL, Permissions


def test_roles_add_up_and_an_administrator_may_everything():
    assert combined([1, 2, 2]) == Permissions.VIEW_SPACE | Permissions.SEND_MESSAGES
    assert combined([]) == 0
    assert combined([1, Permissions.ADMINISTRATOR]) == ALL
