"""The keys of this server: made at the first use, replaced with an overlap.

A replacement has three steps, so that no request is ever signed with a key that others cannot know: a next key is made and its
record published beside the old one; it becomes the active one; the old record is taken away. On SQLite the private halves are in
files beside the database, readable by their owner only, so that a copy of the database is not enough to sign; on PostgreSQL they are
in the database, which is all that several processes share.
"""

import os
from functools import partial
from pathlib import Path
from typing import Final

from vox.chat.federation import queries
from vox.chat.federation.queries import KeyState, StoredKey
from vox.chat.federation.signing import Identity
from vox.errors import UsageError
from vox.runtime.clock import Clock
from vox.security.http_signatures import KeyPair, key_pair, new_key_pair
from vox.stores.sql import Connection, SqlDatabase

READ_AGAIN_S: Final = 10.0
"""After this time another process's change of keys is noticed."""
MAX_KEYS: Final = 4


class Keyring:
    """The keys of one server.

    Args:
        database: where they are kept.
        clock: for how long the active one is remembered.
        domain: of this server.
        configured: the private key that the operator gave; empty for one that is made here.
    """

    def __init__(self, database: SqlDatabase, clock: Clock, domain: str, configured: str) -> None:
        self._database = database
        self._clock = clock
        self._domain = domain
        self._configured = configured
        self._identity: Identity | None = None
        self._read_at = 0.0

    async def identity(self) -> Identity:
        """Who this server signs as.

        Raises:
            UsageError: `invalid_private_key`, or `database_unusable` where the key's file is gone.
        """
        now = self._clock.now()
        if self._identity is None or now - self._read_at > READ_AGAIN_S:
            private = await self._database.write(self._active)
            self._identity, self._read_at = Identity(self._domain, private), now
        return self._identity

    async def keys(self) -> list[StoredKey]:
        """All keys, oldest first."""
        await self.identity()
        return await self._database.read(queries.list_keys)

    async def make_next(self) -> StoredKey:
        """Makes the key that will follow the active one.

        Raises:
            UsageError: `too_many_keys`.
        """
        await self.identity()
        return await self._database.write(self._make_next)

    async def activate(self, key_id: str) -> bool:
        """Signs with another key from now on; False where there is none of that name."""
        is_there = await self._database.write(partial(_activate, key_id=key_id))
        self._read_at = -READ_AGAIN_S
        self._identity = None
        return is_there

    async def delete(self, key_id: str) -> bool:
        """Deletes a key that is not the active one; False where there is none."""

        def unit(connection: Connection) -> bool:
            is_there = queries.delete_key(connection, key_id)
            file = self._file(key_id)
            if is_there and file is not None:
                file.unlink(missing_ok=True)
            return is_there

        return await self._database.write(unit)

    def _active(self, connection: Connection) -> str:
        keys = queries.list_keys(connection)
        active = next((key for key in keys if key.state == "active"), None)
        if self._configured:
            pair = key_pair(self._configured)
            if active is None or active.key_id != pair.key_id:
                self._keep(connection, pair, "active")
                _activate(connection, pair.key_id)
            return self._configured
        if active is None:
            left = queries.configured_private_key(connection)
            pair = key_pair(left) if left else new_key_pair()
            self._keep(connection, pair, "active")
            return pair.private
        return self._private(active)

    def _make_next(self, connection: Connection) -> StoredKey:
        keys = queries.list_keys(connection)
        waiting = next((key for key in keys if key.state == "next"), None)
        if waiting is not None:
            return waiting
        if len(keys) >= MAX_KEYS:
            raise UsageError("There are too many keys.", code="too_many_keys", hint="delete the retired ones first")
        return self._keep(connection, new_key_pair(), "next")

    def _keep(self, connection: Connection, pair: KeyPair, state: KeyState) -> StoredKey:
        file = self._file(pair.key_id)
        if file is not None and not file.exists():
            _write(file, pair.private)
        stored = None if file is not None else pair.private
        key = StoredKey(pair.key_id, pair.public, stored, state, self._clock.unix_s())
        queries.insert_key(connection, key)
        return key

    def _private(self, key: StoredKey) -> str:
        if key.private_key is not None:
            return key.private_key
        file = self._file(key.key_id)
        try:
            found = "" if file is None else file.read_text(encoding="ascii").strip()
            if key_pair(found).key_id == key.key_id:
                return found
        except (OSError, UnicodeDecodeError, UsageError):
            pass
        raise UsageError(
            "the private key of this server's federation is gone from beside the database",
            code="database_unusable",
            hint="restore the file, or set VOX_FEDERATION_PRIVATE_KEY to a key that the DNS shows",
        )

    def _file(self, key_id: str) -> Path | None:
        path = self._database.file
        if path is None:
            return None
        return path.with_name(f"{path.name}.federation-{key_id.removeprefix('sha256:')[:16]}.key")


def _activate(connection: Connection, key_id: str) -> bool:
    keys = queries.list_keys(connection)
    if all(key.key_id != key_id for key in keys):
        return False
    for key in keys:
        if key.state == "active" and key.key_id != key_id:
            queries.set_key_state(connection, key.key_id, "retired")
    return queries.set_key_state(connection, key_id, "active")


def _write(file: Path, key: str) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as output:
        output.write(f"{key}\n")
        output.flush()
        os.fsync(output.fileno())
    draft.replace(file)
