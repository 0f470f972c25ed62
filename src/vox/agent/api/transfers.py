"""Putting phone calls through: over the carrier's API, with our answer for the carriers that ask what to do next.

The address of that answer carries the destination and is signed, so that others cannot have this server send calls anywhere.
"""

from typing import Final
from urllib.parse import urlencode

from vox.agent.api.policy import SIGNATURE, Access
from vox.agent.api.responses import error
from vox.agent.config.doors import CARRIER_SECRETS
from vox.agent.server import AgentServer
from vox.http.call import HttpCall
from vox.http.routing import Reply, RouteTable
from vox.providers import registry
from vox.providers.carriers.contract import TransferTarget
from vox.runtime.logging import get_logger
from vox.security.digests import hmac_digest, is_equal

log = get_logger(__name__)

ANSWER_SECONDS: Final = 120
ASKING: Final = frozenset({"plivo"})
"""Carriers that fetch the instructions for a transferred call from this server."""
MAX_DIGITS: Final = 12


class PhoneTransfers:
    """Puts the calls of one server through.

    Args:
        server: whose credentials and carriers are used.
        base: scheme and host at which carriers reach it.
    """

    def __init__(self, server: AgentServer, base: str) -> None:
        self._server = server
        self._base = base

    def are_possible(self, carrier: str) -> bool:
        """Whether that carrier can, with the credentials there are."""
        return self._server.resources.call_control(carrier).can_transfer

    def remedy(self, carrier: str) -> str:
        """What the operator can do where it cannot."""
        return self._server.resources.call_control(carrier).transfer_remedy

    async def transfer(self, carrier: str, call_id: str, to: str, caller_id: str) -> None:
        """Puts a call through; raises `VoxError` where that fails."""
        url = self._answer_url(carrier, call_id, to, caller_id) if carrier in ASKING else ""
        target = TransferTarget(to, caller_id=caller_id, answer_url=url)
        await self._server.resources.call_control(carrier).transfer(call_id, target)
        log.info("call transferred", carrier=carrier)

    def _answer_url(self, carrier: str, call_id: str, to: str, caller_id: str) -> str:
        expires = str(self._server.clock.unix_s() + ANSWER_SECONDS)
        query = {"to": to, "caller_id": caller_id, "expires": expires}
        signed = _sign(self._server, carrier, to, caller_id, expires)
        return f"{self._base}/telephony/transfer/{carrier}?{urlencode({**query, 'signature': signed})}"


class TransferRoutes:
    """Answers the carriers that ask what to do with a call that was put through."""

    def __init__(self, server: AgentServer) -> None:
        self._server = server

    def add_to(self, table: RouteTable[Access]) -> None:
        """Adds the routes, where the server's carrier asks."""
        if self._server.settings.runner_transport in ASKING:
            for add in (table.get, table.post):
                add(
                    "/telephony/transfer/{carrier}",
                    access=SIGNATURE,
                    returns=bytes,
                    label="telephony_transfer",
                    errors=(403, 404),
                )(self.answer)

    async def answer(self, call: HttpCall) -> Reply:
        """The carrier's own form of "connect the caller with this number", to an address that this server has signed."""
        carrier, query = call.path["carrier"], call.query_params
        if carrier not in ASKING:
            return error(call.scope, 404, "NOT_FOUND", "This carrier asks for no answer")
        to, caller_id, expires = (query.get(name, "") for name in ("to", "caller_id", "expires"))
        is_date = expires.isascii() and expires.isdigit() and len(expires) <= MAX_DIGITS
        signature = query.get("signature", "")
        if (
            not is_date
            or not signature
            or int(expires) < self._server.clock.unix_s()
            or not is_equal(_sign(self._server, carrier, to, caller_id, expires), signature)
        ):
            return error(call.scope, 403, "FORBIDDEN", "The signature is missing, wrong or too old")
        answered = registry.load("carriers", carrier).transfer_answer(TransferTarget(to, caller_id=caller_id))
        return Reply(200, answered.body, {"content-type": answered.content_type})


def _sign(server: AgentServer, carrier: str, *what: str) -> str:
    key, variable = CARRIER_SECRETS[carrier]
    secret = server.settings.api_keys.get(key) or server.environment.get(variable, "")
    return hmac_digest(secret, "\n".join(("vox-transfer", carrier, *what)), "sha256").hex() if secret else ""
