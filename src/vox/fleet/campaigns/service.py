"""What one can do with campaigns: create them, add recipients, start and stop them, see how they go, and ask why a call was made."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from vox.errors import UsageError
from vox.fleet.calls.contract import CallQueue
from vox.fleet.campaigns import do_not_call, ledger, lifecycle, queries
from vox.fleet.campaigns.do_not_call import Scope
from vox.fleet.campaigns.imports import storing
from vox.fleet.campaigns.imports.recipient_rows import Recipient
from vox.fleet.campaigns.opt_out import is_opt_out
from vox.fleet.campaigns.plans import decoded_plan, decoded_rules, encoded_rules
from vox.fleet.campaigns.rules.abandon import period_start_ms
from vox.fleet.campaigns.rules.states import CampaignEvent, CampaignState
from vox.fleet.campaigns.rules.time_zones import subscriber
from vox.fleet.campaigns.runner import CampaignRunner
from vox.fleet.campaigns.schemas import (
    MOST_RECIPIENTS_AT_ONCE,
    CampaignForm,
    ListedForm,
    RecipientsForm,
    read_plan,
    read_rules,
    shown_rules,
)
from vox.runtime.clock import Clock, new_id
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection, SqlDatabase

MOST_NAMES: Final = 200
_EDITABLE: Final = frozenset({CampaignState.DRAFT, CampaignState.READY, CampaignState.SCHEDULED, CampaignState.PAUSED})

_log = get_logger(__name__)


class Campaigns:
    """The campaigns of a bridge.

    Args:
        database: open while this is used.
        queue: takes the calls, and gives waiting ones back.
        clock: for the times in the rows.
        bot_exists: whether there is a bot of that id, in a transaction.
        carrier_of: the carrier of a name, where empty is the default one, and its caller id; raises UsageError.
        check_url: refuses a URL that the bridge would not send to; raises UsageError.
        runner: that dials for them; None where another process does.
        make_id: makes ids of campaigns.
    """

    def __init__(
        self,
        database: SqlDatabase,
        queue: CallQueue,
        clock: Clock,
        *,
        bot_exists: Callable[[Connection, str], bool],
        carrier_of: Callable[[str], tuple[str, str]],
        check_url: Callable[[str], None],
        runner: CampaignRunner | None = None,
        make_id: Callable[[str], str] = new_id,
    ) -> None:
        self._database = database
        self._queue = queue
        self._clock = clock
        self._bot_exists = bot_exists
        self._carrier_of = carrier_of
        self._check_url = check_url
        self._runner = runner
        self._make_id = make_id

    async def create(self, form: CampaignForm) -> dict[str, Any]:
        """Makes a campaign in the state `draft`.

        Raises:
            UsageError: bot_unknown, provider_unknown, campaign_rules_invalid, number_invalid, url_refused, validation_error.
        """
        values = self._values(form)
        campaign_id, now = self._make_id("camp"), self._clock.unix_ms()
        digest, body = values.pop("rules")

        def unit(connection: Connection) -> None:
            self._check_bot(connection, form.bot_id)
            queries.store_rules(connection, digest, body)
            fixed = {
                "id": campaign_id,
                "state": CampaignState.DRAFT.value,
                "rules_digest": digest,
                "problem": "",
                "first_dial_ms": 0,
                "fence": 0,
                "created_at_ms": now,
                "updated_at_ms": now,
            }
            queries.insert_campaign(connection, values | fixed)

        await self._database.write(unit)
        return await self.get(campaign_id)

    async def replace(self, campaign_id: str, form: CampaignForm) -> dict[str, Any]:
        """Changes everything that a campaign was created with, while it does not run.

        Raises:
            UsageError: as `create`; campaign_not_found, campaign_state_conflict.
        """
        values = self._values(form)
        digest, body = values.pop("rules")
        now = self._clock.unix_ms()

        def unit(connection: Connection) -> None:
            row = lifecycle.found(connection, campaign_id, locks=True)
            if row["state"] not in _EDITABLE:
                raise UsageError(
                    f"a campaign that is {row['state']} cannot be changed",
                    code="campaign_state_conflict",
                    hint="pause it first" if row["state"] == CampaignState.RUNNING else "",
                )
            self._check_bot(connection, form.bot_id)
            queries.store_rules(connection, digest, body)
            changed = {"rules_digest": digest, "updated_at_ms": now}
            queries.change_campaign(connection, campaign_id, values | changed)

        await self._database.write(unit)
        return await self.get(campaign_id)

    async def get(self, campaign_id: str) -> dict[str, Any]:
        """A campaign with its progress.

        Raises:
            UsageError: campaign_not_found.
        """

        def unit(connection: Connection) -> dict[str, Any]:
            row = lifecycle.found(connection, campaign_id)
            since_ms = period_start_ms(row["first_dial_ms"] or self._clock.unix_ms(), self._clock.unix_ms())
            progress = {
                "recipients": queries.recipients_by_state(connection, campaign_id),
                "outcomes": queries.outcomes_of(connection, campaign_id),
                "open_calls": len(queries.open_calls(connection, [campaign_id])),
                "abandon": msgspec.to_builtins(queries.abandon_count(connection, campaign_id, since_ms)),
            }
            return _shown(row) | {"progress": progress}

        found = await self._database.read(unit)
        return found | {"dialling": self._dialling(campaign_id)}

    async def page(self, *, limit: int, before: str = "", state: str = "") -> Sequence[dict[str, Any]]:
        """Campaigns without their progress, the newest first."""
        rows = await self._database.read(
            lambda connection: queries.page_of_campaigns(connection, limit=limit, before=before, state=state)
        )
        return [_shown(row) for row in rows]

    async def change_state(self, campaign_id: str, event: CampaignEvent) -> dict[str, Any]:
        """Starts, pauses, resumes or cancels a campaign.

        Starting one that is a draft checks it first: it needs recipients, a bot and rules under which a call is possible.

        Raises:
            UsageError: campaign_not_found, campaign_state_conflict, campaign_not_ready.
        """
        if event in {CampaignEvent.START, CampaignEvent.SCHEDULE}:
            await self.validate(campaign_id)
        now = self._clock.unix_ms()
        await self._database.write(
            lambda connection: lifecycle.change_state(connection, self._queue, campaign_id, event, now)
        )
        return await self.get(campaign_id)

    async def validate(self, campaign_id: str) -> dict[str, Any]:
        """Checks a draft; `ready` if it can be started. Campaigns in other states are left as they are.

        Raises:
            UsageError: campaign_not_found; campaign_not_ready, with everything that is missing.
        """
        now = self._clock.unix_ms()

        def unit(connection: Connection) -> str:
            row = lifecycle.found(connection, campaign_id, locks=True)
            if row["state"] != CampaignState.DRAFT:
                return ""
            problems = "; ".join(self._problems(connection, row, now))
            state = CampaignState.DRAFT if problems else CampaignState.READY
            queries.change_campaign(
                connection, campaign_id, {"state": state.value, "problem": problems, "updated_at_ms": now}
            )
            return problems

        problems = await self._database.write(unit)
        if problems:
            raise UsageError(f"The campaign cannot be started: {problems}", code="campaign_not_ready")
        return await self.get(campaign_id)

    async def add_recipients(self, campaign_id: str, form: RecipientsForm) -> dict[str, Any]:
        """Adds recipients; each that cannot be called is named with its place in the list, from 1.

        Raises:
            UsageError: campaign_not_found, campaign_state_conflict; validation_error for too many at once.
        """
        if len(form.recipients) > MOST_RECIPIENTS_AT_ONCE:
            raise UsageError(
                f"Add at most {MOST_RECIPIENTS_AT_ONCE} recipients at once.",
                code="validation_error",
                hint="import them as CSV",
            )
        accepted: list[Recipient] = []
        errors: list[dict[str, Any]] = []
        for number, one in enumerate(form.recipients, 1):
            try:
                found = subscriber(one.number, default_region=form.default_region, time_zone=one.time_zone)
            except UsageError as error:
                errors.append({"row": number, "column": _column_of(error), "reason": str(error)})
                continue
            if not found.zones:
                errors.append(
                    {"row": number, "column": "number", "reason": "its time zone is not known; add time_zone"}
                )
                continue
            accepted.append(Recipient(found.number, found.region, found.zones, one.variables, number))
        now = self._clock.unix_ms()

        def unit(connection: Connection) -> int:
            storing.check_takes_recipients(connection, campaign_id, now)
            return storing.insert_recipients(connection, campaign_id, accepted, now)

        added = await self._database.write(unit)
        return {
            "accepted": added,
            "duplicates": len(accepted) - added,
            "rejected": len(errors),
            "errors": errors,
        }

    async def recipients(self, campaign_id: str, *, limit: int, after: int, state: str) -> Sequence[dict[str, Any]]:
        """Recipients in the order in which they came.

        Raises:
            UsageError: campaign_not_found.
        """

        def unit(connection: Connection) -> Sequence[queries.Row]:
            lifecycle.found(connection, campaign_id)
            return queries.page_of_recipients(connection, campaign_id, limit=limit, after=after, state=state)

        return [_shown_recipient(row) for row in await self._database.read(unit)]

    async def explain(self, call_id: str) -> Sequence[dict[str, Any]]:
        """Why a call was made, or stopped before it was dialled: each decision about it, made again.

        Raises:
            UsageError: no campaign made that call (call_not_found).
        """

        def unit(connection: Connection) -> list[ledger.Explanation]:
            return [_explained(connection, row) for row in queries.entries_of_call(connection, call_id)]

        found = await self._database.read(unit)
        if not found:
            raise UsageError(
                "No campaign decided about this call.",
                code="call_not_found",
                hint="calls of the API have no such record",
            )
        return [msgspec.to_builtins(one) for one in found]

    async def entries(self, campaign_id: str, *, limit: int, after: int, recipient_id: int) -> Sequence[dict[str, Any]]:
        """The ledger of a campaign, made again entry by entry.

        Raises:
            UsageError: campaign_not_found.
        """

        def unit(connection: Connection) -> list[dict[str, Any]]:
            lifecycle.found(connection, campaign_id)
            rows = queries.page_of_entries(connection, campaign_id, limit=limit, after=after, recipient_id=recipient_id)
            return [{"number": row["number"], **_without_rules(_explained(connection, row))} for row in rows]

        return await self._database.read(unit)

    async def list_numbers(self, form: ListedForm) -> dict[str, Any]:
        """Puts numbers on a do-not-call list; each that is none is named with its place, from 1.

        Raises:
            UsageError: validation_error.
        """
        do_not_call.check_owner(form.scope, form.owner)
        digests: list[str] = []
        errors: list[dict[str, Any]] = []
        for number, text in enumerate(form.numbers, 1):
            try:
                digests.append(do_not_call.listed_form(text, form.default_region))
            except UsageError as error:
                errors.append({"row": number, "column": "number", "reason": str(error)})
        now = self._clock.unix_ms()
        added = await self._database.write(
            lambda connection: do_not_call.add(connection, form.scope, form.owner, digests, form.source, now)
        )
        return {
            "accepted": added,
            "duplicates": len(digests) - added,
            "rejected": len(errors),
            "errors": errors,
        }

    async def unlist_number(self, scope: Scope, owner: str, number: str) -> None:
        """Takes a number off a list.

        Raises:
            UsageError: number_invalid; it is not on it (not_listed).
        """
        digest = do_not_call.listed_form(number)
        if not await self._database.write(lambda connection: do_not_call.remove(connection, scope, owner, digest)):
            raise UsageError("The number is not on this list.", code="not_listed")

    async def listed(self, number: str, tenant: str, campaign_id: str) -> dict[str, Any]:
        """Which lists that hold for a campaign have a number.

        Raises:
            UsageError: number_invalid.
        """
        dialled = subscriber(number).number
        found = await self._database.read(
            lambda connection: do_not_call.scopes_of(connection, [dialled], tenant, campaign_id)
        )
        return {"number": dialled, "scopes": list(found.get(dialled, ()))}

    async def opt_out(self, call_id: str, source: str) -> bool:
        """Puts the person of a call on their tenant's do-not-call list, at once; False where no campaign made the call."""
        now = self._clock.unix_ms()

        def unit(connection: Connection) -> bool:
            attempt = queries.find_attempt(connection, call_id)
            if attempt is None:
                return False
            digest = do_not_call.number_digest(attempt["number"])
            do_not_call.add(connection, "tenant", attempt["tenant"], [digest], f"{source} {call_id}", now)
            return True

        done = await self._database.write(unit)
        if done:
            _log.info("a called person opted out", call_id=call_id, source=source)
        return done

    async def on_progress(self, call_id: str, event: str, data: Mapping[str, Any]) -> None:
        """Hears what happens in a call: words or keys by which the person asks not to be called again."""
        if event == "opt_out":
            await self.opt_out(call_id, str(data.get("source", "agent")))
            return
        if event not in {"transcript", "digits"}:
            return
        if event == "transcript" and (data.get("role", "user") != "user" or not is_opt_out(str(data.get("text", "")))):
            return
        if event == "digits":
            plan = await self._database.read(lambda connection: _plan_of_call(connection, call_id))
            if not plan or str(data.get("digits", "")) != plan:
                return
        await self.opt_out(call_id, "words" if event == "transcript" else "digits")

    def _values(self, form: CampaignForm) -> dict[str, Any]:
        if not form.name.strip() or len(form.name) > MOST_NAMES:
            raise UsageError(f"name has to have 1 to {MOST_NAMES} characters.", code="validation_error")
        if form.expires_at_ms and form.expires_at_ms <= form.starts_at_ms:
            raise UsageError("expires_at_ms has to lie after starts_at_ms.", code="validation_error")
        for url in (form.webhook_url, form.pre_dial_url):
            if url:
                self._check_url(url)
        return {
            "tenant": form.tenant,
            "name": form.name.strip(),
            "bot_id": form.bot_id,
            "rules": encoded_rules(
                read_rules(form.rules, is_checked=bool(form.pre_dial_url), at_s=self._clock.unix_s())
            ),
            "plan": msgspec.json.encode(read_plan(form, *self._carrier_of(form.provider))).decode(),
            "starts_at_ms": form.starts_at_ms,
            "expires_at_ms": form.expires_at_ms,
        }

    def _check_bot(self, connection: Connection, bot_id: str) -> None:
        if not self._bot_exists(connection, bot_id):
            raise UsageError(
                f"There is no bot {bot_id[:64]!r}.", code="bot_unknown", hint="create it first, or check its id"
            )

    def _problems(self, connection: Connection, row: queries.Row, now: int) -> list[str]:
        problems: list[str] = []
        if not queries.has_unfinished(connection, row["id"]):
            problems.append("it has no recipients; add some, or import them as CSV")
        if not self._bot_exists(connection, row["bot_id"]):
            problems.append(f"its bot {row['bot_id']!r} does not exist any more")
        if row["expires_at_ms"] and row["expires_at_ms"] <= now:
            problems.append("it has expired; give it a later expires_at_ms")
        return problems

    def _dialling(self, campaign_id: str) -> dict[str, Any]:
        """What the bridge does for the campaign now: why it waits, and whether it is suspended."""
        if self._runner is None:
            return {}
        limit, suspension = self._runner.limit_of(campaign_id), self._runner.suspension
        found: dict[str, Any] = {"ratio": self._runner.ratio_of(campaign_id)}
        if limit is not None:
            found |= {"allowed": limit.calls, "limited_by": limit.limited_by}
        if suspension is not None:
            found["suspended"] = msgspec.to_builtins(suspension)
        return found


def _explained(connection: Connection, row: queries.Row) -> ledger.Explanation:
    entry = ledger.Entry(**{name: row[name] for name in ledger.Entry.__struct_fields__})
    rules = queries.find_rules(connection, entry.rules_digest)
    previous = queries.last_digest(connection, entry.campaign_id, before=row["number"])
    return ledger.explained(entry, decoded_rules(rules or "{}"), previous)


def _without_rules(explained: ledger.Explanation) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(explained)
    del shown["rules"]  # the same for most of a page; the entry names them
    return shown


def _plan_of_call(connection: Connection, call_id: str) -> str:
    attempt = queries.find_attempt(connection, call_id)
    row = None if attempt is None else queries.find_campaign(connection, attempt["campaign_id"])
    return "" if row is None else decoded_plan(row["plan"]).opt_out_digits


def _column_of(error: UsageError) -> str:
    return "time_zone" if error.code == "time_zone_unknown" else "number"


def _shown(row: queries.Row) -> dict[str, Any]:
    names = ("id", "tenant", "name", "bot_id", "state", "problem", "starts_at_ms", "expires_at_ms", "created_at_ms")
    return {
        **{name: row[name] for name in names},
        "rules": shown_rules(decoded_rules(row["rules"])),
        "calls": msgspec.json.decode(row["plan"]),
    }


def _shown_recipient(row: queries.Row) -> dict[str, Any]:
    names = ("id", "number", "region", "state", "due_at_ms", "attempts", "last_outcome")
    return {
        **{name: row[name] for name in names},
        "time_zones": row["zones"].split(),
        "variables": msgspec.json.decode(row["variables"]),
    }
