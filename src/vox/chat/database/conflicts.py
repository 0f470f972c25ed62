"""What a broken reference means: the thing that a change was about has been deleted at the same moment.

Foreign keys are the last word on that, so units of work need not ask first, and two requests at once need no lock.
"""

from collections.abc import Generator
from contextlib import contextmanager

from vox.chat.errors import Refusal
from vox.errors import DependencyError


@contextmanager
def map_conflict(refusal: Refusal) -> Generator[None, None, None]:
    """Turns a refused constraint within the block into a refusal for the caller."""
    try:
        yield
    except DependencyError as error:
        if error.code != "database_conflict":
            raise
        raise refusal from None
