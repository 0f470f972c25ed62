"""The bridge's settings that change while it runs: rows of the database, each with its type."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import select, update

from vox.errors import UsageError
from vox.fleet.database.schema import settings
from vox.runtime.clock import Clock
from vox.stores.sql import Connection, SqlDatabase

VOXCORE_FLEET: Final = "voxcore_fleet"
_SECRET: Final = "_secret"  # noqa: S105  a row's name
_MAX_WORKERS: Final = 256


def _fleet(value: Any) -> list[str]:
    try:
        urls = msgspec.convert(value, list[str])
    except msgspec.ValidationError:
        raise _invalid(VOXCORE_FLEET, "it is not a list of addresses") from None
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise _invalid(VOXCORE_FLEET, f"{url!r} is no address such as http://10.0.0.5:8001")
    if len(urls) > _MAX_WORKERS:
        raise _invalid(VOXCORE_FLEET, f"it has more than {_MAX_WORKERS} addresses")
    return list(dict.fromkeys(url.rstrip("/") for url in urls))


KNOWN: Final[Mapping[str, Callable[[Any], Any]]] = {VOXCORE_FLEET: _fleet}
"""Each setting, and what makes a value of what came as JSON or refuses it."""


class BridgeSettingRows:
    """The settings in the database.

    Args:
        database: open while this is used.
        clock: for the times in the rows.
        defaults: of settings that were never written.
    """

    def __init__(self, database: SqlDatabase, clock: Clock, defaults: Mapping[str, Any]) -> None:
        self._database = database
        self._clock = clock
        self._defaults = defaults

    async def all(self) -> dict[str, Any]:
        """Every known setting with its value."""
        rows = await self._database.read(lambda connection: connection.execute(select(settings)).mappings().all())
        stored = {row["key"]: msgspec.json.decode(row["value"]) for row in rows if row["key"] in KNOWN}
        return {key: stored.get(key, self._defaults.get(key)) for key in KNOWN}

    async def get(self, key: str) -> Any:
        """One setting.

        Raises:
            UsageError: there is none of that name (setting_unknown).
        """
        check_known(key)
        return (await self.all())[key]

    async def put(self, key: str, value: Any) -> Any:
        """Writes a setting and returns it as it is stored.

        Raises:
            UsageError: setting_unknown, or setting_invalid.
        """
        made = checked_setting(key, value)
        text, now = msgspec.json.encode(made).decode(), self._clock.unix_ms()
        await self._database.write(lambda connection: _write(connection, key, text, now))
        return made

    async def secret(self) -> str:
        """The bridge's own secret, made at the first start; it signs webhooks and proves callbacks."""
        made, now = secrets.token_urlsafe(32), self._clock.unix_ms()

        def unit(connection: Connection) -> str:
            known = connection.execute(select(settings.c.value).where(settings.c.key == _SECRET)).scalar_one_or_none()
            if known is not None:
                return str(known)
            _write(connection, _SECRET, made, now)
            return made

        return await self._database.write(unit)


def checked_setting(key: str, value: Any) -> Any:
    """A value as it would be stored.

    Raises:
        UsageError: setting_unknown, or setting_invalid.
    """
    check_known(key)
    return KNOWN[key](value)


def check_known(key: str) -> None:
    """Refuses the name of a setting that does not exist.

    Raises:
        UsageError: setting_unknown.
    """
    if key not in KNOWN:
        raise UsageError(
            f"There is no setting {key!r}.", code="setting_unknown", hint=f"there are: {', '.join(sorted(KNOWN))}"
        )


def _write(connection: Connection, key: str, text: str, now: int) -> None:
    values = {"value": text, "updated_at_ms": now}
    if not connection.execute(update(settings).where(settings.c.key == key).values(**values)).rowcount:
        connection.execute(settings.insert().values(key=key, **values))


def _invalid(key: str, why: str) -> UsageError:
    return UsageError(f"The setting {key} is wrong: {why}.", code="setting_invalid")
