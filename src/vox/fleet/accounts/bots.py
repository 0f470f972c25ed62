"""The bots that calls are placed with: what workers are told about each, and when each takes calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

import msgspec
from sqlalchemy import RowMapping, delete, select, update

from vox.errors import UsageError
from vox.fleet.accounts.opening_hours import OpeningHours, check_hours, next_opening
from vox.fleet.database.schema import bots
from vox.runtime.clock import Clock
from vox.stores.sql import Connection, SqlDatabase

HIDDEN: Final = "***"
_SECRET_WORDS: Final = ("key", "secret", "token", "password", "credential")


@dataclass(frozen=True, slots=True)
class Bot:
    """One bot.

    Args:
        id: in paths, chosen at its creation.
        name: for people.
        config: what a worker is given: prompt, settings of recognition, language model and voice, or an agent's `profile`.
        is_active: whether it takes calls.
        active_hours: when it does; empty for always.
    """

    id: str
    name: str
    config: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    is_active: bool = True
    active_hours: tuple[OpeningHours, ...] = ()
    created_at_ms: int = 0
    updated_at_ms: int = 0

    def is_open(self, now: datetime) -> bool:
        """Whether it takes calls at a moment."""
        return self.is_active and (
            not self.active_hours or any(next_opening(hours, now) <= now for hours in self.active_hours)
        )


class Bots:
    """The bots in the database.

    Args:
        database: open while this is used.
        clock: for the times in the rows.
    """

    def __init__(self, database: SqlDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, bot_id: str) -> Bot:
        """A bot by its id.

        Raises:
            UsageError: bot_not_found.
        """
        bot = await self._database.read(lambda connection: find_bot(connection, bot_id))
        if bot is None:
            raise bot_not_found()
        return bot

    async def list(self) -> list[Bot]:
        """All bots, by id."""
        rows = await self._database.read(
            lambda connection: connection.execute(select(bots).order_by(bots.c.id)).mappings().all()
        )
        return [_bot(row) for row in rows]

    async def save(self, bot: Bot, *, is_new: bool) -> Bot:
        """Writes a bot; secrets that come back as asterisks stay as they are.

        Raises:
            UsageError: bot_exists, bot_not_found, or window_invalid for hours that never come.
        """
        for hours in bot.active_hours:
            check_hours(hours)
        now = self._clock.unix_ms()

        def unit(connection: Connection) -> Bot:
            known = find_bot(connection, bot.id)
            if is_new and known is not None:
                raise UsageError(f"There is a bot {bot.id} already.", code="bot_exists", hint="change it with PUT")
            if not is_new and known is None:
                raise bot_not_found()
            config = restored(bot.config, known.config if known is not None else {})
            values = {
                "name": bot.name,
                "is_active": bot.is_active,
                "config": msgspec.json.encode({"config": config, "active_hours": bot.active_hours}).decode(),
                "updated_at_ms": now,
            }
            if known is None:
                connection.execute(bots.insert().values(id=bot.id, created_at_ms=now, **values))
            else:
                connection.execute(update(bots).where(bots.c.id == bot.id).values(**values))
            row = connection.execute(select(bots).where(bots.c.id == bot.id)).mappings().one()
            return _bot(row)

        return await self._database.write(unit)

    async def delete(self, bot_id: str) -> None:
        """Removes a bot; calls that wait with it fail when they are placed.

        Raises:
            UsageError: bot_not_found.
        """

        def unit(connection: Connection) -> None:
            if not connection.execute(delete(bots).where(bots.c.id == bot_id)).rowcount:
                raise bot_not_found()

        await self._database.write(unit)


def find_bot(connection: Connection, bot_id: str) -> Bot | None:
    """A bot by its id, in the caller's transaction."""
    row = connection.execute(select(bots).where(bots.c.id == bot_id)).mappings().first()
    return _bot(row) if row is not None else None


def bot_not_found() -> UsageError:
    """There is no bot with that id."""
    return UsageError("There is no such bot.", code="bot_not_found")


def masked(config: Any) -> Any:
    """A configuration as the API shows it: values under names such as `api_key` are asterisks."""
    if isinstance(config, dict):
        named = cast("dict[str, Any]", config)
        return {
            key: HIDDEN if isinstance(value, str) and value and _is_secret(key) else masked(value)
            for key, value in named.items()
        }
    return [masked(value) for value in cast("list[Any]", config)] if isinstance(config, list) else config


def restored(config: Any, known: Any) -> Any:
    """A configuration that was read from the API and comes back: what is asterisks in it is what it was."""
    if isinstance(config, list):
        before_each = cast("list[Any]", known) if isinstance(known, list) else list[Any]()
        return [
            restored(value, before_each[at] if at < len(before_each) else None)
            for at, value in enumerate(cast("list[Any]", config))
        ]
    if not isinstance(config, Mapping):
        return config
    named = cast("Mapping[str, Any]", config)
    before: Mapping[str, Any] = cast("Mapping[str, Any]", known) if isinstance(known, Mapping) else dict[str, Any]()
    return {
        key: before.get(key, "") if value == HIDDEN and _is_secret(key) else restored(value, before.get(key))
        for key, value in named.items()
    }


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET_WORDS) and not key.lower().startswith("max_")


def _bot(row: RowMapping) -> Bot:
    stored: dict[str, Any] = msgspec.json.decode(row["config"])
    hours = msgspec.convert(stored["active_hours"], tuple[OpeningHours, ...])
    return Bot(
        row["id"], row["name"], stored["config"], row["is_active"], hours, row["created_at_ms"], row["updated_at_ms"]
    )
