"""`vox up`: everything in one process on embedded defaults; today that is the agent with the demo flow."""

import argparse
import os
from importlib.resources import files

from vox.cli.agent import serve_agent

BANNER = """
  Vox is up. Open {address}/ and talk to it.
  A simulated phone call:  {vox} call --carrier twilio --say "what are your opening hours" {stream}
  Stop it with Ctrl-C; calls in progress are not cut.
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser("up", help="run everything on this machine, with offline speech and a demo agent")
    parser.add_argument("--port", type=int, help="port of the talk page (default 8080; 0 picks a free one)")
    parser.add_argument("--host", help="bind address (default 127.0.0.1: browsers give a microphone to localhost only)")


def run(args: argparse.Namespace) -> int:
    """Serves until told to stop."""
    from vox.agent.settings import load  # noqa: PLC0415  heavy, and not needed for `vox --help`
    from vox.runtime.serving import run as run_loop  # noqa: PLC0415

    environment = dict(os.environ)
    overrides = {
        "flow": str(files("vox.agent") / "demo.yaml"),
        "stt_provider": "pocketsphinx",
        "tts_provider": "espeak",
        "turn_detection": "silence",
        "turn_stop_secs": 0.4,
        "host": args.host or environment.get("VOXRAY_HOST") or "127.0.0.1",
    }
    if args.port is not None:
        overrides["port"] = args.port
    loaded = load(None, environment, overrides)
    return run_loop(serve_agent(loaded.settings, environment, warnings=loaded.warnings, banner=BANNER))
