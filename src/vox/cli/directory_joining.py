"""`vox directory token`, `pending`, `approve` and `refuse`: commands of an administrator for relays that ask to join."""

import argparse
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vox.clients.directory import DirectoryClient

HOUR_S = 3600.0


def add_commands(actions: Any, asking: Callable[[Any, str, str], argparse.ArgumentParser]) -> None:
    """Adds them to the actions of `vox directory`; `asking` makes one with the options that all have."""
    token = actions.add_parser("token", help="create, list and delete join tokens; each lets one relay join")
    verbs = token.add_subparsers(dest="verb", metavar="VERB", required=True)
    making = asking(verbs, "create", "create a token and print it; it is not shown again")
    making.add_argument("--hours", type=float, default=24.0, help="hours until it expires (24)")
    making.add_argument("--note", default="", help="a note about its use")
    asking(verbs, "list", "print the unused tokens")
    asking(verbs, "delete", "delete a token, so that it cannot be used").add_argument("id", help="the token's id")
    asking(actions, "pending", "print the relays that wait for approval")
    asking(actions, "approve", "let a relay join").add_argument("id", help="the relay's id")
    refusing = asking(actions, "refuse", "refuse a waiting relay; it cannot ask again for a day")
    refusing.add_argument("id", help="the relay's id")
    refusing.add_argument("--reason", default="", help="reason, for the audit log")


async def _token(client: "DirectoryClient", args: argparse.Namespace) -> None:
    if args.verb == "create":
        made = await client.create_join_token(ttl_s=args.hours * HOUR_S, note=args.note)
        print(json.dumps(made) if args.json else made["token"])
        return
    if args.verb == "delete":
        await client.delete_join_token(args.id)
        print(json.dumps({"status": "deleted"}) if args.json else f"{args.id} deleted")
        return
    found = await client.join_tokens()
    if args.json:
        print(json.dumps(found))
        return
    for one in found:
        print(f"{one['id']} until {one['expires_at']} by {one['created_by']}  {one['note']}")


async def _pending(client: "DirectoryClient", args: argparse.Namespace) -> None:
    found = await client.waiting()
    if args.json:
        print(json.dumps(found))
        return
    for one in found:
        answers = "answers" if one["reachable"] else "does not answer"
        print(f"{one['id']} {one['name']} {one['region']} {one['url']} key {one['key_id']} {answers}")


async def _approve(client: "DirectoryClient", args: argparse.Namespace) -> None:
    answer = await client.approve(args.id)
    print(json.dumps(answer) if args.json else f"{answer['id']} {answer['state']}")


async def _refuse(client: "DirectoryClient", args: argparse.Namespace) -> None:
    await client.refuse(args.id, reason=args.reason)
    print(json.dumps({"status": "refused"}) if args.json else f"{args.id} refused")


COMMANDS: dict[str, Callable[["DirectoryClient", argparse.Namespace], Awaitable[None]]] = {
    "token": _token,
    "pending": _pending,
    "approve": _approve,
    "refuse": _refuse,
}
"""What each does."""
