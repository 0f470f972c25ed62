"""Requests and responses of how long feeds keep their messages."""

from typing import Annotated

from msgspec import Meta, Struct

LONGEST_DAYS = 36_500


class Retention(Struct):
    """How many days a feed keeps its messages; None where it keeps them."""

    keep_days: int | None


class NewRetention(Struct):
    """How many days a feed shall keep its messages."""

    keep_days: Annotated[int, Meta(ge=1, le=LONGEST_DAYS)]
