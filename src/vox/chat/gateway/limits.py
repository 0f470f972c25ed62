"""Every number that bounds the gateway; the defaults are the original's where it had one."""

from dataclasses import dataclass

from vox.protocols import gateway


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """The gateway's limits.

    Args:
        per_address: connections of one client address (IPv6: one /64).
        per_user: connected sessions of one user.
        auth_failures: refused tokens of one address within `auth_failures_period_s`, after which it is sent away.
        auth_failures_period_s: see auth_failures.
        identify_deadline_s: how long a client may take to say who it is.
        heartbeat_deadline_s: how long it may be silent then.
        client_messages: messages it may send per `client_messages_period_s`.
        client_messages_period_s: see client_messages.
        typing_interval_s: one typing_start per user and channel in this time; further ones are dropped.
        resumable_s: how long a session without connection may be resumed.
        ring: how many of its last events a session can be set back by a resume.
        replay_events: how many missed events a resume brings at most; beyond it is REPLAY_EXHAUSTED.
        backlog_bytes: unsent bytes of a slow reader, after which it is closed with a resumable code.
        backlog_events: unsent events, likewise.
        busy_bytes: unsent bytes from which a reader misses typing and presence first.
        identifies: how many clients may be let in at the same time; the others wait.
        identify_timeout_s: how long the check of a token may take, waiting included.
        individual_presence_max: up to so many people online, every change of presence goes to everyone one by one.
        presence_window_s: shortest time between two presence_batch frames; it grows with the number online.
        presence_window_max_s: longest.
        sweep_s: how often deadlines are looked at.
    """

    per_address: int = 10
    per_user: int = 5
    auth_failures: int = 10
    auth_failures_period_s: float = 60.0
    identify_deadline_s: float = gateway.IDENTIFY_DEADLINE_S
    heartbeat_deadline_s: float = gateway.HEARTBEAT_DEADLINE_S
    client_messages: int = gateway.CLIENT_MESSAGES
    client_messages_period_s: float = gateway.CLIENT_MESSAGES_PERIOD_S
    typing_interval_s: float = 5.0
    resumable_s: float = gateway.RESUMABLE_S
    ring: int = 1000
    replay_events: int = 2500
    backlog_bytes: int = 1 << 20
    backlog_events: int = 5000
    busy_bytes: int = 64 << 10
    identifies: int = 64
    identify_timeout_s: float = 15.0
    individual_presence_max: int = 24
    presence_window_s: float = 0.5
    presence_window_max_s: float = 30.0
    sweep_s: float = 0.5
