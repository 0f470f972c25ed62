"""How much one server may ask of this one. Pure data; the buckets are `vox.http.rate_limits`."""

from typing import Final

from vox.http.rate_limits import RateCategory

RELAY: Final = RateCategory("federation_relay", 200, 20.0)
"""Messages and read marks; what is refused comes again."""
SIGNALS: Final = RateCategory("federation_signals", 100, 10.0)
"""Typing and presence."""
LOOKUPS: Final = RateCategory("federation_lookups", 60, 2.0)
"""Profiles and files."""
PREKEYS: Final = RateCategory("federation_prekeys", 10, 1 / 60)
"""One-time keys of one user: a peer must not use them up."""
JOINS: Final = RateCategory("federation_joins", 20, 0.2)
"""Users who join, blocks that are told."""
NEW_USERS: Final = RateCategory("federation_new_users", 100, 1 / 36)
"""Users of a server that write here for the first time: 100 at once, and 100 an hour."""
