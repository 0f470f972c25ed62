"""Field types that the requests of several features share, with the bounds that both databases can store."""

from typing import Annotated

from msgspec import Meta

MAX_ID = (1 << 63) - 1

Int64 = Annotated[int, Meta(ge=-(1 << 63), le=MAX_ID)]
Id = Annotated[int, Meta(ge=0, le=MAX_ID)]
Position = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Mask = Annotated[int, Meta(ge=0, le=MAX_ID, description="Permissions, one bit each: see the schema Permissions.")]
"""A set of permissions, one bit each."""
