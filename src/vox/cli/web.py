"""`vox web`: puts the built web client where another server serves it."""

import argparse
import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from vox.errors import UsageError
from vox.runtime.pages import BUILT, HOW_TO_BUILD, POLICY_FILE, ClientPages, policy


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command line of `vox web`."""
    parser = subparsers.add_parser("web", help="export the web client for another server")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    export = actions.add_parser("export", help="write the client's files into a folder")
    export.add_argument("folder", type=Path, metavar="FOLDER", help="where to; files of an earlier export are replaced")
    export.add_argument(
        "--server",
        default="/",
        metavar="ADDRESS",
        help="the chat server as browsers reach it, as https://chat.example.com/ (default /: where the page comes from)",
    )
    export.add_argument(
        "--connect",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a further address that the page connects to: relay, agents; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Exports; always 0.

    Raises:
        UsageError: the client is not built (client_not_built), the address is none (invalid_value), or the folder cannot be written (folder_unusable).
    """
    export(args.folder, args.server, args.connect)
    print(
        f"The web client is in {args.folder}. Send the header of {POLICY_FILE} with every file; docs/how-to/web-client.md"
    )
    return 0


def export(folder: Path, server: str, connect: list[str], built: Path = BUILT) -> None:
    """Writes the client, the name of its server, and the policy header that its page needs.

    Args:
        folder: made where it is not there.
        server: an address, or a path of the origin that serves the folder.
        connect: further addresses that the page connects to.
        built: where the client was built.

    Raises:
        UsageError: as of `run`.
    """
    if not ClientPages(folder=built).is_built:
        raise UsageError("the web client is not built", code="client_not_built", hint=HOW_TO_BUILD)
    parts = urlsplit(server)
    if not (server.startswith("/") or (parts.scheme in {"http", "https"} and parts.hostname)):
        raise UsageError(
            f"{server} is no address of a server", code="invalid_value", hint="as https://chat.example.com/, or a path"
        )
    try:
        assets = folder / "assets"
        if assets.is_dir():
            shutil.rmtree(assets)
        shutil.copytree(built, folder, dirs_exist_ok=True)
        for stale in folder.glob("client.json.*"):
            stale.unlink()
        (folder / "client.json").write_text(json.dumps({"server": server}) + "\n")
        (folder / POLICY_FILE).write_text(policy([server, *connect]) + "\n")
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror}", code="folder_unusable", hint="choose another folder"
        ) from error
