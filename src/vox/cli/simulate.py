"""`vox simulate`: telephone carriers on this machine, for an application or a test that would otherwise need an account."""

import argparse
import asyncio
import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vox.errors import UsageError

if TYPE_CHECKING:
    from vox.clients.carrier_simulator.scenario import Scenario
    from vox.clients.carrier_simulator.server import Accounts, CarrierSimulator
    from vox.security.addresses import Network

PORT: Final = 8200
_FILE_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")
_ENVIRONMENT: Final = {
    "twilio_account_sid": "TWILIO_ACCOUNT_SID",
    "twilio_auth_token": "TWILIO_AUTH_TOKEN",
    "telnyx_api_key": "TELNYX_API_KEY",
    "plivo_auth_id": "PLIVO_AUTH_ID",
    "plivo_auth_token": "PLIVO_AUTH_TOKEN",
    "exotel_account_sid": "EXOTEL_ACCOUNT_SID",
    "exotel_api_key": "EXOTEL_API_KEY",
    "exotel_api_token": "EXOTEL_API_TOKEN",
}


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command to the parser."""
    parser = subparsers.add_parser(
        "simulate",
        help="play a telephone carrier, for tests without one",
        description="Serves the REST APIs of Twilio, Telnyx, Plivo and Exotel, and plays the people who are called. Nothing"
        " reaches a telephone network, and requests go to this machine only.",
        epilog=f"Credentials are read from ${', $'.join(_ENVIRONMENT.values())}, where they are set.",
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"bind port ({PORT}; 0 picks a free one)")
    parser.add_argument("--host", default="127.0.0.1", help="bind address (127.0.0.1)")
    parser.add_argument("--scenario", type=Path, metavar="FILE", help="YAML or JSON: which number behaves how")
    parser.add_argument("--check", action="store_true", help="read the scenario, say whether it is right, and exit")
    parser.add_argument("--speed", type=_speed, default=1.0, metavar="N", help="ring N times faster than real time (1)")
    parser.add_argument(
        "--allow-network",
        dest="networks",
        action="append",
        type=_network,
        default=[],
        metavar="CIDR",
        help="send callbacks and streams there too, such as 172.16.0.0/12 for containers",
    )
    parser.add_argument(
        "--recordings",
        type=Path,
        metavar="FOLDER",
        help="write a WAV file of every answered call: callee left, agent right",
    )


def run(args: argparse.Namespace) -> int:
    """Serves until stopped, or checks a scenario."""
    from vox.http.server import run as run_loop

    return run_loop(_run(args))


async def _run(args: argparse.Namespace) -> int:
    from vox.clients.carrier_simulator.scenario import Scenario
    from vox.clients.carrier_simulator.scenario_file import load_scenario
    from vox.runtime.logging import configure

    scenario = Scenario() if args.scenario is None else load_scenario(args.scenario)
    if args.check:
        print(f"The scenario is right: {len(scenario.rules)} rules.")
        return 0
    if args.recordings is not None and not args.recordings.is_dir():
        raise UsageError(
            f"{args.recordings} is not a folder", code="bad_audio_file", hint="make it first, or give another"
        )
    configure()
    await _serve(args, scenario)
    return 0


async def _serve(args: argparse.Namespace, scenario: "Scenario") -> None:
    from contextlib import AsyncExitStack

    from vox.cli.spoken_text import synthesize
    from vox.clients.carrier_simulator.server import CarrierSimulator
    from vox.runtime.clock import SystemClock
    from vox.runtime.lifecycle import Lifecycle, run_until_stopped
    from vox.runtime.tasks import supervised

    accounts = accounts_of(os.environ)
    simulator = CarrierSimulator(
        scenario,
        accounts=accounts,
        host=args.host,
        port=args.port,
        speed=args.speed,
        speaker=synthesize,
        networks=args.networks,
    )
    lifecycle = Lifecycle(SystemClock(), drain_timeout_s=0.0)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(simulator)
        if args.recordings is not None:
            await stack.enter_async_context(
                supervised(lambda: _record(simulator, args.recordings), "write recordings of simulated calls")
            )
        _print_accounts(simulator, accounts)
        lifecycle.ready()
        await run_until_stopped(lifecycle)


def accounts_of(environment: "os._Environ[str] | dict[str, str]") -> "Accounts":
    """The accounts of the simulator: those of the environment, so that an application keeps its configuration, else the defaults."""
    from vox.clients.carrier_simulator.server import Accounts

    given: dict[str, Any] = {
        name: environment[variable] for name, variable in _ENVIRONMENT.items() if environment.get(variable)
    }
    return Accounts(**given)


def _print_accounts(simulator: "CarrierSimulator", accounts: "Accounts") -> None:
    print(f"Carriers are simulated at {simulator.url}; stop with Ctrl-C.")
    lines = (
        ("twilio", f"account {accounts.twilio_account_sid}", "TWILIO_AUTH_TOKEN", accounts.twilio_auth_token),
        ("telnyx", f"public key {simulator.telnyx.key.public_key}", "TELNYX_API_KEY", accounts.telnyx_api_key),
        ("plivo", f"auth id {accounts.plivo_auth_id}", "PLIVO_AUTH_TOKEN", accounts.plivo_auth_token),
        (
            "exotel",
            f"account {accounts.exotel_account_sid}, key {accounts.exotel_api_key}",
            "EXOTEL_API_TOKEN",
            accounts.exotel_api_token,
        ),
    )
    for carrier, account, variable, secret in lines:
        shown = f"${variable}" if os.environ.get(variable) else secret  # the default opens nothing but a simulator
        print(f"  {carrier:7} {account}, secret {shown}", flush=True)


async def _record(simulator: "CarrierSimulator", folder: Path) -> None:
    """Writes each call's audio when the call is over."""
    from vox.clients.audio_files import write_wav

    written: set[str] = set()
    while True:
        for call in [*simulator.calls]:
            call_id = call.record.call_id
            if call.leg is None or not call.record.status.is_final or call_id in written:
                continue
            written.add(call_id)
            report = call.leg.report()
            file = folder / f"{call.record.carrier}-{_FILE_NAME.sub('-', call_id)}.wav"
            await asyncio.to_thread(write_wav, file, (report.caller_track, report.agent_track), report.sample_rate)
        await simulator.calls.changed()


def _speed(text: str) -> float:
    value = float(text)  # ValueError is argparse's own way to refuse
    if not 0 < value <= 1000:  # noqa: PLR2004  ringing of a millisecond
        raise argparse.ArgumentTypeError("give a number above 0, up to 1000")
    return value


def _network(text: str) -> "Network":
    return ip_network(text)  # ValueError is argparse's own way to refuse
