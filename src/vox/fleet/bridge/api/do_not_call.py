"""The routes of do-not-call lists, and of people who ask in a call not to be called again."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from vox.errors import UsageError
from vox.fleet.bridge.api.campaigns import COUNTS, IMPORT, READ, WRITE, checked_import_id
from vox.fleet.bridge.api.policy import Access, BridgeCall
from vox.fleet.bridge.server import Bridge
from vox.fleet.campaigns.do_not_call import Scope, check_owner
from vox.fleet.campaigns.imports.importing import ListTarget
from vox.fleet.campaigns.schemas import ListedForm
from vox.http.routing import RouteTable, Upload

_Id = Annotated[str, Meta(max_length=64)]
_TEXT: Final = {"type": "string"}
_FOUND: Final = {
    "type": "object",
    "properties": {"number": _TEXT, "scopes": {"type": "array", "items": _TEXT}},
    "required": ["number", "scopes"],
}


class ListedQuery(msgspec.Struct):
    """The query of `GET /v1/do-not-call`."""

    number: Annotated[str, Meta(max_length=64)]
    tenant: _Id = ""
    campaign_id: _Id = ""


class UnlistQuery(msgspec.Struct):
    """The query of `DELETE /v1/do-not-call`."""

    number: Annotated[str, Meta(max_length=64)]
    scope: Scope = "global"
    owner: _Id = ""


class ListImportQuery(msgspec.Struct):
    """The query of an import into a list."""

    scope: Scope = "global"
    owner: _Id = ""
    default_region: Annotated[str, Meta(pattern=r"^([A-Z]{2})?\Z")] = ""


def do_not_call_routes(bridge: Bridge) -> RouteTable[Access]:
    """`/v1/do-not-call` and what is below."""
    table, routes = RouteTable[Access](), _Lists(bridge)
    path, label = "/v1/do-not-call", "do_not_call"
    table.post(path, access=WRITE, body=ListedForm, returns=COUNTS, label=label)(routes.list_numbers)
    table.get(path, access=READ, query=ListedQuery, returns=_FOUND, label=label)(routes.find_number)
    table.delete(path, access=WRITE, query=UnlistQuery, label=label)(routes.unlist_number)
    table.put(
        f"{path}/imports/{{import_id}}",
        access=WRITE,
        body=Upload,
        upload_type="text/csv",
        query=ListImportQuery,
        returns=IMPORT,
        label=label,
    )(routes.import_numbers)
    table.post("/v1/calls/{id}/opt_out", access=WRITE, label=label)(routes.opt_out)
    return table.grouped("do-not-call")


class _Lists:
    def __init__(self, bridge: Bridge) -> None:
        self._service = bridge.campaigns.service
        self._imports = bridge.campaigns.imports

    async def list_numbers(self, call: BridgeCall) -> dict[str, Any]:
        """Puts numbers, or SHA-256 hashes of them, on a list; it holds from now on, also for calls that wait."""
        return await self._service.list_numbers(call.body)

    async def find_number(self, call: BridgeCall) -> dict[str, Any]:
        """Which lists have a number, of those that hold for a tenant and a campaign."""
        query: ListedQuery = call.query
        return await self._service.listed(query.number, query.tenant, query.campaign_id)

    async def unlist_number(self, call: BridgeCall) -> None:
        """Takes a number off a list."""
        query: UnlistQuery = call.query
        await self._service.unlist_number(query.scope, query.owner, query.number)

    async def import_numbers(self, call: BridgeCall) -> dict[str, Any]:
        """Reads a CSV file of numbers or hashes into a list; the same file under the same id goes on where it stopped."""
        query: ListImportQuery = call.query
        check_owner(query.scope, query.owner)
        target = ListTarget(query.scope, query.owner)
        import_id = checked_import_id(call.text("import_id"))
        return await self._imports.run(import_id, target, call.stream(), default_region=query.default_region)

    async def opt_out(self, call: BridgeCall) -> None:
        """Puts the called person on their tenant's list, as they asked for in the call."""
        if not await self._service.opt_out(call.text("id"), "api"):
            raise UsageError("No campaign made this call.", code="call_not_found")
