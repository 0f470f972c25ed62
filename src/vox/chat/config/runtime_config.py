"""Settings that administrators may change while the server runs: the community's names and limits, kept as rows of `config`.

An environment variable masks the row, the row masks the default. A change reaches every process as the event `_config`, which
no client is sent; a secret does not travel with it: `gifs_api_key` is read again where it is needed.
"""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from pydantic import SecretStr, ValidationError

from vox.chat.config.limits import DEFAULTS, problem_with
from vox.chat.config.queries import read_rows, read_value
from vox.chat.config.settings import ChatSettings
from vox.chat.database.unit_of_work import Read
from vox.chat.events import Event, Users
from vox.errors import UsageError
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection

EVENT: Final = "_config"
LIMIT_ROW: Final = "limit_"
SECRET: Final = "gifs_api_key"  # noqa: S105  a row's name
KEYS: Final = (
    "server_name",
    "server_icon",
    "server_description",
    "gateway_url",
    "session_ttl_days",
    "media_url",
    "media_tls_cert",
    "media_tls_key",
    "allowed_file_mimes",
    "allowed_emoji_mimes",
    "allowed_sticker_mimes",
    "webauthn_rp_id",
    "webauthn_origin",
    "gifs_provider",
    "gifs_api_key",
    "gifs_content_filter",
    "gifs_locale",
    "federation_domain",
    "federation_policy",
    "federation_private_key",
    "federation_public_key",
)
"""The rows that the original knows, each a field of `ChatSettings`."""
_BY_EVENT: Final = {"name": "server_name", "icon": "server_icon", "description": "server_description"}

_log = get_logger(__name__)


class Config:
    """The current values; reading is a lookup in memory.

    Args:
        settings: of the environment, which masks the rows.
    """

    def __init__(self, settings: ChatSettings) -> None:
        self._settings = settings
        self._values: dict[str, Any] = {key: _plain(getattr(settings, key)) for key in KEYS}
        self._limits: dict[str, int] = {**DEFAULTS, **settings.limits}
        self._secret_is_stale = False
        self.version = 0
        """Increases with every change, for caches of what is built from the values."""

    def limit(self, name: str) -> int:
        """A limit by name, such as message_body_max."""
        return self._limits[name]

    @property
    def limits(self) -> Mapping[str, int]:
        """All limits by name."""
        return self._limits

    def get(self, key: str) -> str:
        """A text by the name of its row, such as server_name; empty where it is not set."""
        return str(self._values[key])

    def optional(self, key: str) -> str | None:
        """A text by the name of its row, or None where it is not set."""
        return str(self._values[key]) or None

    @property
    def session_ttl_s(self) -> int:
        """Seconds a login lasts without being used."""
        return int(self._values["session_ttl_days"]) * 86_400

    def allows_mime(self, kind: str, mime: str) -> bool:
        """Whether files of a MIME type may be uploaded.

        Args:
            kind: file, emoji or sticker.
            mime: such as image/png, without parameters.
        """
        patterns: list[str] = self._values[f"allowed_{kind}_mimes"]
        whole = f"{mime.partition('/')[0]}/*"
        return any(pattern in {mime, whole, "*/*"} for pattern in patterns)

    @property
    def has_gifs_api_key(self) -> bool:
        """Whether a key of the GIF provider is set."""
        return self._secret_is_stale or bool(self._values[SECRET])

    async def gifs_api_key(self, read: Read) -> str:
        """The key of the GIF provider; empty where there is none."""
        if self._secret_is_stale:
            self._values[SECRET] = await read(partial(read_value, key=SECRET)) or ""
            self._secret_is_stale = False
        return str(self._values[SECRET])

    def load(self, connection: Connection) -> None:
        """Reads the database's rows; a value from the environment masks them.

        Raises:
            UsageError: a row holds a value that is not valid (invalid_setting).
        """
        rows = read_rows(connection)
        for key in KEYS:
            if key in rows and not self._settings.is_given(key):
                self._values[key] = _parsed(key, rows[key])
        for name in DEFAULTS:
            text = rows.get(LIMIT_ROW + name)
            if text is not None and name not in self._settings.limits:
                self._limits[name] = _limit(name, text)
        self.version += 1

    def absorb(self, event: Event) -> None:
        """Applies what an event of this or another process changed."""
        if event.type == "server_update":
            self._take({_BY_EVENT[name]: value for name, value in event.payload.items() if name in _BY_EVENT})
        elif event.type == EVENT:
            self._take(event.facts.get("values", {}))
            for name, value in event.facts.get("limits", {}).items():
                if name not in self._settings.limits:
                    self._limits[name] = int(value)
            if event.facts.get("secret_changed") and not self._settings.is_given(SECRET):
                self._secret_is_stale = bool(event.facts.get("secret_is_set"))
                self._values[SECRET] = ""
            self.version += 1

    def _take(self, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            if key in self._values and not self._settings.is_given(key):
                self._values[key] = "" if value is None else value
        self.version += 1


def changed(
    *, values: Mapping[str, str] | None = None, limits: Mapping[str, int] | None = None, secret: str | None = None
) -> Event:
    """The event that tells every process of changed rows; the secret itself stays in the database."""
    facts: dict[str, Any] = {"values": dict(values or {}), "limits": dict(limits or {})}
    if secret is not None:
        facts |= {"secret_changed": True, "secret_is_set": bool(secret)}
    return Event(EVENT, {}, Users(()), facts=facts)


def _plain(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _parsed(key: str, text: str) -> Any:
    """A row's text as the field's type, by the field's own rules."""
    value: Any = text
    if key.startswith("allowed_"):
        try:
            value = json.loads(text) if text.startswith("[") else _parts(text)
        except ValueError:
            raise _wrong_row(key, "it is not a list") from None
    try:
        return _plain(getattr(ChatSettings.model_validate({key: value}), key))
    except ValidationError as error:
        message = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise _wrong_row(key, message) from None


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _limit(name: str, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise _wrong_row(LIMIT_ROW + name, "it is not a whole number") from None
    if problem := problem_with(name, value):
        raise _wrong_row(LIMIT_ROW + name, problem)
    return value


def _wrong_row(key: str, reason: str) -> UsageError:
    return UsageError(
        f"the row {key} of the table config holds a wrong value: {reason}",
        code="invalid_setting",
        hint="correct or delete the row and start again",
    )
