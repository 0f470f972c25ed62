"""Units of work around the devices of an account: add, rename, remove.

A device belongs to the login that registered it. Removing it ends the key events of that login's gateway sessions until it
registers a device again; the login itself goes on unless the caller asks for its end. Changes come one after the other, by the
lock of the event order, so a limit holds at once over all processes.
"""

from vox.chat.database.unit_of_work import Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import Event, device_keys_update, device_list_update
from vox.chat.events.ids import LoginId, UserId
from vox.chat.events.keys import device_login
from vox.chat.events.people import login_revoked
from vox.chat.features.auth.queries import delete_session
from vox.chat.features.keys import device_queries as queries
from vox.stores.sql import Connection


def add_device(
    connection: Connection,
    *,
    user_id: UserId,
    login_id: LoginId,
    device_id: str,
    name: str,
    most: int,
    now_s: int,
) -> Change[None]:
    """Adds a device of a user; one that is there already gets the name, and belongs to this login then.

    Raises:
        Refusal: DEVICE_ID_CONFLICT, DEVICE_LIMIT_REACHED.
    """
    lock_event_order(connection)
    known = queries.find_device(connection, device_id)
    if known is not None and known.user_id != user_id:
        raise refuse("DEVICE_ID_CONFLICT", "Another account has a device with this id; choose another one.")
    events: list[Event] = []
    if known is None:
        if queries.count_devices(connection, user_id) >= most:
            raise refuse("DEVICE_LIMIT_REACHED", f"An account has at most {most} devices; remove one first.")
        queries.insert_device(
            connection, user_id=user_id, device_id=device_id, name=name, login_id=login_id, now_s=now_s
        )
    else:
        queries.update_device(connection, device_id, name=name, login_id=login_id)
    if known is None or known.name != name:
        events.append(device_list_update(user_id=user_id, devices=queries.names_of_devices(connection, user_id)))
    again = queries.set_keyless(connection, [login_id], is_keyless=False)
    if again:
        events.append(device_login(user_id, again, is_keyless=False))
    return Change(None, events)


def remove_device(
    connection: Connection, *, user_id: UserId, device_id: str, ends_login: bool, caller: LoginId
) -> Change[None]:
    """Removes a device with its keys and what waits for it, and tells the account and its contacts.

    Args:
        connection: of the writer.
        user_id: the owner.
        device_id: which.
        ends_login: whether the login that registered it ends, unless it is the caller's own.
        caller: the login that asks.

    Raises:
        Refusal: SPACE_NOT_FOUND, the original's code for a device that is not there.
    """
    lock_event_order(connection)
    known = queries.find_device(connection, device_id)
    if known is None or known.user_id != user_id:
        raise refuse("SPACE_NOT_FOUND", "You have no device with this id.")
    had_keys = queries.has_keys(connection, device_id)
    queries.delete_device(connection, device_id)
    events: list[Event] = [device_list_update(user_id=user_id, devices=queries.names_of_devices(connection, user_id))]
    if had_keys:
        contacts = queries.contacts_of(connection, user_id)
        events.append(device_keys_update(user_id=user_id, device_id=device_id, change="removed", contacts=contacts))
    login_id = known.login_id
    if login_id is None or queries.is_login_of_device(connection, login_id):
        return Change(None, events)
    if ends_login and login_id != caller:
        if delete_session(connection, user_id=user_id, session_id=login_id):
            events.append(login_revoked(user_id, [login_id]))
    elif ended := queries.set_keyless(connection, [login_id], is_keyless=True):
        events.append(device_login(user_id, ended, is_keyless=True))
    return Change(None, events)
