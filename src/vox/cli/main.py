"""The `vox` command: finds the sub-command, runs it, and turns errors into one line and an exit code.

Each sub-command is one module of this folder with `register(subparsers)` and `run(args) -> int`. All of them are
imported to build the help text, so their top level stays light: heavy imports belong into `run`.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import version
from types import ModuleType

from vox.errors import UsageError, VoxError

COMMANDS = ("up", "agent", "call", "bench", "doctor")

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 1 failed, 2 wrong input, 130 interrupted."""
    modules = _load_commands()
    parser = _build_parser(modules)
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return EXIT_USAGE
    try:
        return int(modules[args.command].run(args))
    except VoxError as error:
        print(f"vox {args.command}: {error} [{error.code}]", file=sys.stderr)
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _load_commands() -> dict[str, ModuleType]:
    modules: dict[str, ModuleType] = {}
    for name in COMMANDS:
        full_name = f"vox.cli.{name}"
        try:
            modules[name] = importlib.import_module(full_name)
        except ModuleNotFoundError as error:
            if error.name != full_name:
                raise
    return modules


def _build_parser(modules: dict[str, ModuleType]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vox", description="Self-hosted real-time voice.")
    parser.add_argument("--version", action="version", version=f"vox {version('vox-server')}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for module in modules.values():
        module.register(subparsers)
    return parser
