"""The key that seals secrets in the database: from the environment, or a file beside the database.

The database keeps the key's fingerprint from the first sealed secret on. A process with another key, or with none, is refused at
its start, so that two machines on one database cannot seal with two keys.
"""

import threading
from pathlib import Path
from typing import Final

from vox.chat.config.queries import read_value
from vox.chat.config.settings import ChatSettings
from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import config
from vox.errors import UsageError
from vox.security.sealed import SealedBox, create_key_file, read_key, read_key_file
from vox.stores.sql import Connection

ROW: Final = "sealing_key_fingerprint"


class SealingKey:
    """The box of one server, opened when it is first needed. Its methods block, so they belong into units of work.

    Args:
        settings: name the key, or the file it is in.
        database_file: the SQLite file that the key file lies beside; None for another database.
    """

    def __init__(self, settings: ChatSettings, database_file: Path | None) -> None:
        self._given = settings.secrets_key.get_secret_value()
        beside = database_file.with_name(f"{database_file.name}.key") if database_file is not None else None
        self._file = Path(settings.secrets_key_file) if settings.secrets_key_file else beside or Path("vox.key")
        self._lock = threading.Lock()
        self._box: SealedBox | None = None

    def check(self, connection: Connection) -> None:
        """Opens the box where the database has sealed secrets; for the start of the server.

        Raises:
            UsageError: the key is missing or not the one they are sealed with (sealing_key_wrong).
        """
        if read_value(connection, key=ROW) is not None:
            self.opened(connection)

    def opened(self, connection: Connection) -> SealedBox:
        """The box, for opening secrets.

        Raises:
            UsageError: sealing_key_wrong.
        """
        if self._box is None:
            with self._lock:
                self._box = self._box or self._matching(connection, self._existing())
        return self._box

    def prepared(self, connection: Connection) -> SealedBox:
        """The box, for sealing: the key is made where there is none, and its fingerprint kept, within a unit of work.

        Raises:
            UsageError: sealing_key_wrong.
        """
        box = self._box or self._existing()
        if box is None and read_value(connection, key=ROW) is None:
            box = SealedBox(create_key_file(self._file))
        if box is not None:
            insert_if_absent(connection, config, {"key": ROW, "value": box.fingerprint})
        self._box = self._matching(connection, box)
        return self._box

    def _existing(self) -> SealedBox | None:
        key = read_key(self._given) if self._given else read_key_file(self._file)
        return SealedBox(key) if key is not None else None

    def _matching(self, connection: Connection, box: SealedBox | None) -> SealedBox:
        if box is not None and read_value(connection, key=ROW) == box.fingerprint:
            return box
        what = "is not the one" if box is not None else "is missing, the one"
        raise UsageError(
            f"the key {what} that secrets in this database are sealed with",
            code="sealing_key_wrong",
            hint=f"set VOX_SECRETS_KEY, or put the file {self._file} back from the backup or the other machine",
        )
