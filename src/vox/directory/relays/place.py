"""Where a client is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A caller's coordinates in degrees."""

    latitude: float
    longitude: float
