"""Who reads a file: a login, or the user that a signed link names; both need the same permission.

A link for `EVERY_IMAGE` is for the pictures that all members may see (emoji, stickers, avatars, icons), one for all of them, so that a
list of members needs no request for each face.
"""

from functools import partial
from typing import Any, Final, Protocol

from vox.chat.api.request import Call, bearer_token
from vox.chat.errors import Refusal, missing_token, refuse
from vox.chat.events.ids import FileId, UserId
from vox.chat.features.files.service import file_not_found, find
from vox.chat.features.files.stored_files import StoredFile, may_read
from vox.chat.storage.link_key import link_key
from vox.chat.storage.signed_links import Grant, is_valid

LONGEST_ID: Final = 128
EVERY_IMAGE: Final = FileId("*")
"""No file has this id: a grant for it is for every picture that all members may see."""


class Signed(Protocol):
    """A signed link's parameters, in a query."""

    @property
    def expires(self) -> int | None:
        """Unix seconds."""
        ...

    @property
    def user(self) -> int | None:
        """Who asked for it."""
        ...

    @property
    def signature(self) -> str | None:
        """Of both and the file."""
        ...


async def readable(call: Call[None, Any], query: Signed) -> tuple[StoredFile, bool]:
    """The file of the path, and whether a link led to it.

    Args:
        call: the request.
        query: the link's parameters, where there are any.

    Raises:
        Refusal: FORBIDDEN, FILE_NOT_FOUND, or what is wrong with the token.
    """
    reader, is_linked, is_for_every_image = await _reader(call, query)
    file = await found(call)
    if not may_read(call.chat.community, reader, file) or (is_for_every_image and not file.is_custom_image):
        raise forbidden()
    return file, is_linked


async def found(call: Call[Any, Any]) -> StoredFile:
    """The file of the path.

    Raises:
        Refusal: FILE_NOT_FOUND.
    """
    file_id = FileId(call.text("file_id"))
    if len(file_id) > LONGEST_ID or "\0" in file_id:
        raise file_not_found()
    return await call.chat.read(partial(find, file_id=file_id))


def forbidden() -> Refusal:
    """The refusal of a file that the caller may not see."""
    return refuse("FORBIDDEN", "You cannot access this file.")


async def _reader(call: Call[Any, Any], query: Signed) -> tuple[UserId, bool, bool]:
    """The user, whether a link names them, and whether that link is for every image."""
    chat = call.chat
    if call.login is not None:
        return call.user_id, False, False
    authorization = call.header(b"authorization")
    if authorization or query.signature is None:
        if not authorization:
            raise missing_token()
        await chat.logins.authenticate_member(bearer_token(authorization), call.client)  # refuses it with the reason
        raise refuse("AUTH_FAILED", "Send Authorization: Bearer <token>.")
    if not chat.settings.signed_media_urls or query.expires is None or query.user is None:
        raise forbidden()
    given = Grant(query.expires, UserId(query.user), query.signature)
    secret, now_s = await link_key(chat.upload_limits, chat.change), chat.clock.wall().timestamp()
    for file_id in (FileId(call.text("file_id")), EVERY_IMAGE):
        if is_valid(secret, file_id, given, now_s):
            return given.user, True, file_id == EVERY_IMAGE
    raise forbidden()
