"""What federation counts."""

from vox.runtime.metrics import Counter

DELIVERIES = Counter(
    "vox_federation_deliveries_total", "Attempts to deliver to other servers, by outcome", ("outcome",)
)
RECEIVED = Counter("vox_federation_received_total", "Signed requests of other servers, by outcome", ("outcome",))
