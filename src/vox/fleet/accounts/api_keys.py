"""Keys of the bridge's API: minted, shown once, kept as digests, and what each of them may do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import RowMapping, select, update

from vox.errors import UsageError
from vox.fleet.database.schema import api_keys
from vox.runtime.clock import Clock
from vox.security import tokens
from vox.stores.sql import Connection, SqlDatabase

PREFIX: Final = "vbk_"
ADMIN: Final = "admin"
WORKER: Final = "worker"
SCOPES: Final = (
    "calls:read",
    "calls:write",
    "campaigns:read",
    "campaigns:write",
    "bots:read",
    "bots:write",
    "fleet:read",
    WORKER,
    ADMIN,
)
"""What a key may be allowed; `admin` includes all the others but `worker`. `worker:ID` is for one worker alone."""
_WORKER_SCOPE: Final = re.compile(r"worker:[a-z0-9-]{1,64}")
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key without its text."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at_ms: int
    revoked_at_ms: int | None = None

    def allows(self, scope: str) -> bool:
        """Whether it may do what needs this scope."""
        return scope in self.scopes or (ADMIN in self.scopes and scope != WORKER)

    @property
    def workers(self) -> tuple[str, ...]:
        """The ids of the workers that it is for alone."""
        return tuple(scope.partition(":")[2] for scope in self.scopes if _WORKER_SCOPE.fullmatch(scope))


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key at the one moment when its text is known."""

    key: ApiKey
    text: str


class ApiKeys:
    """The keys in the database.

    Args:
        database: open while this is used.
        clock: for the times in the rows.
    """

    def __init__(self, database: SqlDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, name: str, scopes: Sequence[str]) -> NewApiKey:
        """Makes a key.

        Raises:
            UsageError: a scope does not exist (unknown_scope).
        """
        unknown = sorted(scope for scope in set(scopes) - set(SCOPES) if not _WORKER_SCOPE.fullmatch(scope))
        if unknown or not scopes:
            raise UsageError(
                f"there is no scope {', '.join(unknown)}" if unknown else "a key needs at least one scope",
                code="unknown_scope",
                hint=f"use {', '.join(SCOPES)} or worker:ID",
            )
        new = self._mint(name, scopes)
        await self._database.write(lambda connection: _insert(connection, new))
        return new

    async def create_first(self) -> NewApiKey | None:
        """The first administrator's key, where there has never been a key; None where there has."""
        new = self._mint("first administrator", (ADMIN,))

        def unit(connection: Connection) -> bool:
            if connection.execute(select(api_keys.c.id).limit(1)).first() is not None:
                return False
            _insert(connection, new)
            return True

        return new if await self._database.write(unit) else None

    async def find(self, text: str) -> ApiKey | None:
        """The key with this text; None where there is none or it was revoked."""
        if not text.startswith(PREFIX):
            return None
        digest = tokens.digest(text)
        row = await self._database.read(
            lambda connection: (
                connection.execute(select(api_keys).where(api_keys.c.digest == digest)).mappings().first()
            )
        )
        if row is None or row["revoked_at_ms"] is not None or not tokens.matches(text, row["digest"]):
            return None
        return _key(row)

    async def list(self) -> list[ApiKey]:
        """All keys, the oldest first, revoked ones too."""
        rows = await self._database.read(
            lambda connection: connection.execute(select(api_keys).order_by(api_keys.c.created_at_ms)).mappings().all()
        )
        return [_key(row) for row in rows]

    async def revoke(self, key_id: str) -> None:
        """Makes a key useless at once.

        Raises:
            UsageError: there is no such key (api_key_not_found), or it is the last administrator's (last_admin_key).
        """
        now = self._clock.unix_ms()

        def unit(connection: Connection) -> None:
            rows = connection.execute(select(api_keys).where(api_keys.c.revoked_at_ms.is_(None))).mappings().all()
            keys = {row["id"]: _key(row) for row in rows}
            if key_id not in keys:
                raise UsageError("There is no such key.", code="api_key_not_found")
            others = [key for key in keys.values() if ADMIN in key.scopes and key.id != key_id]
            if ADMIN in keys[key_id].scopes and not others:
                raise UsageError(
                    "This is the last key of an administrator.",
                    code="last_admin_key",
                    hint="create another one with the scope admin first",
                )
            connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked_at_ms=now))

        await self._database.write(unit)

    def _mint(self, name: str, scopes: Sequence[str]) -> NewApiKey:
        token = tokens.mint(PREFIX, _KEY_BYTES)
        key = ApiKey(f"key_{token.digest[:16]}", name, tuple(dict.fromkeys(scopes)), self._clock.unix_ms())
        return NewApiKey(key, token.text)


def _insert(connection: Connection, new: NewApiKey) -> None:
    connection.execute(
        api_keys.insert().values(
            id=new.key.id,
            name=new.key.name,
            digest=tokens.digest(new.text),
            scopes=msgspec.json.encode(new.key.scopes).decode(),
            created_at_ms=new.key.created_at_ms,
        )
    )


def _key(row: RowMapping) -> ApiKey:
    scopes = msgspec.json.decode(row["scopes"], type=tuple[str, ...])
    return ApiKey(row["id"], row["name"], scopes, row["created_at_ms"], row["revoked_at_ms"])
