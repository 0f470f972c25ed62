"""`vox eval`: holds the conversations of scenario files with an agent, and says whether it did what was expected.

The agent is a running server (`--url`), one started from a configuration for the length of the run, or the demo's.
"""

import argparse
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from vox.errors import UsageError

if TYPE_CHECKING:
    from vox.cli.eval_models import EvalModels
    from vox.cli.offline_speech import OfflineSpeech
    from vox.clients.evals.loading import AnyScenario
    from vox.clients.evals.runner import EvalResult
    from vox.clients.evals.station import Station

EXIT_FAILED: Final = 1
MAX_JOBS: Final = 64
DEMO_SUITES: Final = ("demo.evals.yaml", "receptionist.evals.yaml")
_READY_TIMEOUT_S: Final = 120.0


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "eval",
        help="hold conversations with an agent and check what it says and does",
        description="Holds the conversations of scenario files with an agent. Exit code: 0 all passed, 1 one failed, 2 wrong input.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="scenario files (YAML, JSON), or folders")
    parser.add_argument("-config", "--config", type=Path, metavar="FILE", help="one more scenario file")
    parser.add_argument("--demo", action="store_true", help="the scenarios of the demo agents that `vox up` runs")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", metavar="URL", help="the agent server, such as http://localhost:8080")
    where.add_argument(
        "-voxray-config",
        "--voxray-config",
        "--agent-config",
        dest="agent_config",
        type=Path,
        metavar="FILE",
        help="start an agent server with this configuration for the run (default: config.json, if there is one)",
    )
    parser.add_argument(
        "-scenario", "--scenario", action="append", default=[], metavar="NAME", help="only this one; may be repeated"
    )
    parser.add_argument("--transport", metavar="NAME", help="run all over this one: typed, ws, or a carrier")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="scenarios at once (default 4)")
    parser.add_argument(
        "-out-dir", "--out-dir", type=Path, metavar="FOLDER", help="where the reports go (default: eval-DATE-TIME)"
    )
    parser.add_argument(
        "--header", action="append", default=[], metavar="NAME:VALUE", help="send this HTTP header, such as an API key"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show what was checked in scenarios that passed")


def run(args: argparse.Namespace) -> int:
    """Runs the scenarios; 0 when all passed, 1 when one did not."""
    import uvloop

    if not 1 <= args.jobs <= MAX_JOBS:
        raise UsageError(f"--jobs is {args.jobs}", code="bad_eval_arguments", hint=f"give 1 to {MAX_JOBS}")
    return uvloop.run(_run(args, _scenarios(args)))


async def _run(args: argparse.Namespace, scenarios: "Sequence[AnyScenario]") -> int:
    from vox.cli.eval_models import EvalModels
    from vox.cli.offline_speech import OfflineSpeech
    from vox.clients.evals.progress import Progress
    from vox.clients.evals.report_files import make_folder, write_reports
    from vox.clients.evals.runner import Bench, run_all
    from vox.clients.evals.scenario import ModelScenario, Scenario
    from vox.runtime.clock import SystemClock

    clock = SystemClock()
    folder: Path = args.out_dir or Path(f"eval-{clock.wall():%Y%m%d-%H%M%S}")
    config = _agent_config(args)
    calls = [one for one in scenarios if isinstance(one, Scenario)]
    if calls and config is None and args.url is None and not args.demo:
        raise UsageError(
            "there is no agent to call",
            code="bad_eval_arguments",
            hint="give --url of a running server, or -voxray-config to start one from a configuration",
        )
    given_headers = [_header(each) for each in args.header]
    make_folder(folder)
    async with AsyncExitStack() as stack:
        speech = await stack.enter_async_context(OfflineSpeech())
        models = await stack.enter_async_context(EvalModels(config, os.environ))
        station = ask = None
        if any(isinstance(one, ModelScenario) for one in scenarios):
            ask = await models.under_test()
        if calls:
            if any(one.is_by_phone and one.needs_words for one in calls):
                await speech.transcribe({}, 8000)  # fails now where no recogniser works here
            url, headers = await stack.enter_async_context(_server(args, config, folder))
            station = _station(url, [*headers, *given_headers], speech, models)
        progress = Progress(len(scenarios), sys.stdout, is_verbose=args.verbose)
        try:
            results = await run_all(scenarios, Bench(clock, station, ask), progress, at_once=args.jobs)
        finally:
            progress.close()
    write_reports(results, folder, clock.wall())
    return _summary(results, folder)


def _summary(results: "Sequence[EvalResult]", folder: Path) -> int:
    passed = sum(result.passed for result in results)
    print(f"{passed} of {len(results)} scenarios passed; {folder / 'report.html'} has the details")
    return 0 if passed == len(results) else EXIT_FAILED


def _scenarios(args: argparse.Namespace) -> "list[AnyScenario]":
    """The scenarios that were asked for."""
    from vox.clients.evals.loading import load_files

    flows = Path(str(files("vox.agent.config")))
    paths = [*args.files, *([args.config] if args.config else [])]
    paths += [flows / name for name in DEMO_SUITES] if args.demo else []
    if not paths:
        raise UsageError(
            "there is no scenario to run",
            code="bad_eval_arguments",
            hint="name a scenario file, or try --demo; docs/how-to/test-your-agent.md shows how to write one",
        )
    found = load_files(paths, {"transport": args.transport} if args.transport else {})
    if unknown := sorted(set(args.scenario) - {one.name for one in found}):
        raise UsageError(
            f"there is no scenario named {unknown[0]!r}",
            code="bad_eval_arguments",
            hint=f"there are {', '.join(one.name for one in found)}",
        )
    return [one for one in found if not args.scenario or one.name in args.scenario]


def _agent_config(args: argparse.Namespace) -> Path | None:
    """The agent's configuration, where one is given or lies here."""
    if args.agent_config is not None:
        return args.agent_config
    default = Path("config.json")
    return default if default.exists() and not args.demo and args.url is None else None


@asynccontextmanager
async def _server(
    args: argparse.Namespace, config: Path | None, folder: Path
) -> AsyncGenerator[tuple[str, list[tuple[str, str]]]]:
    """The address of the agent server and the headers that it asks for.

    A server of our own, with the configuration or of the demo, runs until the block is left.
    """
    from vox.clients.server_process import free_port, serving
    from vox.providers.models.store import FOLDER_VARIABLE, models_folder
    from vox.runtime.clock import SystemClock

    if args.url is not None:
        yield args.url, []
        return
    port = free_port()
    environment = {"VOX_MODELS": "none", FOLDER_VARIABLE: str(models_folder(os.environ)), **os.environ}
    environment |= {"VOXRAY_TLS_ENABLE": "false"}  # to this machine alone, and the certificate is for another name
    command = [sys.executable, "-m", "vox"]
    headers: list[tuple[str, str]] = []
    with TemporaryDirectory() as data:
        if config is not None:
            command += ["agent", "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
            headers = _key(config, environment)
        else:
            command += ["up", "--only", "agent", "--host", "127.0.0.1", "--port", str(port), "--data", data]
        url = f"http://127.0.0.1:{port}"
        async with serving(
            command,
            ready_url=f"{url}/ready",
            clock=SystemClock(),
            log=folder / "server.log",
            environment=environment,
            ready_timeout_s=_READY_TIMEOUT_S,
        ):
            yield url, headers


def _key(config: Path, environment: Mapping[str, str]) -> list[tuple[str, str]]:
    from vox.agent.config.settings import load

    key = load(config, environment).settings.server_api_key.get_secret_value()
    return [("X-API-Key", key)] if key else []


def _station(url: str, headers: list[tuple[str, str]], speech: "OfflineSpeech", models: "EvalModels") -> "Station":
    from vox.clients.evals.dialling import redialling
    from vox.clients.evals.station import Station
    from vox.http.websocket import open_socket
    from vox.runtime.clock import SystemClock

    async def recognise(pcm: bytes, sample_rate: int) -> Sequence[tuple[float, str]]:
        return [(one.began_s, one.text) for one in await speech.transcribe({"agent": pcm}, sample_rate)]

    return Station(url, SystemClock(), speech.speak, recognise, models.caller, headers, redialling(open_socket))


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise UsageError(f"--header takes NAME:VALUE, not {text!r}", code="bad_header")
    return name.strip(), value.strip()
