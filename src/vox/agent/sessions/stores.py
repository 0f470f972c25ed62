"""Which session store a configuration asks for."""

from vox.agent.config.settings import AgentSettings
from vox.agent.sessions.contract import SessionStore
from vox.agent.sessions.memory import MemorySessionStore
from vox.runtime.clock import Clock


def make_session_store(settings: AgentSettings, clock: Clock) -> SessionStore:
    """The store that `session_store` names."""
    return MemorySessionStore(settings.session_ttl_secs, clock)
