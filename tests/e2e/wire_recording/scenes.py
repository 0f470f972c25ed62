"""Every scene: one or more processes that are started, asked and stopped, and the recordings that this gives."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.wire_recording import agent_http, directory_relays
from tests.e2e.wire_recording.agent_calls import calls
from tests.e2e.wire_recording.agent_http import ALLOWED_ORIGIN, KEY, MAX_CALLS, doors, full_and_draining, pages
from tests.e2e.wire_recording.agent_phone import media, webhooks
from tests.e2e.wire_recording.agent_world import WEATHER, agent
from tests.e2e.wire_recording.carriers import ALL, Carrier
from tests.e2e.wire_recording.chat_edge import MAX_BODY_BYTES, edge, refusals
from tests.e2e.wire_recording.chat_events import events
from tests.e2e.wire_recording.chat_files import MAX_BYTES, files
from tests.e2e.wire_recording.chat_limits import admission, limits, make_administrator
from tests.e2e.wire_recording.chat_people import people
from tests.e2e.wire_recording.chat_spaces import spaces
from tests.e2e.wire_recording.chat_world import ORIGIN, chat, register
from tests.e2e.wire_recording.directory_access import approval, probing, tokens
from tests.e2e.wire_recording.directory_world import ADMIN_KEY, API_KEYS, directory
from tests.e2e.wire_recording.plain_uvicorn import asgi
from tests.e2e.wire_recording.recording import Recording
from tests.e2e.wire_recording.values import Values

Scene = Callable[[Path, Path], list[Recording]]
"""Given the command `vox` and an empty folder."""


def chat_rest(vox: Path, folder: Path) -> list[Recording]:
    """The whole REST API of one community without rate limits."""
    environment = {
        "VOX_RATE_LIMIT_SCALE": "0",
        "VOX_ALLOWED_ORIGINS": ORIGIN,
        "VOX_SIGNED_MEDIA_URLS": "1",
        "VOX_LIMIT_FILE_UPLOAD_MAX_BYTES": str(MAX_BYTES),
        "VOX_LIMIT_MAX_REQUEST_BODY": str(MAX_BODY_BYTES),
    }
    names = ("chat_people", "chat_spaces", "chat_files", "chat_edge", "chat_refusals")
    with chat(vox, folder, environment) as (running, values):
        made = [Recording(name, running.port, values) for name in names]
        document = [one.learn_routes() for one in made].pop()
        by_people, by_spaces, by_files, at_edge, refused = made
        ada, ben = people(by_people)
        eli, flo = (register(by_spaces, name) for name in ("eli", "flo"))
        spaces(ada.within(by_spaces), eli, flo)
        files(by_files, ada.within(by_files), eli.within(by_files))
        refusals(refused, document, ada.within(refused), ben.within(refused))
        edge(at_edge, document, ben.within(at_edge))
        at_edge.metrics()
    return made


def chat_limits(vox: Path, folder: Path) -> list[Recording]:
    """A community with the usual rate limits and registration by invite; the gateway's admission."""
    make_administrator(vox, folder)
    with chat(vox, folder, {"VOX_REGISTRATION": "invite"}) as (running, values):
        made = [Recording(name, running.port, values) for name in ("chat_limits", "chat_admission")]
        for one in made:
            one.learn_routes()
        ada, ben = limits(made[0])
        admission(made[1], ada, ben)
        made[1].metrics()
    return made


def chat_events(vox: Path, folder: Path) -> list[Recording]:
    """The gateway's events, resume, and the end of the process."""
    with chat(vox, folder, {"VOX_RATE_LIMIT_SCALE": "0", "VOX_DRAIN_TIMEOUT_S": "60"}) as (running, values):
        made = Recording("chat_events", running.port, values)
        events(made, running)
    return [made]


def agent_web(vox: Path, folder: Path) -> list[Recording]:
    """An agent server for browsers, with a key, and carriers' streams on it."""
    config = {
        "server_api_key": KEY,
        "cors_allowed_origins": [ALLOWED_ORIGIN],
        "max_request_body_bytes": agent_http.MAX_BODY_BYTES,
        "max_concurrent_calls": MAX_CALLS,
        "retry_after_secs": 7,
        "drain_timeout_secs": 60,
        "agents": {
            "sales": {},
            "quiet": {"greeting": ""},
            "support": {"greeting": "Support here.", "tts_options": {"duration_s": 10}},
        },
        "client_tools": [WEATHER],
    }
    with agent(vox, folder, config) as (running, values):
        running.wait_until_healthy("/health")
        made = [Recording(name, running.port, values) for name in ("agent_http", "agent_calls", "agent_media")]
        pages(made[0])
        doors(made[0])
        calls(made[1])
        media(made[2])
        full_and_draining(made[0], running)
    return made


def agent_phone(vox: Path, folder: Path) -> list[Recording]:
    """Six agent servers, one for each carrier, which check its signatures."""
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(agent(vox, folder / carrier.name, _for(carrier), carrier.environment))
            for carrier in ALL
        ]
        values = Values({f"127.0.0.1:{running.port}": "host" for running, _ in servers})
        made = Recording("agent_phone", 0, values)
        for carrier, (running, _) in zip(ALL, servers, strict=True):
            running.wait_until_healthy("/health")
            made.port = running.port
            webhooks(made, carrier)
    return [made]


def _for(carrier: Carrier) -> dict[str, Any]:
    return {
        "runner_transport": carrier.name,
        "max_request_body_bytes": agent_http.MAX_BODY_BYTES,
        "agents": {"sales": {}},
    }


def directory_open(vox: Path, folder: Path) -> list[Recording]:
    """A directory without probes, open to private networks."""
    config = {"access": {"admin_key": ADMIN_KEY, "changes_per_minute": 6}}
    with directory(vox, folder, config) as (running, values):
        made = [Recording(name, running.port, values) for name in ("directory_lists", "directory_changes")]
        directory_relays.pages(made[0])
        directory_relays.lists(made[0])
        made[1].learn_routes()
        directory_relays.changes(made[1])
        made[1].metrics()
    return made


def directory_access(vox: Path, folder: Path) -> list[Recording]:
    """Directories that new relays join by a token, by an administrator's approval, and by a probe that succeeds."""
    made: list[Recording] = []
    for name, scene, mode, more in (
        ("directory_token", tokens, "token", {}),
        ("directory_approval", approval, "approval", {}),
        ("directory_probing", probing, "open", {"bootstrap_relays": [], "health_check": {"interval_ms": 3_600_000}}),
    ):
        config: dict[str, Any] = {"access": {"mode": mode, "admin_key": ADMIN_KEY, "api_keys": API_KEYS}, **more}
        with directory(vox, folder / name, config) as (running, values):
            made.append(Recording(name, running.port, values))
            made[-1].learn_routes()
            scene(made[-1])
            made[-1].metrics()
    return made


SCENES: dict[str, Scene] = {
    "chat_rest": chat_rest,
    "chat_limits": chat_limits,
    "chat_events": chat_events,
    "agent_web": agent_web,
    "agent_phone": agent_phone,
    "directory_open": directory_open,
    "directory_access": directory_access,
    "asgi": asgi,
}
