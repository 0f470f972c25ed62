"""`vox fleet`: restarts call workers without a dropped call, and says how they are."""

import argparse
import os


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its own commands."""
    parser = subparsers.add_parser("fleet", help="restart call workers, see how they are, configure nginx for them")
    commands = parser.add_subparsers(dest="fleet_command", metavar="COMMAND", title="commands", required=True)
    supervise = commands.add_parser("supervise", help="run a worker as the main process of a systemd unit")
    supervise.add_argument("worker", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the worker")
    supervise.set_defaults(action=_supervise)
    detach = commands.add_parser("detach", help="let a worker outlive the restart of its unit (for ExecStop)")
    detach.add_argument("unit", help="the unit, as in voxcore@1.service")
    detach.add_argument("main_pid", type=int, metavar="MAINPID", help="the unit's main process")
    detach.add_argument(
        "--keep-secs", type=float, default=3700, metavar="SECONDS", help="how long it may take when the machine stops"
    )
    detach.set_defaults(action=_detach)
    retire = commands.add_parser("retire", help="tell replaced workers to leave the port (for ExecStartPost)")
    retire.add_argument("unit", help="the unit whose worker is ready")
    retire.set_defaults(action=_retire)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    return int(args.action(args))


def _supervise(args: argparse.Namespace) -> int:
    from vox.fleet.operations.supervisor import supervise

    command = args.worker[1:] if args.worker[:1] == ["--"] else args.worker
    return supervise(command, os.environ)


def _detach(args: argparse.Namespace) -> int:
    from vox.fleet.operations.scopes import detach

    scope = detach(args.unit, args.main_pid, keep_s=args.keep_secs)
    print(f"{args.unit}: " + (f"goes on as {scope}" if scope else "drains in its unit"))
    return 0


def _retire(args: argparse.Namespace) -> int:
    from vox.fleet.operations.scopes import retire

    for scope in retire(args.unit):
        print(f"{scope}: told to leave the port")
    return 0
