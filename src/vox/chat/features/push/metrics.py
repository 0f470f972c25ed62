"""What pushes count."""

from vox.runtime.metrics import Counter

PUSHES = Counter("vox_chat_pushes_total", "Pushes to browsers, by outcome", ("outcome",))
DROPPED = Counter("vox_chat_pushes_dropped_total", "Events that were not pushed because too many were waiting")
