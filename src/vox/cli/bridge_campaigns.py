"""`vox bridge import` and `vox bridge explain`: ask a bridge that runs, over its API."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vox.errors import DependencyError, UsageError

if TYPE_CHECKING:
    import httpx2

ACTIONS: Final = ("import", "explain")
DEFAULT_URL: Final = "http://127.0.0.1:8100"
_PIECE: Final = 65_536
_TRIES: Final = 5
_ANSWER_S: Final = 3600.0
_OK: Final = 200


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
    import httpx2

    key = args.key or os.environ.get("VOX_BRIDGE_KEY", "")
    if not key:
        raise UsageError("an API key is needed", code="unauthorized", hint="pass --key, or set VOX_BRIDGE_KEY")
    base = (args.url or os.environ.get("VOXBRIDGE_URL") or DEFAULT_URL).rstrip("/")
    with httpx2.Client(
        base_url=base, headers={"authorization": f"Bearer {key}"}, timeout=httpx2.Timeout(30.0, read=_ANSWER_S)
    ) as http:
        return _import(http, args) if args.action == "import" else _explain(http, args.call)


def _add_access(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help=f"of the bridge; default: $VOXBRIDGE_URL, else {DEFAULT_URL}")
    parser.add_argument(
        "--key", help="an API key with campaigns:write, for explain with campaigns:read; default: $VOX_BRIDGE_KEY"
    )


def _import(http: "httpx2.Client", args: argparse.Namespace) -> int:
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
    headers = {"content-type": "text/csv"}

    def send() -> "httpx2.Response":
        return http.put(path, params=query, content=_pieces(args.file, size), headers=headers)

    done = _answer(_persistently(send))
    _clear_line()
    print(
        f"{done['accepted']} imported, {done['duplicates']} were there already, {done['rejected']} rows cannot be used"
        f" (import {done['id']})"
    )
    _show_errors(http, done, args.errors)
    return 0 if not done["rejected"] else 1


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    sent = shown = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
            sent += len(piece)
            percent = sent * 100 // max(size, 1)
            if percent > shown and sys.stderr.isatty():
                shown = percent
                print(f"\r{percent} % sent", end="", file=sys.stderr, flush=True)


def _persistently(send: "Callable[[], httpx2.Response]") -> "httpx2.Response":
    from threading import Event

    import httpx2

    for again in range(_TRIES):
        try:
            return send()
        except httpx2.TransportError as error:
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            print(f"the bridge does not answer ({reason})", file=sys.stderr)
            if again + 1 < _TRIES:
                Event().wait(2**again)
    raise DependencyError(
        "the bridge does not answer",
        code="bridge_unreachable",
        hint="is it running there? the same command goes on where this one stopped",
        retryable=True,
    )


def _show_errors(http: "httpx2.Client", done: dict[str, Any], file: Path | None) -> None:
    for one in done["errors"] if file is None else ():
        column = f", column {one['column']}" if one["column"] else ""
        print(f"row {one['row']}{column}: {one['reason']}")
    if file is None:
        if done["rejected"] > len(done["errors"]):
            print("… and more; write all of them into a file with --errors FILE")
        return
    import csv

    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["row", "column", "reason"])
        after = 0
        while page := _answer(http.get(f"/v1/imports/{done['id']}/errors", params={"after": after}))["errors"]:
            writer.writerows([one["row"], one["column"], one["reason"]] for one in page)
            after = page[-1]["row"]
    print(f"the rows that cannot be used are in {file}")


def _explain(http: "httpx2.Client", call_id: str) -> int:
    """The decision is made again here, from what the bridge has stored; whether it comes out the same is the exit status."""
    from datetime import UTC, datetime

    import msgspec

    from vox.fleet.campaigns.ledger import Entry
    from vox.fleet.campaigns.rules.decision import DialInputs, DialRules, decide

    is_good = True
    for one in _answer(http.get(f"/v1/calls/{call_id}/explanation"))["decisions"]:
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


def _answer(response: "httpx2.Response") -> dict[str, Any]:
    if response.status_code == _OK:
        return response.json()
    _clear_line()
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        raise DependencyError(f"the bridge answers {response.status_code}", code="bridge_failed") from None
    raise UsageError(error["message"], code="bridge_refused", hint=error.get("hint", ""))


def _clear_line() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
