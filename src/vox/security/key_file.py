"""A machine's Ed25519 key in a file of its own: base64 on one line, readable by its owner only."""

import os
from pathlib import Path

from vox.errors import UsageError
from vox.security.http_signatures import KeyPair, key_pair, new_key_pair


def read_key_file(file: Path, *, is_made: bool) -> KeyPair:
    """The key in a file.

    Args:
        file: where it is.
        is_made: whether a missing file is made with a new key; its folder, too.

    Raises:
        UsageError: key_file_unsafe where others can read it, key_file_missing, key_file_unusable, or invalid_private_key.
    """
    try:
        if file.stat().st_mode & 0o077:
            raise UsageError(
                f"{file} can be read by other users",
                code="key_file_unsafe",
                hint=f"run: chmod 600 {file}; better make a new key",
            )
        return key_pair(file.read_text().strip())
    except FileNotFoundError:
        if not is_made:
            raise UsageError(
                f"there is no key at {file}",
                code="key_file_missing",
                hint="give the file that the relay registered with",
            ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", code="key_file_unusable") from None
    made = new_key_pair()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            output.write(f"{made.private}\n")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error}", code="key_file_unusable") from None
    return made
