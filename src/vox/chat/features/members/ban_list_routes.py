"""Ban lists over REST: exported and imported page by page, so that either can be taken up again where it broke off."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from vox.chat.api.access import requires
from vox.chat.api.fields import Id
from vox.chat.api.hierarchy import recheck_in_transaction
from vox.chat.api.json_ids import encode
from vox.chat.api.request import Call, Reply, RouteTable
from vox.chat.api.validation import validate_prose
from vox.chat.community.state import Person
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.errors import Refusal, refuse
from vox.chat.events.ids import UserId
from vox.chat.events.permissions import P
from vox.chat.features.members import queries, service
from vox.chat.features.members.ban_lists import (
    MAX_IMPORTED,
    BanConflict,
    BanImport,
    BanImportResult,
    BanList,
    ImportedBan,
    bans_of_csv,
    csv_of,
)
from vox.chat.features.members.schemas import BanRequest
from vox.stores.sql import Connection
from vox.text.names import name_key

EXPORTED_AT_ONCE: Final = 1000

routes = RouteTable()


class ExportQuery(Struct):
    """Which page, and as what."""

    format: Literal["json", "csv"] = "json"
    limit: Annotated[int, Meta(ge=1, le=EXPORTED_AT_ONCE)] = EXPORTED_AT_ONCE
    after: Id = 0


@dataclass(frozen=True, slots=True)
class _Resolved:
    """An entry of a list and the user that it names here."""

    index: int
    entry: ImportedBan
    person: Person


@routes.get("/bans/export", access=requires(P.BAN_MEMBERS), query=ExportQuery, returns=BanList, also_text="text/csv")
async def export_bans(call: Call[None, ExportQuery]) -> Reply:
    """Exports bans by user id as JSON, or as CSV, whose cursor is the header X-Next-After."""
    chat, query = call.chat, call.query
    bans = await chat.read(partial(queries.exported_bans, after=query.after, limit=query.limit))
    cursor = str(bans[-1].user_id) if len(bans) == query.limit else None
    entry = AuditEntry("ban.export", call.user_id, None, {"bans": len(bans), "after": query.after})
    await chat.change(partial(_audited, entry=entry))
    headers = {"cache-control": "private, no-store"}
    if query.format == "json":
        return Reply(200, encode(BanList("vox-bans", 1, bans, cursor)), {**headers, "content-type": "application/json"})
    more = {"x-next-after": cursor} if cursor is not None else {}
    disposition = {"content-type": "text/csv; charset=utf-8", "content-disposition": 'attachment; filename="bans.csv"'}
    return Reply(200, csv_of(bans).encode(), {**headers, **disposition, **more})


@routes.post("/bans/import", access=requires(P.BAN_MEMBERS), body=BanImport, returns=BanImportResult)
async def import_bans(call: Call[BanImport]) -> BanImportResult:
    """Bans who is on a list, some hundred at a time; repeating it changes nothing more."""
    chat, body = call.chat, call.body
    entries = await asyncio.to_thread(partial(_entries, body))
    page = entries[body.start : body.start + MAX_IMPORTED]
    conflicts: list[BanConflict] = []
    resolved = await _resolve(chat, call.user_id, page, body.start, conflicts)
    held = await chat.read(partial(queries.ban_reasons, user_ids=[each.person.id for each in resolved]))
    banned = unchanged = 0
    for each in resolved:
        reason = each.entry.reason
        if each.person.id in held and (reason is None or held[each.person.id] == reason):
            unchanged += 1
        elif each.person.id in held and body.on_conflict == "keep":
            conflicts.append(_conflict(each.index, each.entry, "ALREADY_BANNED", "The ban here has another reason."))
        elif (problem := await _ban(chat, call.user_id, each, is_dry=body.dry_run)) is not None:
            conflicts.append(_conflict(each.index, each.entry, problem.wire_code, str(problem.args[0])))
        else:
            banned += 1
    end = body.start + len(page)
    if not body.dry_run:
        counts = {"start": body.start, "banned": banned, "unchanged": unchanged, "conflicts": len(conflicts)}
        await chat.change(partial(_audited, entry=AuditEntry("ban.import", call.user_id, None, counts)))
    return BanImportResult(
        banned=banned,
        unchanged=unchanged,
        conflicts=sorted(conflicts, key=lambda conflict: conflict.index),
        total=len(entries),
        next=end if end < len(entries) else None,
        dry_run=body.dry_run,
    )


def _entries(body: BanImport) -> Sequence[ImportedBan]:
    if (body.bans is None) == (body.csv is None):
        raise refuse("VALIDATION_ERROR", "body: expected either bans or csv")
    if body.csv is None:
        return body.bans or []
    try:
        return bans_of_csv(body.csv)
    except ValueError as error:
        raise refuse("VALIDATION_ERROR", f"body.csv: expected {error}") from None


async def _resolve(
    chat: ChatContext,
    actor_id: UserId,
    page: Sequence[ImportedBan],
    start: int,
    conflicts: list[BanConflict],
) -> list[_Resolved]:
    """The entries whose users are known here, each user once; the others become conflicts."""
    named = [(name_key(entry.username), entry.username) for entry in page if entry.username]
    by_name = await chat.read(partial(queries.users_named, names=named))
    found: list[_Resolved] = []
    seen: set[UserId] = set()
    for index, entry in enumerate(page, start):
        user_id = UserId(entry.user_id) if entry.user_id is not None else None
        if entry.username is not None:
            domain = entry.home_domain or ""
            named_id = by_name.get((entry.username if domain else name_key(entry.username), domain))
            if user_id is not None and named_id != user_id:
                conflicts.append(_conflict(index, entry, "USER_MISMATCH", "Id and name are not the same user's here."))
                continue
            user_id = named_id
        person = chat.community.users.get(user_id) if user_id is not None else None
        if person is None:
            conflicts.append(_conflict(index, entry, "USER_NOT_FOUND", "There is no such user here."))
        elif person.id in seen:
            conflicts.append(_conflict(index, entry, "DUPLICATE", "The list names this user before."))
        elif person.id == actor_id:
            conflicts.append(_conflict(index, entry, "INVALID_TARGET", "You cannot ban yourself."))
        else:
            seen.add(person.id)
            found.append(_Resolved(index, entry, person))
    return found


async def _ban(chat: ChatContext, actor_id: UserId, each: _Resolved, *, is_dry: bool) -> Refusal | None:
    """Bans one user, or only asks whether it could be done; the refusal where not."""
    may_ban = partial(service.assert_may_act, permission=P.BAN_MEMBERS, actor_id=actor_id, target_id=each.person.id)
    try:
        may_ban(chat.community)
        validate_prose(chat.config.limit, "reason", each.entry.reason, "ban_reason_max")
        if not is_dry:
            unit = partial(
                service.ban,
                actor_id=actor_id,
                person=each.person,
                body=BanRequest(each.entry.reason),
                now_ms=chat.clock.unix_ms(),
                since_ms=None,
            )
            await chat.change(recheck_in_transaction(unit, may_ban, actor_id, each.person.id))
    except Refusal as refusal:
        return refusal
    return None


def _audited(connection: Connection, *, entry: AuditEntry) -> Change[None]:
    del connection
    return Change(None, (), [entry])


def _conflict(index: int, entry: ImportedBan, code: str, message: str) -> BanConflict:
    return BanConflict(index, entry.username, code, message)
