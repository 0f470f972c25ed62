"""The key that encrypts secrets in the database: from the environment, or a file beside the database.

The database keeps the key's fingerprint from the first encrypted secret on. A process with another key, or with none, is refused at
its start, so that two machines on one database cannot encrypt with two keys.
"""

import threading
from pathlib import Path
from typing import Final

from vox.chat.config.queries import keep_row, read_value
from vox.chat.config.settings import ChatSettings
from vox.errors import UsageError
from vox.security.secret_box import SecretBox, create_key_file, read_key, read_key_file
from vox.stores.sql import Connection

ROW: Final = "encryption_key_fingerprint"


class EncryptionKey:
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
        self._box: SecretBox | None = None

    def check(self, connection: Connection) -> None:
        """Opens the box where the database has encrypted secrets; for the start of the server.

        Raises:
            UsageError: the key is missing or not the one they are encrypted with (encryption_key_wrong).
        """
        if read_value(connection, key=ROW) is not None:
            self.opened(connection)

    def opened(self, connection: Connection) -> SecretBox:
        """The box, for opening secrets.

        Raises:
            UsageError: encryption_key_wrong.
        """
        if self._box is None:
            with self._lock:
                self._box = self._box or self._matching(connection, self._existing())
        return self._box

    def prepared(self, connection: Connection) -> SecretBox:
        """The box, for encrypting: the key is made where there is none, and its fingerprint kept, within a unit of work.

        Raises:
            UsageError: encryption_key_wrong.
        """
        box = self._box or self._existing()
        if box is None and read_value(connection, key=ROW) is None:
            box = SecretBox(create_key_file(self._file))
        if box is not None:
            keep_row(connection, key=ROW, value=box.fingerprint)
        self._box = self._matching(connection, box)
        return self._box

    def _existing(self) -> SecretBox | None:
        key = read_key(self._given) if self._given else read_key_file(self._file)
        return SecretBox(key) if key is not None else None

    def _matching(self, connection: Connection, box: SecretBox | None) -> SecretBox:
        if box is not None and read_value(connection, key=ROW) == box.fingerprint:
            return box
        what = "is not the one" if box is not None else "is missing, the one"
        raise UsageError(
            f"the key {what} that secrets in this database are encrypted with",
            code="encryption_key_wrong",
            hint=f"set VOX_SECRETS_KEY, or put the file {self._file} back from the backup or the other machine",
        )
