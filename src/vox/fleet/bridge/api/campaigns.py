"""The routes of campaigns: their life, their recipients, imports, and the record of every decision."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from vox.errors import UsageError
from vox.fleet.bridge.api.policy import Access, BridgeCall, key_with
from vox.fleet.bridge.server import Bridge
from vox.fleet.campaigns.imports.importing import RecipientTarget
from vox.fleet.campaigns.rules.states import CampaignEvent, CampaignState, RecipientState
from vox.fleet.campaigns.schemas import CampaignForm, RecipientsForm
from vox.http.routing import RouteTable, Upload

READ: Final = key_with("campaigns:read")
WRITE: Final = key_with("campaigns:write")
LONGEST_IMPORT_ID: Final = 64
_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer"}
_OBJECT: Final = {"type": "object", "additionalProperties": True}
CAMPAIGN: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("id", "tenant", "name", "bot_id", "problem"), _TEXT),
        "state": {"type": "string", "enum": [state.value for state in CampaignState]},
        **dict.fromkeys(("starts_at_ms", "expires_at_ms", "created_at_ms"), _NUMBER),
        **dict.fromkeys(("rules", "calls", "progress", "dialling"), _OBJECT),
    },
    "required": ["id", "name", "state"],
}
_RECIPIENT: Final = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("id", "due_at_ms", "attempts"), _NUMBER),
        **dict.fromkeys(("number", "region", "last_outcome"), _TEXT),
        "state": {"type": "string", "enum": [state.value for state in RecipientState]},
        "time_zones": {"type": "array", "items": _TEXT},
        "variables": _OBJECT,
    },
}
_ERRORS: Final = {
    "type": "array",
    "items": {"type": "object", "properties": {"row": _NUMBER, "column": _TEXT, "reason": _TEXT}},
}
COUNTS: Final = {
    "type": "object",
    "properties": {**dict.fromkeys(("accepted", "duplicates", "rejected"), _NUMBER), "errors": _ERRORS},
}
IMPORT: Final = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("id", "kind", "owner", "problem"), _TEXT),
        "state": {"type": "string", "enum": ["running", "done", "failed"]},
        **dict.fromkeys(("last_row", "accepted", "duplicates", "rejected"), _NUMBER),
        "errors": _ERRORS,
    },
}


class CampaignListQuery(msgspec.Struct):
    """The query of `GET /v1/campaigns`."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    before: Annotated[str, Meta(max_length=64)] = ""
    state: Annotated[str, Meta(max_length=32)] = ""


class RecipientListQuery(msgspec.Struct):
    """The query of `GET /v1/campaigns/{id}/recipients`."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    after: Annotated[int, Meta(ge=0, le=2**62)] = 0
    state: Annotated[str, Meta(max_length=32)] = ""


class LedgerQuery(msgspec.Struct):
    """The query of `GET /v1/campaigns/{id}/ledger`."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    after: Annotated[int, Meta(ge=0, le=2**62)] = 0
    recipient_id: Annotated[int, Meta(ge=0, le=2**62)] = 0


class ImportQuery(msgspec.Struct):
    """The query of an import of recipients."""

    default_region: Annotated[str, Meta(pattern=r"^([A-Z]{2})?\Z")] = ""


class ErrorListQuery(msgspec.Struct):
    """The query of `GET /v1/imports/{id}/errors`."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    after: Annotated[int, Meta(ge=0, le=2**62)] = 0


def campaign_routes(bridge: Bridge) -> RouteTable[Access]:
    """`/v1/campaigns` and what is below, imports, and the explanation of a call."""
    table, routes = RouteTable[Access](), _Campaigns(bridge)
    campaign: dict[str, Any] = {"returns": CAMPAIGN, "label": "campaigns"}
    table.post("/v1/campaigns", access=WRITE, body=CampaignForm, status=201, **campaign)(routes.create_campaign)
    table.get(
        "/v1/campaigns", access=READ, query=CampaignListQuery, returns=_listed("campaigns", CAMPAIGN), label="campaigns"
    )(routes.list_campaigns)
    table.get("/v1/campaigns/{id}", access=READ, **campaign)(routes.get_campaign)
    table.put("/v1/campaigns/{id}", access=WRITE, body=CampaignForm, **campaign)(routes.replace_campaign)
    for endpoint in (routes.validate, routes.schedule, routes.start, routes.pause, routes.resume, routes.cancel):
        table.post(f"/v1/campaigns/{{id}}/{endpoint.__name__}", access=WRITE, **campaign)(endpoint)
    recipients = "/v1/campaigns/{id}/recipients"
    table.post(recipients, access=WRITE, body=RecipientsForm, returns=COUNTS, label="recipients")(routes.add_recipients)
    table.get(
        recipients,
        access=READ,
        query=RecipientListQuery,
        returns=_listed("recipients", _RECIPIENT),
        label="recipients",
    )(routes.list_recipients)
    table.put(
        "/v1/campaigns/{id}/imports/{import_id}",
        access=WRITE,
        body=Upload,
        upload_type="text/csv",
        query=ImportQuery,
        returns=IMPORT,
        label="imports",
    )(routes.import_recipients)
    table.get("/v1/imports/{id}", access=READ, returns=IMPORT, label="imports")(routes.get_import)
    table.get(
        "/v1/imports/{id}/errors",
        access=READ,
        query=ErrorListQuery,
        returns={"type": "object", "properties": {"errors": _ERRORS}},
        label="imports",
    )(routes.list_import_errors)
    table.get(
        "/v1/campaigns/{id}/ledger", access=READ, query=LedgerQuery, returns=_listed("entries", _OBJECT), label="ledger"
    )(routes.list_ledger)
    table.get("/v1/calls/{id}/explanation", access=READ, returns=_listed("decisions", _OBJECT), label="ledger")(
        routes.explain_call
    )
    return table.grouped("campaigns")


def checked_import_id(text: str) -> str:
    """An id of an import, which the caller chooses.

    Raises:
        UsageError: it has other characters than letters, digits, dashes and underscores, or too many (validation_error).
    """
    if (
        not 1 <= len(text) <= LONGEST_IMPORT_ID
        or not text.replace("-", "").replace("_", "").isalnum()
        or not text.isascii()
    ):
        raise UsageError(
            f"The id of an import has 1 to {LONGEST_IMPORT_ID} letters, digits, dashes and underscores.",
            code="validation_error",
        )
    return text


class _Campaigns:
    def __init__(self, bridge: Bridge) -> None:
        self._service = bridge.campaigns.service
        self._imports = bridge.campaigns.imports

    async def create_campaign(self, call: BridgeCall) -> dict[str, Any]:
        """Makes a campaign; nothing is dialled before it is started."""
        return await self._service.create(call.body)

    async def list_campaigns(self, call: BridgeCall) -> dict[str, Any]:
        """Campaigns, the newest first; `before` is the id of the last one of the page before."""
        query: CampaignListQuery = call.query
        found = await self._service.page(limit=query.limit, before=query.before, state=query.state)
        return {"campaigns": list(found)}

    async def get_campaign(self, call: BridgeCall) -> dict[str, Any]:
        """A campaign with its progress, and what limits its dialling now."""
        return await self._service.get(call.text("id"))

    async def replace_campaign(self, call: BridgeCall) -> dict[str, Any]:
        """Changes a campaign that does not run."""
        return await self._service.replace(call.text("id"), call.body)

    async def validate(self, call: BridgeCall) -> dict[str, Any]:
        """Checks a draft, and says everything that is missing."""
        return await self._service.validate(call.text("id"))

    async def schedule(self, call: BridgeCall) -> dict[str, Any]:
        """Has a campaign started at its starts_at_ms."""
        return await self._service.change_state(call.text("id"), CampaignEvent.SCHEDULE)

    async def start(self, call: BridgeCall) -> dict[str, Any]:
        """Starts a campaign."""
        return await self._service.change_state(call.text("id"), CampaignEvent.START)

    async def pause(self, call: BridgeCall) -> dict[str, Any]:
        """Dials nothing more; calls that ring or are answered go on to their end."""
        return await self._service.change_state(call.text("id"), CampaignEvent.PAUSE)

    async def resume(self, call: BridgeCall) -> dict[str, Any]:
        """Goes on after a pause."""
        return await self._service.change_state(call.text("id"), CampaignEvent.RESUME)

    async def cancel(self, call: BridgeCall) -> dict[str, Any]:
        """Ends a campaign for good; calls that ring or are answered go on to their end."""
        return await self._service.change_state(call.text("id"), CampaignEvent.CANCEL)

    async def add_recipients(self, call: BridgeCall) -> dict[str, Any]:
        """Adds recipients; those that are there already are counted as duplicates."""
        return await self._service.add_recipients(call.text("id"), call.body)

    async def list_recipients(self, call: BridgeCall) -> dict[str, Any]:
        """Recipients in the order in which they came; `after` is the id of the last one of the page before."""
        query: RecipientListQuery = call.query
        found = await self._service.recipients(call.text("id"), limit=query.limit, after=query.after, state=query.state)
        return {"recipients": list(found)}

    async def import_recipients(self, call: BridgeCall) -> dict[str, Any]:
        """Reads a CSV file of recipients; the same file under the same id goes on where it was interrupted."""
        query: ImportQuery = call.query
        target = RecipientTarget(call.text("id"))
        import_id = checked_import_id(call.text("import_id"))
        return await self._imports.run(import_id, target, call.stream(), default_region=query.default_region)

    async def get_import(self, call: BridgeCall) -> dict[str, Any]:
        """How far an import has come, with the first rows that could not be used."""
        return await self._imports.get(call.text("id"))

    async def list_import_errors(self, call: BridgeCall) -> dict[str, Any]:
        """Every row of an import that could not be used; `after` is the last row of the page before."""
        query: ErrorListQuery = call.query
        return {"errors": await self._imports.errors(call.text("id"), limit=query.limit, after=query.after)}

    async def list_ledger(self, call: BridgeCall) -> dict[str, Any]:
        """The record of every decision of a campaign, each made again from its inputs."""
        query: LedgerQuery = call.query
        found = await self._service.entries(
            call.text("id"), limit=query.limit, after=query.after, recipient_id=query.recipient_id
        )
        return {"entries": list(found)}

    async def explain_call(self, call: BridgeCall) -> dict[str, Any]:
        """Why a campaign made a call, or stopped it before it was dialled."""
        return {"decisions": list(await self._service.explain(call.text("id")))}


def _listed(name: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "array", "items": item}}, "required": [name]}
