"""The client's permissions are the server's."""

from vox.chat.events import permissions as at_the_server
from vox.clients.chat.permissions import ALL, Permissions, combined


def test_each_permission_is_the_servers_by_name_and_value():
    known = {one.name: int(one) for one in Permissions}
    served = {one.name: int(one) for one in at_the_server.P}
    assert known == served


def test_roles_add_up_and_an_administrator_may_everything():
    assert combined([1, 2, 2]) == Permissions.VIEW_SPACE | Permissions.SEND_MESSAGES
    assert combined([]) == 0
    assert combined([1, Permissions.ADMINISTRATOR]) == ALL
