"""A client of a bridge's campaigns, for commands: sends CSV files and asks for explanations; blocks."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Any, Final, Self

import httpx2

from vox.errors import DependencyError, UsageError

ANSWER_S: Final = 3600.0
"""How long a bridge may read a file."""
TRIES: Final = 5
_CONNECT_S: Final = 30.0
_PIECE: Final = 65_536
_OK: Final = 200


class BridgeClient:
    """Talks to one bridge while the block runs.

    Args:
        url: of the bridge.
        key: an API key.
        pause: waits so many seconds between two attempts.
    """

    def __init__(self, url: str, key: str, *, pause: Callable[[float], object] | None = None) -> None:
        headers = {"authorization": f"Bearer {key}"}
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=httpx2.Timeout(_CONNECT_S, read=ANSWER_S))
        self._pause: Callable[[float], object] = pause or Event().wait

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def send_csv(
        self, path: str, file: Path, query: Mapping[str, str], *, on_progress: Callable[[int], None]
    ) -> dict[str, Any]:
        """Sends a file to an import, again where the connection breaks: the import goes on where it stopped.

        Args:
            path: of the import.
            file: to be sent.
            query: of the request.
            on_progress: hears how many bytes are sent.

        Raises:
            UsageError: the bridge refuses it (bridge_refused).
            DependencyError: the bridge does not answer (bridge_unreachable), or with something else (bridge_failed).
        """
        for again in range(TRIES):
            try:
                response = self._http.put(
                    path, params=query, content=_pieces(file, on_progress), headers={"content-type": "text/csv"}
                )
                return _answer(response)
            except httpx2.TransportError:
                if again + 1 < TRIES:
                    self._pause(2.0**again)
        raise _unreachable("the same command goes on where this one stopped")

    def import_errors(self, import_id: str) -> Iterator[dict[str, Any]]:
        """Every row of an import that could not be used.

        Raises:
            UsageError: as `send_csv`.
            DependencyError: the same.
        """
        after = 0
        while page := self._get(f"/v1/imports/{import_id}/errors", {"after": after})["errors"]:
            yield from page
            after = page[-1]["row"]

    def explanation(self, call_id: str) -> list[dict[str, Any]]:
        """The decisions about a call.

        Raises:
            UsageError: as `send_csv`.
            DependencyError: the same.
        """
        return self._get(f"/v1/calls/{call_id}/explanation", {})["decisions"]

    def _get(self, path: str, query: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return _answer(self._http.get(path, params=query))
        except httpx2.TransportError:
            raise _unreachable("is it running there?") from None


def _pieces(path: Path, on_progress: Callable[[int], None]) -> Iterator[bytes]:
    sent = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
            sent += len(piece)
            on_progress(sent)


def _answer(response: httpx2.Response) -> dict[str, Any]:
    if response.status_code == _OK:
        return response.json()
    try:
        error = response.json()["error"]
        message, hint = str(error["message"]), str(error.get("hint", ""))
    except (ValueError, KeyError, TypeError):
        raise DependencyError(f"the bridge answers {response.status_code}", code="bridge_failed") from None
    raise UsageError(message, code="bridge_refused", hint=hint)


def _unreachable(hint: str) -> DependencyError:
    return DependencyError("the bridge does not answer", code="bridge_unreachable", hint=hint, retryable=True)
