"""One typing_start per user and channel in an interval. Pure; bounded by who is connected and may write."""

from vox.chat.events.ids import DmId, FeedId, UserId


class TypingThrottle:
    """One typing_start per user and channel in an interval.

    Args:
        interval_s: the interval.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._until: dict[tuple[int, str, int], float] = {}

    def take(self, user_id: UserId, kind: str, channel_id: FeedId | DmId, now: float) -> bool:
        """Whether a user may be shown as typing there now; if so, not again for the interval."""
        key = (user_id, kind, channel_id)
        if self._until.get(key, now) > now:
            return False
        self._until[key] = now + self._interval_s
        return True

    def sweep(self, now: float) -> None:
        """Forgets what is over."""
        if self._until:
            self._until = {key: until for key, until in self._until.items() if until > now}
