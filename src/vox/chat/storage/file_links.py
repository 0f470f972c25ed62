"""Signed addresses of a file and its thumbnail, for `<img>` and `<video>`, which send no header. Pure."""

from typing import Final

from vox.chat.events.ids import FileId, UserId
from vox.chat.storage.images import FORMATS
from vox.chat.storage.signed_links import grant

ADDRESS: Final = "/api/v1/files/{}"
THUMBNAIL: Final = ADDRESS + "/thumbnail"


class Signer:
    """Signs addresses for one user until one moment.

    Args:
        secret: the community's.
        user_id: who may use them.
        expires_at: until when, in Unix seconds.
    """

    def __init__(self, secret: bytes, user_id: UserId, expires_at: int) -> None:
        self._secret = secret
        self._user_id = user_id
        self.expires_at = expires_at

    def file(self, file_id: FileId) -> str:
        """The address of a file."""
        return f"{ADDRESS.format(file_id)}?{self._query(file_id)}"

    def thumbnail(self, file_id: FileId, mime: str, width: int | None) -> str | None:
        """The address of a thumbnail, which takes `size`; None for what is no decoded picture."""
        if mime not in FORMATS or width is None:
            return None
        return f"{THUMBNAIL.format(file_id)}?{self._query(file_id)}"

    def _query(self, file_id: FileId) -> str:
        given = grant(self._secret, file_id, self._user_id, self.expires_at)
        return f"expires={given.expires}&user={given.user}&signature={given.signature}"
