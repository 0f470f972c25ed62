"""`vox doctor`: reports what is wrong with an installation, how to fix it, and what is switched off.

Each check is a function that returns findings; none changes anything. A check that cannot run is a finding too, so that one
broken part never hides the others.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from vox.cli.findings import Finding, check_certificate
from vox.errors import DependencyError, UsageError, VoxError

if TYPE_CHECKING:  # pydantic, the detector and the drivers are imported when the command runs, not for its help text
    from vox.agent.config.settings import AgentSettings

# A call holds its own socket; a vendor's driver may hold one for each of the three stages. The rest is for the process itself.
FILES_PER_CALL = 4
FILES_OF_THE_PROCESS = 200
EXPECTED_CALLS = 300
"""Calls that one core holds, for an installation without `max_concurrent_calls`."""

ASK_TIMEOUT_S = 1.0
MAX_HEALTH_BYTES = 1 << 16

OPTIONAL_PACKAGES = (
    ("pocketsphinx", "recognition without keys", "offline"),
    ("ctranslate2", "better recognition without keys", "offline"),
    ("espeakng_loader", "speech without keys", "offline"),
    ("openai", "OpenAI and compatible vendors", "openai"),
    ("grpc", "recognition by Google", "google"),
    ("aiortc", "calls over WebRTC", "webrtc"),
    ("redis", "sessions in Redis, chat processes", "redis"),
    ("av", "recordings in Opus", "opus"),
    ("obstore", "files and recordings in S3", "s3"),
    ("opentelemetry.sdk", "traces", "tracing"),
    ("pymysql", "transcripts in MySQL or MariaDB", "mysql"),
    ("mcp", "tools of MCP servers", "mcp"),
    ("phonenumbers", "outbound calls by the bridge", "bridge"),
    ("authlib", "login to the chat server by an organisation's provider", "oidc"),
    ("http_ece", "pushes to browsers by the chat server", "push"),
    ("re2", "regular expressions in rules of moderation", "moderation"),
)


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command line of `vox doctor`."""
    parser = subparsers.add_parser("doctor", help="say what is wrong with this installation")
    parser.add_argument(
        "--config", type=Path, help="configuration to check (default: $VOXRAY_CONFIG, else config.json)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON array instead of a table")


def run(args: argparse.Namespace) -> int:
    """Runs every check; the exit code is 1 if one failed."""
    from vox.runtime.logging import configure

    configure("warn")  # to standard error: standard output is the report
    findings = list(examine(args.config, os.environ))
    print(as_json(findings) if args.json else as_table(findings))
    return 1 if any(finding.status == "fail" for finding in findings) else 0


def examine(config: Path | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    """All findings, in the order in which a reader should see to them."""
    from vox.cli.relay_doctor import examine_relay

    yield Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    settings, findings = check_configuration(config, environment)
    yield from findings
    if settings is not None:
        yield check_port(settings.bind_host, settings.bind_port, is_tls=settings.tls_enable)
        if settings.tls_enable:
            yield check_certificate(settings.tls_cert_file, settings.tls_key_file)
        yield from check_providers(settings, environment)
        if settings.transcripts.enable:
            yield check_transcripts(settings)
        yield check_recordings(settings, environment)
        if settings.has_webrtc:
            yield check_webrtc(settings)
        if settings.session_store == "redis":
            yield check_session_store(settings)
        yield check_open_files(settings.max_concurrent_calls)
    yield from check_optional_parts()
    yield check_web_client()
    yield check_local_models(settings)
    yield check_models(environment)
    yield from examine_relay(environment)


def check_web_client(folder: Path | None = None) -> Finding:
    """Whether the page that the chat server shows to browsers is built."""
    from vox.runtime.pages import BUILT, HOW_TO_BUILD, ClientPages

    if ClientPages(folder=folder or BUILT).is_built:
        return Finding("web client", "ok", "built")
    return Finding("web client", "off", "not built: the chat server's address shows how", HOW_TO_BUILD)


def check_configuration(
    config: Path | None, environment: Mapping[str, str]
) -> tuple["AgentSettings | None", list[Finding]]:
    """Whether the configuration loads; its warnings are findings of their own."""
    from vox.agent.config.settings import load

    file = config or Path(environment.get("VOXRAY_CONFIG") or "config.json")
    if not file.exists() and config is None and not environment.get("VOXRAY_CONFIG"):
        remedy = "docs/how-to/configure-an-agent.md begins one; `vox up` needs none"
        return None, [Finding("configuration", "off", "no config.json here, so no agent is checked", remedy)]
    try:
        loaded = load(file, environment, {})
    except (VoxError, ImportError) as error:
        return None, [_failed("configuration", error)]
    warnings = [Finding("configuration", "warn", text, "see docs/operations/settings.md") for text in loaded.warnings]
    return loaded.settings, [Finding("configuration", "ok", str(file)), *warnings]


def check_port(host: str, port: int, *, is_tls: bool = False) -> Finding:
    """Whether the agent could listen where it is told to, or does already."""
    address = "127.0.0.1" if host == "localhost" else host
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if is_vox(address or "127.0.0.1", port, is_tls=is_tls):
                return Finding("port", "ok", f"{host or '*'}:{port}: Vox itself runs there")
            remedy = "stop what listens there, or set VOXRAY_PORT"
            return Finding("port", "fail", f"{host or '*'}:{port}: {error.strerror}", remedy)
    return Finding("port", "ok", f"{host or '*'}:{port} is free" if port else f"{host or '*'}, any free port")


def is_vox(host: str, port: int, *, is_tls: bool) -> bool:
    """Whether what listens there answers `/health` as an agent does."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared, not bound
    connection = (
        HTTPSConnection(address, port, timeout=ASK_TIMEOUT_S, context=ssl._create_unverified_context())  # noqa: S323, SLF001
        if is_tls
        else HTTPConnection(address, port, timeout=ASK_TIMEOUT_S)
    )
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        said = json.loads(answer.read(MAX_HEALTH_BYTES))
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()
    match said:
        case {"status": "ok", "data": {"status": "ok"}, "meta": {"requestId": str()}}:
            return True
        case _:
            return False


def check_local_models(settings: "AgentSettings | None") -> Finding:
    """Whether a language model server runs on this machine, and how to use it."""
    from vox.cli.local_models import PORTS, find_local_models

    own = {settings.bind_port} if settings is not None else set[int]()
    found = asyncio.run(find_local_models(without=own))
    if not found:
        names = ", ".join(f"{name} {port}" for name, port in PORTS.items())
        return Finding(
            "local model", "off", f"none of {names} answers on this machine", "see docs/how-to/configure-an-agent.md"
        )
    first = found[0]
    others = "".join(f"; also {one.name} at {one.port}" for one in found[1:])
    return Finding(
        "local model",
        "ok",
        f"{first.name} at port {first.port} offers {first.models[0]}{others}; in config.json:\n{first.configuration}",
    )


def check_providers(settings: "AgentSettings", environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the voice detector and every agent's providers open: their packages, models, programs and keys."""
    from vox.agent.config.resources import Resources
    from vox.agent.transcripts.settings import Transcripts
    from vox.runtime.clock import SystemClock
    from vox.runtime.metrics import NullMetrics

    async def open_and_close(only: "AgentSettings") -> None:
        async with Resources(only, SystemClock(), NullMetrics(), environment):
            pass

    for name, profile in settings.profiles().items():
        only: dict[str, object] = {"transcripts": Transcripts()}
        if settings.agents:
            only |= {"agents": {name: settings.agents[name]}, "default_agent": ""}
        try:
            asyncio.run(open_and_close(settings.model_copy(update=only)))
        except (VoxError, ImportError, OSError) as error:
            yield _failed(f"agent {name}", error)
        else:
            chain = (
                f"{profile.realtime_provider} (realtime)"
                if profile.realtime_provider
                else " → ".join((profile.stage("stt"), profile.stage("llm"), profile.stage("tts")))
            )
            yield Finding(f"agent {name}", "ok", f"{chain} open")


def check_transcripts(settings: "AgentSettings") -> Finding:
    """Whether the database of transcripts takes the login, and whether its table fits; makes the table as the server would."""
    from sqlalchemy.exc import SQLAlchemyError

    from vox.agent.transcripts.database import TranscriptDatabase, reason

    try:
        database = TranscriptDatabase(settings.transcripts.address(settings.folder), settings.transcripts.table_name)
    except VoxError as error:
        return _failed("transcripts", error)
    try:
        database.prepare()
    except VoxError as error:
        return _failed("transcripts", error)
    except SQLAlchemyError as error:
        return Finding("transcripts", "warn", reason(error), "start the database; until then rows wait in memory")
    finally:
        database.close()
    return Finding("transcripts", "ok", database.place)


def check_recordings(settings: "AgentSettings", environment: Mapping[str, str]) -> Finding:
    """Whether recordings can be stored where the configuration says, by storing a small file there."""
    from vox.agent.config.resources import Resources
    from vox.agent.transcripts.settings import Transcripts
    from vox.runtime.clock import SystemClock
    from vox.runtime.metrics import NullMetrics

    only = settings.model_copy(update={"transcripts": Transcripts()})  # which have a check of their own

    async def place() -> str:
        recordings = Resources(only, SystemClock(), NullMetrics(), environment).recordings
        if recordings is None:
            return ""
        await recordings.open_store()
        return settings.recording.bucket or str(settings.folder / settings.recording.folder)

    try:
        found = asyncio.run(place())
    except (VoxError, OSError) as error:
        return _failed("recordings", error)
    return Finding("recordings", "ok", f"stored in {found}") if found else Finding("recordings", "off", "not enabled")


def check_webrtc(settings: "AgentSettings") -> Finding:
    """Whether WebRTC calls can be taken, and whether the ports are enough for them."""
    from vox.agent.config.webrtc import port_range
    from vox.media.webrtc.contract import driver

    try:
        driver(settings.webrtc_driver)
    except UsageError as error:
        return _failed("webrtc", error)
    ports, calls = port_range(settings.webrtc_udp_ports), settings.max_concurrent_calls or EXPECTED_CALLS
    if ports is None:
        return Finding("webrtc", "ok", "media on any UDP port")
    detail = f"media on {len(ports)} UDP ports, and {calls} calls take one each for each network interface"
    if len(ports) < calls:
        return Finding("webrtc", "warn", detail, "widen webrtc_udp_ports, or set max_concurrent_calls")
    return Finding("webrtc", "ok", detail)


def check_session_store(settings: "AgentSettings") -> Finding:
    """Whether the Redis of the session store answers; it may come up later than this, so that its absence only warns."""
    from vox.agent.sessions.stores import make_stores
    from vox.runtime.clock import SystemClock
    from vox.runtime.metrics import NullMetrics

    async def ask() -> None:
        store = make_stores(settings, SystemClock(), NullMetrics()).sessions
        try:
            await store.check()
        finally:
            await store.close()

    try:
        asyncio.run(ask())
    except DependencyError as error:
        remedy = "start Redis, or correct redis_url; until then /start answers 503 and /ready fails"
        return Finding("session store", "warn", str(error), remedy)
    except VoxError as error:
        return _failed("session store", error)
    return Finding("session store", "ok", "redis answers")


def check_open_files(max_calls: int) -> Finding:
    """Whether this process may open as many sockets as the configured number of calls needs."""
    try:
        import resource
    except ImportError:
        return Finding("open files", "off", "this system has no such limit")
    calls = max_calls or EXPECTED_CALLS
    needed = FILES_OF_THE_PROCESS + calls * FILES_PER_CALL
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit not in {resource.RLIM_INFINITY, -1} and limit < needed:
        remedy = f"`ulimit -n {needed}`, or LimitNOFILE={needed} in the systemd unit"
        return Finding("open files", "warn", f"limit {limit}, {calls} calls may need {needed}", remedy)
    return Finding("open files", "ok", f"limit {limit}, enough for {calls} calls")


def check_optional_parts() -> Iterator[Finding]:
    """The optional features whose package is not installed."""
    for module, purpose, extra in OPTIONAL_PACKAGES:
        there = _is_installed(module)
        remedy = "" if there else f"run `make setup`, or `pip install '.[{extra}]'` in a checkout of Vox"
        yield Finding(purpose, "ok" if there else "off", module if there else f"{module} is not installed", remedy)
    program = shutil.which("flite")
    yield Finding(
        "speech by flite",
        "ok" if program else "off",
        program or "flite is not installed",
        "" if program else "apt-get install flite",
    )


def check_models(environment: Mapping[str, str]) -> Finding:
    """Which models of offline speech are installed, and whether the usual ones are."""
    from vox.providers.models.catalogue import SMALL_SET
    from vox.providers.models.store import ModelStore, models_folder

    store = ModelStore(models_folder(environment))
    there = [name for name in store.catalogue if store.files(name)]
    lacking = [name for name in SMALL_SET if name not in there]
    detail = ", ".join(there) or f"none in {store.folder}"
    if lacking:
        return Finding(
            "models", "off", detail, f"`vox models install {' '.join(lacking)}` brings better offline speech"
        )
    return Finding("models", "ok", detail)


def as_table(findings: Iterable[Finding]) -> str:
    """The findings as aligned text, remedies below what they remedy."""
    rows = list(findings)
    width = max((len(finding.check) for finding in rows), default=0)
    lines: list[str] = []
    for finding in rows:
        detail = finding.detail.replace("\n", f"\n{'':<{width + 8}}")
        lines.append(f"{finding.status:<4}  {finding.check:<{width}}  {detail}")
        if finding.remedy:
            lines.append(f"{'':<4}  {'':<{width}}  → {finding.remedy}")
    counts = {status: sum(finding.status == status for finding in rows) for status in ("fail", "warn", "off")}
    summary = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return "\n".join([*lines, "", summary or "nothing to complain about"])


def as_json(findings: Iterable[Finding]) -> str:
    """The findings as one JSON array of objects with check, status, detail and remedy."""
    return json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False)


def _failed(check: str, error: Exception) -> Finding:
    if not isinstance(error, VoxError):
        return Finding(check, "fail", f"{type(error).__name__}: {error}", "`make setup` installs what Vox runs on")
    return Finding(check, "fail", f"{error.args[0]} [{error.code}]", error.hint or "see docs/operations/errors.md")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a dotted name whose parent is missing
        return False
