"""A user's settings: one JSON object with a revision, replaced only by who has seen the last one."""

from typing import Any

import msgspec

from vox.chat.database.unit_of_work import Change
from vox.chat.errors import Refusal, refuse
from vox.chat.events import settings_update
from vox.chat.events.ids import UserId
from vox.chat.features.settings.queries import Stored, read_settings, store_settings
from vox.chat.features.settings.schemas import MAX_BYTES, Document
from vox.stores.sql import Connection


def checked_document(settings: dict[str, Any]) -> str:
    """Settings as they are stored.

    Raises:
        Refusal: VALIDATION_ERROR where what the server reads of them is wrong, PAYLOAD_TOO_LARGE.
    """
    try:
        msgspec.convert(settings, Document)
        document = msgspec.json.encode(settings).decode()
    except (ValueError, RecursionError) as error:
        raise refuse("VALIDATION_ERROR", f"body.settings: {error}") from None
    if len(document.encode()) > MAX_BYTES:
        raise refuse("PAYLOAD_TOO_LARGE", f"Settings have at most {MAX_BYTES} bytes as JSON.")
    return document


def replace_settings(connection: Connection, *, user_id: UserId, revision: int, document: str) -> Change[Stored]:
    """Stores settings in place of those with that revision, and tells the user's sessions.

    Raises:
        Refusal: SETTINGS_CONFLICT where another client was faster; it names the present revision.
    """
    if not store_settings(connection, user_id, revision, document):
        raise _conflict(read_settings(connection, user_id)[0])
    return Change((revision + 1, document), (settings_update(user_id=user_id, revision=revision + 1),))


def _conflict(revision: int) -> Refusal:
    return refuse(
        "SETTINGS_CONFLICT",
        "Another of your clients has changed the settings; read them again and repeat the change.",
        revision=revision,
    )
