"""One server at a time on a SQLite file: each acts from what it holds in memory, so that two would undo each other's work unseen.

The lock is the kernel's, on a file beside the database: it ends with the process, however that ends.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from vox.errors import UsageError


@contextmanager
def exclusive_lock(path: str, server: str = "directory") -> Generator[None]:
    """Locks a SQLite file against other processes of a part while the block runs; does nothing on systems without file locks.

    Args:
        path: of the database.
        server: what the part's processes are called, for the message.

    Raises:
        UsageError: database_in_use, or database_unusable where nothing can be written beside it.
    """
    try:
        import fcntl  # noqa: PLC0415  absent on Windows
    except ImportError:
        yield
        return
    try:
        lock = Path(f"{path}.lock").open("a")  # noqa: SIM115  it is closed by the block below
    except OSError as error:
        raise UsageError(
            f"the folder of the database {path} cannot be written to: {error.strerror}",
            code="database_unusable",
            hint="choose a path that you may write to",
        ) from None
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"another {server} runs on {path}",
                code="database_in_use",
                hint="stop it, give this one a database of its own, or let both use one PostgreSQL",
            ) from None
        yield
