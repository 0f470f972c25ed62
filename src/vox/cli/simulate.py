"""`vox simulate`: telephone carriers on this machine, for an application or a test that would otherwise need an account."""

import argparse
import asyncio
import os
import re
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vox.errors import UsageError

if TYPE_CHECKING:
    from vox.cli.offline_speech import OfflineSpeech
    from vox.clients.carrier_simulator.call import SimulatedCarrierCall
    from vox.clients.carrier_simulator.scenario import Scenario
    from vox.clients.carrier_simulator.server import Accounts, CarrierSimulator
    from vox.security.addresses import Network

PORT: Final = 8200
MAX_WAITING: Final = 200
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
    parser.add_argument("--cafile", type=Path, metavar="FILE", help="trust the certificates in this PEM file")
    parser.add_argument(
        "--keep-audio",
        type=float,
        default=120.0,
        metavar="S",
        help="keep the first S seconds of each call's audio (120)",
    )
    parser.add_argument(
        "--transcripts", action="store_true", help="recognise what both sides said, offline, and log it"
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
        print(f"The scenario is right; rules: {len(scenario.rules)}.")
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

    from vox.cli.call import trusting
    from vox.cli.offline_speech import OfflineSpeech
    from vox.clients.carrier_simulator.server import CarrierSimulator
    from vox.runtime.clock import SystemClock
    from vox.runtime.lifecycle import Lifecycle, run_until_stopped
    from vox.runtime.logging import get_logger
    from vox.runtime.tasks import supervised

    accounts = accounts_of(os.environ)
    ended: asyncio.Queue[SimulatedCarrierCall] = asyncio.Queue(MAX_WAITING)

    def keep(call: "SimulatedCarrierCall") -> None:
        if args.recordings is None and not args.transcripts:
            return
        try:
            ended.put_nowait(call)
        except asyncio.QueueFull:
            get_logger(__name__).warning("recording skipped: too many wait", call_id=call.record.call_id)

    lifecycle = Lifecycle(SystemClock(), drain_timeout_s=0.0)
    async with AsyncExitStack() as stack:
        speech = await stack.enter_async_context(OfflineSpeech())
        simulator = CarrierSimulator(
            scenario,
            accounts=accounts,
            host=args.host,
            port=args.port,
            speed=args.speed,
            speaker=speech.speak,
            networks=args.networks,
            tls=None if args.cafile is None else trusting(args.cafile),
            max_track_s=args.keep_audio,
            on_end=keep,
        )
        await stack.enter_async_context(simulator)
        await stack.enter_async_context(
            supervised(
                lambda: _record(ended, speech, args.recordings, args.transcripts), "keep what simulated calls said"
            )
        )
        lifecycle.ready()
        await run_until_stopped(lifecycle, partial(_print_accounts, simulator, accounts))


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


async def _record(
    ended: "asyncio.Queue[SimulatedCarrierCall]", speech: "OfflineSpeech", folder: Path | None, is_transcribed: bool
) -> None:
    """Writes each call's audio, and logs what was said in it, when the call is over."""
    from vox.clients.audio_files import write_wav
    from vox.runtime.logging import get_logger

    log = get_logger(__name__)
    while True:
        call = await ended.get()
        if call.leg is None:
            continue
        record, report = call.record, call.leg.report()
        if folder is not None:
            file = folder / f"{record.carrier}-{_FILE_NAME.sub('-', record.call_id)}.wav"
            await asyncio.to_thread(write_wav, file, (report.caller_track, report.agent_track), report.sample_rate)
        if is_transcribed:
            tracks = {"callee": report.caller_track, "agent": report.agent_track}
            for one in await speech.transcribe(tracks, report.sample_rate):
                log.info("said", call_id=record.call_id, speaker=one.speaker, at_s=one.began_s, text=one.text)


def _speed(text: str) -> float:
    value = float(text)  # ValueError is argparse's own way to refuse
    if not 0 < value <= 1000:  # noqa: PLR2004  ringing of a millisecond
        raise argparse.ArgumentTypeError("give a number above 0, up to 1000")
    return value


def _network(text: str) -> "Network":
    return ip_network(text)  # ValueError is argparse's own way to refuse
