"""`vox up`: all parts in one process on embedded defaults.

A part is an entry of `PARTS`. Each has its own life cycle and its own port, and they know each other only by address. All
settings are read before anything starts; the first SIGTERM drains all parts, and no server closes before every part is
drained, because what runs in one may still need another.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vox.cli.up_plan import Choices, Part, Plan, Running, http_address
from vox.cli.up_rooms import OFF, media_key, plan_relay, relay_settings
from vox.cli.up_wiring import Wiring
from vox.errors import UsageError, VoxError

if TYPE_CHECKING:
    from vox.agent.config.settings import AgentSettings
    from vox.chat.config.settings import ChatSettings
    from vox.cli.local_models import LocalModels
    from vox.runtime.lifecycle import Lifecycle
    from vox.runtime.settings import Loaded

T = TypeVar("T")

TALK = """\
Open {address}/ and talk to it.
  A simulated phone call:  {vox} call --carrier twilio --say "what are your opening hours" {stream}
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser("up", help="run everything on this machine, with offline speech and a demo agent")
    parser.add_argument(
        "--port", type=int, help="port of the talk page (default 8080; 0 picks free ones for all parts)"
    )
    parser.add_argument("--host", help="bind address (default 127.0.0.1: browsers give a microphone to localhost only)")
    names = ",".join(part.name for part in PARTS)
    parser.add_argument("--only", type=_names, metavar="PARTS", help=f"only these parts, separated by commas ({names})")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help=f"where state is kept (default {_SHOWN_DATA})")


def run(args: argparse.Namespace) -> int:
    """Serves until told to stop; always 0, also where a drain's deadline cut work."""
    from vox.http.server import run as run_loop
    from vox.relay.opening import is_engine_installed

    environment = dict(os.environ)
    choices = Choices(environment, args.data or _usual_data(environment), args.host, args.port)
    chosen = [part for part in PARTS if args.only is None or part.name in args.only]
    notes: list[str] = []
    if args.only is None and not is_engine_installed():
        chosen = [part for part in chosen if part.name != "relay"]
        notes = [OFF]
    return run_loop(_look_and_serve(chosen, wired(chosen, choices), notes))


def wired(parts: Sequence[Part], choices: Choices) -> Choices:
    """The choices with what the parts must know of each other before they start: their ports, and the key of voice rooms.

    Raises:
        VoxError: a part's settings are wrong; the message names it and the remedy.
    """
    names = [part.name for part in parts]
    choices = choices.with_ports(names)
    if "relay" not in names:
        return choices

    def address(name: str, find: Callable[[], tuple[str, int]]) -> str:
        if name not in names:
            return ""
        part = next(one for one in parts if one.name == name)
        return http_address(*_of(part, find))

    def of_relay() -> tuple[str, int]:
        settings = relay_settings(choices).settings
        return settings.bind_host, settings.listen.port

    def of_chat() -> tuple[str, int]:
        settings = _chat_settings(choices).settings
        return settings.http_host, settings.http_port

    def of_agent() -> tuple[str, int]:
        settings = _agent_settings(choices).settings
        return settings.bind_host, settings.bind_port

    relay, chat, agent = address("relay", of_relay), address("chat", of_chat), address("agent", of_agent)
    key = media_key(choices.environment, choices.data)
    return replace(choices, rooms=Wiring(key, relay, chat, agent, choices.is_local))


async def _look_and_serve(parts: Sequence[Part], choices: Choices, notes: Sequence[str]) -> int:
    """Looks for a language model on this machine before any port of Vox could be taken for one."""
    from vox.cli.local_models import find_local_models

    return await serve_parts(parts, choices, await find_local_models(), notes)


async def serve_parts(
    parts: Sequence[Part], choices: Choices, models: Sequence["LocalModels"] = (), notes: Sequence[str] = ()
) -> int:
    """Starts the parts in order, prints their addresses, and serves until SIGTERM or SIGINT and the drain behind it.

    Args:
        parts: in the order in which they start.
        choices: what was chosen.
        models: language models that run on this machine.
        notes: lines for the banner.

    Raises:
        VoxError: a part cannot start; the message names it and the remedy. Those that had started are closed again.
    """
    from vox.runtime.gc_freeze import freeze_startup_objects
    from vox.runtime.logging import configure, get_logger

    plans = [(part, _of(part, lambda part=part: part.plan(choices))) for part in parts]
    configure(plans[0][1].log_level, plans[0][1].json_logs)  # one process has one log: the first part's settings hold
    log = get_logger(__name__)
    running: list[tuple[Part, Running]] = []
    async with AsyncExitStack() as stack:
        for part, plan in plans:
            for warning in plan.warnings:
                log.warning(warning, part=part.name)
            try:
                found = await stack.enter_async_context(plan.serve())
            except VoxError as error:
                raise _named(part, error, is_alone=len(parts) == 1) from error
            running.append((part, found))
            log.info(part.ready, address=found.address)
        freeze_startup_objects()
        with _drained_by_signals([found.lifecycle for _, found in running]):
            _say(banner(running, choices.data, models, notes))  # a reader may send a signal at once
            async with asyncio.TaskGroup() as tasks:
                for _, found in running:
                    tasks.create_task(_finish(found))
    return 0


def banner(
    running: Sequence[tuple[Part, Running]],
    data: Path,
    models: Sequence["LocalModels"] = (),
    notes: Sequence[str] = (),
) -> str:
    """What is printed once everything listens."""
    addresses = {part.name: found.address for part, found in running}
    lines = ["", "  Vox is up."]
    if (talk := addresses.get("agent")) is not None:
        stream = f"{talk.replace('http', 'ws', 1)}/telephony/ws"
        lines[1] += " " + TALK.format(address=talk, stream=stream, vox=sys.argv[0]).rstrip()
    if (chat := addresses.get("chat")) is not None:
        lines.append(f"  Your community is at {chat}/ and is set up there.")
    lines += [f"  {part.name:<10} {found.address:<24} {part.shows}" for part, found in running]
    lines += [f"  {note}" for note in notes]
    if models:
        shown = models[0].configuration.replace("\n", "\n    ")
        lines += [
            f"  {models[0].name} runs here; your own agent talks to it with these lines in config.json:",
            f"    {shown}",
        ]
    return "\n".join(
        [*lines, f"  State is kept in {data}.", "  Stop it with Ctrl-C; calls in progress are not cut.", ""]
    )


def _agent_environment(choices: Choices) -> dict[str, str]:
    from vox.providers.models.store import FOLDER_VARIABLE

    return {FOLDER_VARIABLE: str(choices.data / "models"), **choices.environment}


def _agent_settings(choices: Choices) -> "Loaded[AgentSettings]":
    from vox.agent.config.settings import load
    from vox.cli.agent import IDLE
    from vox.media.webrtc.contract import is_installed

    environment = _agent_environment(choices)
    flows = files("vox.agent.config")
    messages = str((choices.data / "messages.jsonl").absolute())
    overrides: dict[str, Any] = {
        "agents": {
            "bistro": {"flow": str(flows / "demo.yaml"), "messages_file": messages},
            "reception": {"flow": str(flows / "receptionist.yaml"), "messages_file": messages},
        },
        "default_agent": "bistro",
        "transport": "both" if is_installed() else "websocket",
        "stt_provider": "offline",
        "tts_provider": "offline",
        "turn_detection": "words",
        "turn_stop_secs": 0.6,
        **IDLE,
        "host": choices.host or environment.get("VOXRAY_HOST") or "127.0.0.1",
    }
    if choices.port is not None:
        overrides["port"] = choices.ports.get("agent", choices.port) if choices.port == 0 else choices.port
    if choices.rooms is not None:
        overrides |= choices.rooms.for_agent()
    return load(None, environment, overrides)


def _agent(choices: Choices) -> Plan:
    from vox.cli.models import chosen

    environment = _agent_environment(choices)
    loaded = _agent_settings(choices)
    settings = loaded.settings

    @asynccontextmanager
    async def serve() -> AsyncGenerator[Running]:
        from vox.agent.app import create_app
        from vox.http.server import Server
        from vox.providers.models.background import BackgroundInstallation
        from vox.providers.models.store import ModelStore, models_folder
        from vox.runtime.clock import SystemClock
        from vox.runtime.lifecycle import Lifecycle

        clock = SystemClock()
        lifecycle = Lifecycle(clock, settings.drain_timeout_secs)
        names = chosen(environment)
        installation = (
            BackgroundInstallation(ModelStore(models_folder(environment)), names, environment) if names else None
        )
        app = create_app(
            settings,
            environment=environment,
            lifecycle=lifecycle,
            clock=clock,
            installation=installation,
            local_relay=choices.rooms.find_relay if choices.rooms is not None else None,
        )
        options: dict[str, Any] = {"trusted_proxies": ",".join(settings.trusted_proxies)}
        if settings.tls_enable:
            options |= {"tls_cert": settings.tls_cert_file, "tls_key": settings.tls_key_file}
        agents = app.server
        async with agents, Server(app, settings.bind_host, settings.bind_port, **options) as server:
            yield Running(server.address, lifecycle, agents.end_calls)

    return Plan(serve, loaded.warnings, settings.log_level, settings.json_logs)


def _directory(choices: Choices) -> Plan:
    from vox.directory.settings import DirectorySettings, load
    from vox.runtime.settings import describe

    variables = {setting.key: setting.env for setting in describe(DirectorySettings)}
    given = {"server.host": choices.host, "server.port": choices.port_of("directory")}
    defaults: dict[str, Any] = {"server.host": "127.0.0.1", "database.path": str(choices.data / "relays.db")}
    if choices.is_local:  # for a relay on this machine; no other machine can register one
        defaults["outbound.allowed_private"] = ["127.0.0.0/8", "::1/128"]
    unsaid = {key: value for key, value in defaults.items() if not any(map(choices.environment.get, variables[key]))}
    said = {key: value for key, value in given.items() if value is not None}
    loaded = load(None, choices.environment, {**unsaid, **said})
    settings = loaded.settings

    @asynccontextmanager
    async def serve() -> AsyncGenerator[Running]:
        import secrets
        from random import Random

        from vox.directory.app import create_app
        from vox.directory.server import Directory, Parts
        from vox.http.server import Server
        from vox.runtime.clock import SystemClock
        from vox.runtime.lifecycle import Lifecycle
        from vox.runtime.metrics import Metrics

        clock = SystemClock()
        lifecycle = Lifecycle(clock, settings.server.drain_timeout_ms / 1000)
        chance = Random(secrets.randbits(256))  # noqa: S311  jitter and draws; what must not be guessed comes from secrets
        directory = Directory(settings, Parts(clock, Metrics(process=True), lifecycle, chance))
        host, port = settings.server.host, settings.server.port
        async with directory, Server(create_app(directory), host, port) as server:
            yield Running(server.address, lifecycle)

    return Plan(serve, loaded.warnings, settings.logs.level, settings.logs.json_lines)


def _chat_settings(choices: Choices) -> "Loaded[ChatSettings]":
    from vox.chat.config.settings import load_chat_settings

    environment = choices.environment
    defaults = {
        "database_url": ("VOX_DATABASE_URL", f"sqlite+aiosqlite:///{choices.data / 'vox.db'}"),
        "storage_path": ("VOX_STORAGE_PATH", str(choices.data / "uploads")),
    }
    unsaid = {key: value for key, (variable, value) in defaults.items() if not environment.get(variable)}
    given = {"http_host": choices.host, "http_port": choices.port_of("chat")}
    said = {key: value for key, value in given.items() if value is not None}
    rooms = choices.rooms.for_chat(environment) if choices.rooms is not None else {}
    return load_chat_settings(environment, {**unsaid, **rooms, **said})


def _chat(choices: Choices) -> Plan:
    loaded = _chat_settings(choices)
    settings = loaded.settings

    @asynccontextmanager
    async def serve() -> AsyncGenerator[Running]:
        from vox.chat.app import make_app
        from vox.chat.server import Parts
        from vox.http.server import Server
        from vox.runtime.clock import SystemClock
        from vox.runtime.lifecycle import Lifecycle
        from vox.runtime.metrics import Metrics

        _make_folder(choices.data)
        clock = SystemClock()
        lifecycle = Lifecycle(clock, settings.drain_timeout_s)
        app = make_app(settings, Parts(clock, Metrics(process=True), lifecycle))
        host, proxies = settings.http_host, ",".join(settings.trusted_proxies)
        async with Server(app, host, settings.http_port, trusted_proxies=proxies) as server:
            yield Running(server.address, lifecycle, app.server.drain)

    return Plan(serve, loaded.warnings, settings.log_threshold, settings.log_format == "json")


PARTS = (
    Part("agent", "talk page, phone calls", _agent),
    Part("relay", "voice rooms, for people, agents and callers", plan_relay),
    Part("chat", "a community in the browser; REST and gateway, /docs", _chat),
    Part("directory", "relays on a map", _directory),
)

_SHOWN_DATA = "$XDG_DATA_HOME/vox, else ~/.local/share/vox"


def _usual_data(environment: Mapping[str, str]) -> Path:
    given = environment.get("XDG_DATA_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".local" / "share") / "vox"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the folder {folder} cannot be created: {error.strerror}",
            code="database_unusable",
            hint="choose a folder that you may write to with --data",
        ) from error


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = [part.name for part in PARTS]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise argparse.ArgumentTypeError(
            f"{', '.join(unknown) or 'nothing'} is not a part; choose from {', '.join(known)}"
        )
    return names


def _of(part: Part, make: Callable[[], T]) -> T:
    try:
        return make()
    except VoxError as error:
        raise _named(part, error, is_alone=True) from error


def _named(part: Part, error: VoxError, *, is_alone: bool) -> VoxError:
    """The same error, saying which part it is about, and what else there is to do where its port is taken."""
    hints = [error.hint] if error.hint else []
    if error.code == "address_in_use":
        hints.append("--port 0 picks free ones")
        if not is_alone:
            others = ",".join(other.name for other in PARTS if other is not part)
            hints.append(f"--only {others} leaves this part out")
    return type(error)(f"the {part.name} cannot start: {error.args[0]}", code=error.code, hint="; ".join(hints))


def _say(text: str) -> None:
    """Prints in one piece; a closed output is no reason to end."""
    try:
        print(f"{text}\n", end="", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter fails again at its end


@contextmanager
def _drained_by_signals(lifecycles: Sequence["Lifecycle"]) -> Generator[None]:
    """While the block runs, SIGTERM and SIGINT drain all of them."""
    from vox.runtime.lifecycle import owned_signals

    def drain() -> None:
        for each in lifecycles:
            each.drain()

    with owned_signals(drain):
        yield


async def _finish(part: Running) -> None:
    """Waits until a part is told to drain and has nothing left, or its deadline has passed; then ends what is left."""
    from vox.runtime.logging import get_logger

    if not await part.lifecycle.drained():
        get_logger(__name__).warning("drain deadline passed", address=part.address, holds=part.lifecycle.holds)
    part.lifecycle.stop()
    if part.end_work is not None:
        await part.end_work()
