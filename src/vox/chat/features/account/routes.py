"""One's own data: read all of it, and delete the account."""

from functools import partial

from vox.chat.api.access import USER
from vox.chat.api.pagination import Items, page_limit
from vox.chat.api.request import Call, RouteTable
from vox.chat.features.account import queries, service
from vox.chat.features.account.schemas import (
    AccountExport,
    Deletion,
    ExportQuery,
    FileExportQuery,
    OwnFile,
    OwnMessage,
)

routes = RouteTable()


@routes.get("/account/export", access=USER, returns=AccountExport)
async def export_account(call: Call) -> AccountExport:
    """What the server keeps of the caller, besides messages and files; without secrets."""
    return await call.chat.read_slowly(partial(service.export, user_id=call.user_id))


@routes.get("/account/export/messages", access=USER, query=ExportQuery, returns=Items[OwnMessage])
async def export_messages(call: Call[None, ExportQuery]) -> Items[OwnMessage]:
    """Everything that the caller has written, by id, also where they may not read any more."""
    limit = page_limit(call.chat, call.query.limit, "messages")
    unit = partial(queries.read_messages, user_id=call.user_id, after=call.query.after, limit=limit)
    items = await call.chat.read(unit)
    return Items(items, str(items[-1].msg_id) if items else None)


@routes.get("/account/export/files", access=USER, query=FileExportQuery, returns=Items[OwnFile])
async def export_files(call: Call[None, FileExportQuery]) -> Items[OwnFile]:
    """The files that the caller has uploaded, by id."""
    limit = page_limit(call.chat, call.query.limit, "messages")
    after = call.query.after.replace("\0", "")
    items = await call.chat.read(partial(queries.read_files, user_id=call.user_id, after=after, limit=limit))
    return Items(items, items[-1].file_id if items else None)


@routes.post("/account/delete", access=USER.fresh(), body=Deletion)
async def delete_account(call: Call[Deletion]) -> None:
    """Deletes the caller's account for ever; their messages stay without a name, or go, too."""
    await service.delete_account(call.chat, call.body, user_id=call.user_id)
