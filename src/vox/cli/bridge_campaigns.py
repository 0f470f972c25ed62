"""`vox bridge import` and `vox bridge explain`: ask a bridge that runs, over its API."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vox.errors import UsageError

if TYPE_CHECKING:
    from vox.clients.bridge import BridgeClient

ACTIONS: Final = ("import", "explain")
DEFAULT_URL: Final = "http://127.0.0.1:8100"


def register(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the two actions."""
    importing = actions.add_parser("import", help="send a CSV file of recipients or of do-not-call numbers to a bridge")
    importing.add_argument("file", type=Path, metavar="FILE", help="CSV; the first line names the columns")
    target = importing.add_mutually_exclusive_group(required=True)
    target.add_argument("--campaign", metavar="ID", help="whose recipients they are")
    target.add_argument(
        "--do-not-call", choices=("global", "tenant", "campaign"), help="the list that the numbers come onto"
    )
    importing.add_argument("--owner", default="", help="the tenant or the campaign of the list")
    importing.add_argument(
        "--default-region", default="", metavar="XX", help="where numbers without a country code are dialled"
    )
    importing.add_argument(
        "--errors", type=Path, metavar="FILE", help="write every row that cannot be used into this CSV file"
    )
    _add_access(importing)
    explaining = actions.add_parser("explain", help="say why a campaign made a call, by making the decision again")
    explaining.add_argument("call", metavar="CALL", help="the id of the call")
    _add_access(explaining)


def run(args: argparse.Namespace) -> int:
    """Does what is asked for."""
    from vox.clients.bridge import BridgeClient

    key = args.key or os.environ.get("VOX_BRIDGE_KEY", "")
    if not key:
        raise UsageError("an API key is needed", code="unauthorized", hint="pass --key, or set VOX_BRIDGE_KEY")
    url = (args.url or os.environ.get("VOXBRIDGE_URL") or DEFAULT_URL).rstrip("/")
    with BridgeClient(url, key) as client:
        return _import(client, args) if args.action == "import" else _explain(client, args.call)


def _add_access(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help=f"of the bridge; default: $VOXBRIDGE_URL, else {DEFAULT_URL}")
    parser.add_argument(
        "--key", help="an API key with campaigns:write, for explain with campaigns:read; default: $VOX_BRIDGE_KEY"
    )


def _import(client: "BridgeClient", args: argparse.Namespace) -> int:
    """The id comes from the content, so the same command again goes on where a broken one stopped."""
    from hashlib import file_digest, sha256

    try:
        with args.file.open("rb") as file:
            content = file_digest(file, "sha256").hexdigest()
        size = args.file.stat().st_size
    except OSError as error:
        raise UsageError(f"{args.file} cannot be read: {error.strerror}", code="file_unreadable") from None
    target = f"{content} {args.campaign} {args.do_not_call} {args.owner}"
    import_id = f"file-{sha256(target.encode()).hexdigest()[:40]}"
    query = {"default_region": args.default_region}
    path = f"/v1/campaigns/{args.campaign}/imports/{import_id}"
    if args.do_not_call:
        path = f"/v1/do-not-call/imports/{import_id}"
        query |= {"scope": args.do_not_call, "owner": args.owner}
    done = client.send_csv(path, args.file, query, on_progress=_Progress(size))
    print(
        f"{done['accepted']} imported, {done['duplicates']} were there already, {done['rejected']} rows cannot be used"
        f" (import {done['id']})"
    )
    _show_errors(client, done, args.errors)
    return 0 if not done["rejected"] else 1


class _Progress:
    """Shows on a terminal how much of a file is sent."""

    def __init__(self, size: int) -> None:
        self._size = max(size, 1)
        self._shown = -1

    def __call__(self, sent: int) -> None:
        percent = sent * 100 // self._size
        if percent != self._shown and sys.stderr.isatty():
            self._shown = percent
            print(f"\r{percent} % sent", end="\n" if sent >= self._size else "", file=sys.stderr, flush=True)


def _show_errors(client: "BridgeClient", done: dict[str, Any], file: Path | None) -> None:
    if file is None:
        for one in done["errors"]:
            column = f", column {one['column']}" if one["column"] else ""
            print(f"row {one['row']}{column}: {one['reason']}")
        if done["rejected"] > len(done["errors"]):
            print("… and more; write all of them into a file with --errors FILE")
        return
    import csv

    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["row", "column", "reason"])
        writer.writerows([one["row"], one["column"], one["reason"]] for one in client.import_errors(done["id"]))
    print(f"the rows that cannot be used are in {file}")


def _explain(client: "BridgeClient", call_id: str) -> int:
    """The decision is made again here, from what the bridge has stored; whether it comes out the same is the exit status."""
    from datetime import UTC, datetime

    import msgspec

    from vox.fleet.campaigns.ledger import Entry
    from vox.fleet.campaigns.rules.decision import DialInputs, DialRules, decide

    is_good = True
    for one in client.explanation(call_id):
        entry = msgspec.convert(one["entry"], Entry)
        inputs = msgspec.json.decode(entry.inputs, type=DialInputs)
        repeated = decide(msgspec.convert(one["rules"], DialRules), inputs)
        is_same = (repeated.verdict, repeated.reason, repeated.not_before_ms) == (
            entry.verdict,
            entry.reason,
            entry.not_before_ms,
        )
        is_good = is_good and is_same and one["is_intact"]
        at = datetime.fromtimestamp(entry.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        print(f"{at}  {entry.verdict} ({entry.reason})  campaign {entry.campaign_id}, recipient {entry.recipient_id}")
        for line in _reasons(inputs):
            print(f"    {line}")
        print(f"    made again: {repeated.verdict} ({repeated.reason}), {'the same' if is_same else 'NOT the same'}")
        print(f"    the record is {'as it was written' if one['is_intact'] else 'CHANGED since it was written'}")
    return 0 if is_good else 1


def _reasons(inputs: Any) -> Iterator[str]:
    """What the decision depended on, in words."""
    from datetime import datetime

    from vox.fleet.campaigns.rules.windows import zone

    clocks = [
        f"{name} {datetime.fromtimestamp(inputs.at_ms / 1000, found):%a %H:%M}"
        for name in inputs.zones
        if (found := zone(name)) is not None
    ]
    yield f"local time: {', '.join(clocks) or 'unknown'}"
    yield f"do-not-call lists with the number: {', '.join(inputs.do_not_call) or 'none'}"
    yield f"calls before: {inputs.attempts} in this campaign, {len(inputs.last_day)} in 24 hours, {inputs.last_30_days} in 30 days"
    yield f"breakers that let no call through: {', '.join(one.scope for one in inputs.breakers) or 'none'}"
    yield f"pacing: {inputs.allowed} calls allowed, limited by {inputs.limited_by or 'nothing'}"
    yield f"the operator's check: {inputs.pre_dial.replace('_', ' ')}"
