"""The `vox` command: finds the sub-command, runs it, and turns errors into one line and an exit code.

Each sub-command is one module of this folder with `register(subparsers)` and `run(args) -> int`; a command with commands of
its own may set `run` as its parser's default instead. Without a command it is `chat`, as the original had it. Only the module of the command that is given is imported, so that
the help comes at once however much a server imports.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from types import ModuleType
from typing import Final

from vox.errors import UsageError, VoxError

COMMANDS: Final = {
    "up": "run everything on this machine, with offline speech and a demo agent",
    "agent": "serve voice agents by browser and phone",
    "chat": "serve a community: messages, roles, files, events",
    "relay": "carry voice rooms: people, agents and callers",
    "directory": "keep the list of relays and find the nearest healthy ones",
    "worker": "carry calls of a fleet, with exact capacity",
    "bridge": "place outbound calls on the fleet of call workers",
    "fleet": "restart call workers, see how they are, configure nginx for them",
    "web": "export the web client for another server",
    "models": "install the weights of offline speech, and check them",
    "simulate": "play a telephone carrier, for tests without one",
    "call": "place a simulated phone call and measure the answers",
    "eval": "hold conversations with an agent and check what it says and does",
    "bench": "measure how much this machine can hold",
    "doctor": "say what is wrong with this installation",
}

OWN_FLAGS: Final = frozenset({"-h", "--help", "--version"})

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
EXIT_PIPE_CLOSED = 141  # 128 + SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 1 failed, 2 wrong input, 130 interrupted, 141 where the reader of its output left."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in OWN_FLAGS):
        arguments.insert(0, "chat")
    name = next((word for word in arguments if not word.startswith("-")), "")
    command = load_command(name) if name in COMMANDS else None
    parser = build_parser(command)
    args = parser.parse_args(arguments)
    try:
        status = int(getattr(args, "run", (command or load_command(args.command)).run)(args))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter's last flush fails again
        return EXIT_PIPE_CLOSED
    except VoxError as error:
        _report(name, error)
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return status


def _report(name: str, error: VoxError) -> None:
    """One line on standard error: text, or a JSON object where the log is one."""
    logs = sys.modules.get("vox.runtime.logging")  # a command that has not imported it writes no log
    if logs is not None and logs.is_json():
        logs.get_logger("vox.cli.main").error("command failed", command=name, code=error.code, error=str(error))
    else:
        print(f"vox {name}: {error} [{error.code}]", file=sys.stderr)


def load_command(name: str) -> ModuleType:
    """The module of a command."""
    return importlib.import_module(f"vox.cli.{name}")


def build_parser(command: ModuleType | None) -> argparse.ArgumentParser:
    """The command line of `vox`, with the options of one command."""
    parser = argparse.ArgumentParser(prog="vox", description="Self-hosted real-time voice.")
    parser.add_argument("--version", action="version", version=f"vox {version('vox-server')}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, text in COMMANDS.items():
        if command is not None and command.__name__ == f"vox.cli.{name}":
            command.register(subparsers)
        else:
            subparsers.add_parser(name, help=text)
    return parser
