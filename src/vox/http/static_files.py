"""A folder of page files that ships with a part: its index and its assets, all with the same security headers."""

from collections.abc import Mapping
from pathlib import Path

from starlette.responses import FileResponse

NO_SNIFF = {"x-content-type-options": "nosniff"}
"""Browsers take the declared content type and guess nothing."""


class StaticFolder:
    """Files of one folder, without its subfolders.

    Args:
        folder: where they are.
        index: the file that is served as the page, and only as that.
    """

    def __init__(self, folder: Path, index: str = "index.html") -> None:
        self._folder = folder
        self._index = index

    def page(self, policy: str) -> FileResponse:
        """The index.

        Args:
            policy: the Content-Security-Policy.
        """
        return FileResponse(self._folder / self._index, headers=security_headers(policy))

    def asset(self, name: str, policy: str) -> FileResponse | None:
        """A file beside the index; None where there is none.

        Args:
            name: the last segment of the path.
            policy: the Content-Security-Policy, the same as the page's.
        """
        path = self._folder / Path(name).name
        if path.name == self._index or not path.is_file():
            return None
        return FileResponse(path, headers=security_headers(policy))


def security_headers(policy: str) -> Mapping[str, str]:
    """The headers of every file of a page; caches always revalidate, because an upgrade changes a file under the same name."""
    return {"cache-control": "no-cache", "content-security-policy": policy, **NO_SNIFF}
