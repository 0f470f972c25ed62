"""What alembic compares with the declared tables when it looks for differences."""

from typing import Any

from vox.chat.database.schema import full_text


def is_compared(thing: Any, name: str | None, kind: str, is_reflected: bool, other: Any) -> bool:
    """Whether alembic compares something with the declarations: not the search's objects, nor other parts' tables."""
    if full_text.is_own(name) or (kind == "table" and name in {"leases", "lease_members"}):
        return False
    return not (kind == "index" and full_text.is_own(getattr(getattr(thing, "table", None), "name", None)))
