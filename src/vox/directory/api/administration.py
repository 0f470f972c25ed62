"""What administrators do about relays that want to join: tokens for those that are expected, and a word on those that are not."""

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from vox.directory.api.requests import body_of, relay_id_of
from vox.directory.api.responses import json_response
from vox.directory.database.join_tokens import JoinToken
from vox.directory.registration.access import Caller
from vox.directory.relays.relay import Relay, iso, status_form, whole_form
from vox.directory.schemas import NewJoinToken, Refusal, read_body
from vox.directory.server import Directory
from vox.security.http_signatures import fingerprint


class Administration:
    """The handlers; each asks for an administrator's key first."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def create_token(self, request: Request) -> Response:
        """Makes a join token and says it, this once."""
        body = await body_of(self._directory, request)
        caller = self._caller(request)
        wanted = read_body(NewJoinToken, body) if body.strip() else NewJoinToken()
        made, text = await self._directory.join_tokens.create(wanted.ttl_ms / 1000, wanted.note, caller.owner)
        return json_response({**_form(made), "token": text}, 201)

    async def tokens(self, request: Request) -> Response:
        """The tokens that nobody has used yet, without their texts."""
        self._without_body(request)
        found = [_form(one) for one in await self._directory.join_tokens.waiting()]
        return json_response({"join_tokens": found, "count": len(found)})

    async def delete_token(self, request: Request) -> Response:
        """Makes a token useless."""
        caller = self._without_body(request)
        await self._directory.join_tokens.delete(request.path_params["token_id"], caller.owner)
        return json_response({"status": "deleted"})

    async def waiting(self, request: Request) -> Response:
        """The relays that wait for approval."""
        self._without_body(request)
        found = [self._waiting_form(relay) for relay in self._directory.registry if relay.is_waiting]
        return json_response({"relays": found, "count": len(found)})

    async def approve(self, request: Request) -> Response:
        """Lets a relay join."""
        await body_of(self._directory, request)
        relay = await self._relay(request)
        return json_response(status_form(await self._directory.registration.approve(relay)))

    async def refuse(self, request: Request) -> Response:
        """Removes a relay that waits."""
        body = await body_of(self._directory, request)
        relay = await self._relay(request)
        wanted = read_body(Refusal, body) if body.strip() else Refusal()
        await self._directory.registration.refuse(relay, wanted.reason)
        return json_response({"status": "refused"})

    def _without_body(self, request: Request) -> Caller:
        self._directory.authorizer.limit(request)
        return self._caller(request)

    def _caller(self, request: Request) -> Caller:
        return self._directory.authorizer.authorize_administrator(request)

    async def _relay(self, request: Request) -> Relay:
        caller = self._caller(request)
        relay = await self._directory.registration.find(relay_id_of(request))
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
