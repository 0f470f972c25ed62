"""The administrators' routes: join tokens for relays that are expected, and decisions on relays that wait for approval."""

from datetime import UTC, datetime
from typing import Any

from vox.directory.api import answers
from vox.directory.api.policy import ADMINISTRATOR, Access, DirectoryCall
from vox.directory.api.responses import json_reply
from vox.directory.database.join_tokens import JoinToken
from vox.directory.registration.access import Caller
from vox.directory.relays.relay import Relay, iso, status_form, whole_form
from vox.directory.schemas import NewJoinToken, Refusal, read_body
from vox.directory.server import Directory
from vox.http.routing import Reply, RouteTable
from vox.security.http_signatures import fingerprint


def administration_routes(directory: Directory) -> RouteTable[Access]:
    """The administrators' routes of one directory."""
    handlers, table = _Administration(directory), RouteTable[Access]()
    admin: dict[str, Any] = {"access": ADMINISTRATOR, "is_raw": True}
    refusals, changes = answers.ADMIN_ERRORS, answers.CHANGE_ERRORS
    table.get(
        "/v1/join-tokens",
        returns=answers.TOKENS,
        errors=refusals,
        label="join-tokens",
        operation="joinTokens",
        **admin,
    )(handlers.tokens)
    table.post(
        "/v1/join-tokens",
        body=NewJoinToken,
        status=201,
        returns=answers.NEW_TOKEN,
        errors=(400, *refusals, 409),
        label="join-tokens",
        operation="createJoinToken",
        **admin,
    )(handlers.create_token)
    table.delete(
        "/v1/join-tokens/{token_id}",
        returns=answers.DONE,
        errors=(*refusals[:2], 404, 429),
        label="join-tokens",
        operation="deleteJoinToken",
        **admin,
    )(handlers.delete_token)
    table.get(
        "/v1/relays/waiting",
        returns=answers.WAITING,
        errors=refusals,
        label="waiting",
        operation="waitingRelays",
        **admin,
    )(handlers.waiting)
    table.post(
        "/v1/relays/{id}/approve",
        body=bytes,
        returns=answers.APPROVED,
        errors=changes,
        label="approve",
        operation="approveRelay",
        **admin,
    )(handlers.approve)
    table.post(
        "/v1/relays/{id}/refuse",
        body=Refusal,
        returns=answers.DONE,
        errors=(*changes, 409),
        label="refuse",
        operation="refuseRelay",
        **admin,
    )(handlers.refuse)
    return table


class _Administration:
    """The handlers; each asks for an administrator's key first."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def create_token(self, call: DirectoryCall) -> Reply:
        """Makes a join token and says it, this once."""
        body, caller = call.body, self._caller(call)
        requested = read_body(NewJoinToken, body) if body.strip() else NewJoinToken()
        made, text = await self._directory.join_tokens.create(requested.ttl_ms / 1000, requested.note, caller.owner)
        return json_reply({**_form(made), "token": text}, 201)

    async def tokens(self, call: DirectoryCall) -> Reply:
        """The tokens that are not used yet, without their texts."""
        self._caller(call)
        found = [_form(one) for one in await self._directory.join_tokens.waiting()]
        return json_reply({"join_tokens": found, "count": len(found)})

    async def delete_token(self, call: DirectoryCall) -> Reply:
        """Makes a token useless."""
        caller = self._caller(call)
        await self._directory.join_tokens.delete(call.path["token_id"], caller.owner)
        return json_reply({"status": "deleted"})

    async def waiting(self, call: DirectoryCall) -> Reply:
        """The relays that wait for approval."""
        self._caller(call)
        found = [self._waiting_form(relay) for relay in self._directory.registry if relay.is_waiting]
        return json_reply({"relays": found, "count": len(found)})

    async def approve(self, call: DirectoryCall) -> Reply:
        """Lets a relay join."""
        relay = await self._relay(call)
        return json_reply(status_form(await self._directory.registration.approve(relay)))

    async def refuse(self, call: DirectoryCall) -> Reply:
        """Removes a relay that waits."""
        body, relay = call.body, await self._relay(call)
        requested = read_body(Refusal, body) if body.strip() else Refusal()
        await self._directory.registration.refuse(relay, requested.reason)
        return json_reply({"status": "refused"})

    def _caller(self, call: DirectoryCall) -> Caller:
        return self._directory.authorizer.authorize_administrator(call)

    async def _relay(self, call: DirectoryCall) -> Relay:
        caller = self._caller(call)
        relay = await self._directory.registration.find(call.relay_id)
        await self._directory.registration.check_nonce(caller)  # which also says who asks, for the audit
        return self._directory.registration.require(relay.id)

    def _waiting_form(self, relay: Relay) -> dict[str, Any]:
        """What an operator goes by: the key to compare with the one the relay's owner names, and whether it answers probes."""
        is_reachable = self._directory.health.of(relay.id).is_up
        key_id = fingerprint(relay.signing_key) if relay.signing_key else ""
        return {**whole_form(relay), "key_id": key_id, "reachable": is_reachable}


def _form(token: JoinToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "note": token.note,
        "created_by": token.created_by,
        "created_at": iso(datetime.fromtimestamp(token.created_at_s, UTC)),
        "expires_at": iso(datetime.fromtimestamp(token.expires_at_s, UTC)),
    }
