"""Voice rooms in `vox up`: the relay beside the other parts, the key that they share, and where each part reaches the others.

Agents and telephone callers enter the rooms without a connection of their own, because relay and agent share the process.
"""

import json
import os
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vox.cli.up_plan import Choices, Plan, Running
from vox.cli.up_wiring import LOOPBACK_NETWORKS
from vox.errors import UsageError

if TYPE_CHECKING:
    from vox.relay.settings import RelaySettings
    from vox.runtime.settings import Loaded
    from vox.security.room_tokens import RoomKey

KEY_FILE: Final = "media.key"
WEBHOOK_PATH: Final = "/api/v1/voice/webhook"
OFF: Final = (
    "Voice rooms are off: the media engine is not installed. `make native` builds it, with cargo 1.89 or later."
)


def relay_settings(choices: Choices) -> "Loaded[RelaySettings]":
    """The relay's settings: its own variables, else loopback, the usual ports and the key of this process.

    Args:
        choices: without `rooms` the key is left to the environment or made here.
    """
    from vox.relay.settings import load

    environment, rooms = choices.environment, choices.rooms
    key = rooms.key if rooms is not None else media_key(environment, choices.data)
    values: dict[str, Any] = {"keys": {key.key: key.secret}}
    if not environment.get("VOX_RELAY_HOST") or choices.host:
        values["listen.host"] = choices.host or "127.0.0.1"
    if not environment.get("VOX_RELAY_KEY_FILE"):
        values["directory.key_file"] = str(choices.data / "relay.key")
    if choices.port == 0:
        values |= {"listen.port": choices.port_of("relay"), "media.udp_port": 0, "media.tcp_port": 0}
    if rooms is not None and rooms.chat and not environment.get("VOX_RELAY_WEBHOOK_URLS"):
        values |= {"webhooks.urls": [rooms.chat + WEBHOOK_PATH], "webhooks.api_key": key.key}
        if rooms.is_local:
            values["webhooks.allowed_private"] = LOOPBACK_NETWORKS
    if rooms is not None and rooms.agent and not environment.get("VOX_RELAY_AGENT_URL"):
        values["agents.url"] = rooms.agent
        if rooms.is_local:
            values["agents.allowed_private"] = LOOPBACK_NETWORKS
    return load(None, environment, values)


def plan_relay(choices: Choices) -> Plan:
    """The relay as a part; its door for members of this process is open while it runs."""
    loaded = relay_settings(choices)
    settings, rooms = loaded.settings, choices.rooms

    @asynccontextmanager
    async def serve() -> AsyncGenerator[Running]:
        from random import Random

        from vox.cli.relay import server_options
        from vox.http.server import Server
        from vox.relay.app import create_app
        from vox.relay.opening import open_engine
        from vox.relay.server import Parts, Relay
        from vox.runtime.clock import SystemClock
        from vox.runtime.lifecycle import Lifecycle
        from vox.runtime.metrics import Metrics

        clock = SystemClock()
        lifecycle = Lifecycle(clock, settings.listen.drain_timeout_ms / 1000)
        chance = Random(secrets.randbits(256))  # noqa: S311  jitter; what must not be guessed comes from secrets
        engine = open_engine(settings.media, settings.media_host)
        try:
            relay = Relay(settings, Parts(clock, Metrics(process=True), lifecycle, chance, engine))
            options = server_options(settings, relay)
            host, port = settings.bind_host, settings.listen.port
            async with relay, Server(create_app(relay), host, port, clock=clock, **options) as server, relay.enrolled():
                relay.address = server.address
                if rooms is not None:
                    rooms.voices = relay.voices
                yield Running(server.address, lifecycle)
        finally:
            if rooms is not None:
                rooms.voices = None
            engine.close()

    return Plan(serve, loaded.warnings, settings.logs.level, settings.logs.json_lines)


def media_key(environment: Mapping[str, str], data: Path) -> "RoomKey":
    """The key that relay, chat and agent share: the environment's, else one that is kept in the data folder and made where it is not.

    Raises:
        UsageError: media_key_unusable where the file cannot be read, made, or holds none.
    """
    from vox.security.room_tokens import RoomKey

    for name, secret in (("VOX_MEDIA_KEY", "VOX_MEDIA_SECRET"), ("VOX_RELAY_API_KEY", "VOX_RELAY_API_SECRET")):
        if environment.get(name) and environment.get(secret):
            return RoomKey(environment[name], environment[secret])
    file = data / KEY_FILE
    try:
        kept = json.loads(file.read_text())
        return RoomKey(str(kept["key"]), str(kept["secret"]))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(file, error) from error
    made = RoomKey(f"API{secrets.token_hex(6)}", secrets.token_hex(32))
    try:
        data.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            json.dump({"key": made.key, "secret": made.secret}, output)
    except OSError as error:
        raise _unusable(file, error) from error
    return made


def _unusable(file: Path, error: Exception) -> UsageError:
    return UsageError(
        f"the key of the voice rooms in {file} cannot be used: {error}",
        code="media_key_unusable",
        hint="remove the file, so that a new one is made, or set VOX_MEDIA_KEY and VOX_MEDIA_SECRET",
    )
