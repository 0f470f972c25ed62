"""What one account and one device may keep and do, where the original has no limit. docs/protocols/chat-encryption.md lists them.

Lengths are characters of the text as it was sent, which is base64 of something that the server does not read.
"""

from typing import Final

from vox.http.rate_limits import RateCategory

MAX_KEY: Final = 4096
"""An identity key, signed prekey or one-time prekey."""
MAX_KEY_PACKAGE: Final = 16_384
MAX_UPLOADED: Final = 100
"""One-time keys, or key packages, of one request."""
MAX_ONE_TIME_KEYS: Final = 200
MAX_KEY_PACKAGES: Final = 100
"""Of one device, its last resort not counted; what is beyond goes, the oldest first."""
KEY_PACKAGES_KEPT_S: Final = 90 * 86_400
LOW: Final = 10
"""So many one-time keys or key packages left: the device is told to upload more, and again when there are none."""
MAX_SPENT: Final = 1000
"""Keys of one device that were given out, of which a repeated upload is recognised."""

PAIRING_S: Final = 300
MAX_PENDING_PAIRINGS: Final = 5
"""Of one account at the same time."""
PAIRINGS_KEPT_S: Final = 3600
"""How long an answered or expired pairing is remembered."""

MAX_WAITING_OF_DM: Final = 200
MAX_WAITING: Final = 1000
"""MLS messages that wait for one device: of one conversation, and of all."""
WAITING_KEPT_S: Final = 30 * 86_400
MAX_TAKEN: Final = 100
"""MLS messages that are fetched or acknowledged by one request."""
MAX_GROUPS: Final = 32
"""MLS groups of one conversation whose epoch is known; the one that was quiet longest is forgotten."""
MAX_GROUP_ID: Final = 512
MAX_REQUEST_ID: Final = 64
MAX_PAIR_ID: Final = 128

CLAIMS: Final = RateCategory("key_claims", 10, 1 / 60)
"""Fetches of one member's keys by another member."""
CLAIMS_OF_TARGET: Final = RateCategory("key_claims_of_target", 60, 1 / 30)
"""Fetches of one member's keys by all others: beyond it no one-time keys are given out."""
RELAYS: Final = RateCategory("key_relays", 60, 1.0)
"""Messages of one member that are relayed to devices."""
PAIRINGS: Final = RateCategory("device_pairings", 5, 1 / 60)
RESETS: Final = RateCategory("key_resets", 3, 1 / 600)
"""Each tells all contacts."""
