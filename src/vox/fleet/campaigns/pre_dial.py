"""The operator's check before a call: a request to a URL of theirs, whose answer allows or denies it.

The request is `POST` with the call as JSON, signed as webhooks are; `200 {"allow": true}` allows it and `200 {"allow": false}` denies it.
Anything else, a time-out included, is no answer: the call is not made, and is asked about again later.
"""

from typing import Final, Protocol

import msgspec

from vox.errors import VoxError
from vox.fleet.campaigns.dialling import Claim
from vox.fleet.campaigns.plans import CallPlan
from vox.fleet.campaigns.rules.decision import PreDial
from vox.runtime.logging import get_logger
from vox.security.outbound import OutboundGuard

MAX_ANSWER_BYTES: Final = 16_384
_OK: Final = 200

_log = get_logger(__name__)


class PreDialCheck(Protocol):
    """Asks whether a call may be made."""

    async def ask(self, campaign_id: str, plan: CallPlan, claim: Claim) -> PreDial:
        """The answer; `failed` where there is none in time."""
        ...


class Signer(Protocol):
    """Signs the body of a request."""

    def __call__(self, body: bytes) -> dict[str, str]:
        """Headers that prove where the body comes from."""
        ...


class _Answer(msgspec.Struct):
    allow: bool


class WebhookCheck:
    """Implements `PreDialCheck` over HTTP.

    Args:
        guard: keeps the request away from where only this machine can go.
        sign: gives the headers of a signature; None for none.
    """

    def __init__(self, guard: OutboundGuard, sign: Signer | None = None) -> None:
        self._guard = guard
        self._sign = sign

    async def ask(self, campaign_id: str, plan: CallPlan, claim: Claim) -> PreDial:
        """See `PreDialCheck`."""
        body = msgspec.json.encode(
            {
                "type": "campaign.pre_dial",
                "campaign_id": campaign_id,
                "recipient_id": claim.recipient_id,
                "to": claim.number,
                "attempt": claim.attempt,
                "variables": claim.variables,
            }
        )
        headers = {"content-type": "application/json", **(self._sign(body) if self._sign is not None else {})}
        try:
            answer = await self._guard.fetch(
                "POST",
                plan.pre_dial_url,
                headers=headers,
                body=body,
                deadline_s=plan.pre_dial_timeout_s,
                max_bytes=MAX_ANSWER_BYTES,
            )
            if answer.status != _OK:
                _log.warning("the check before a call failed", campaign=campaign_id, status=answer.status)
                return "failed"
            return "allowed" if msgspec.json.decode(answer.body, type=_Answer).allow else "denied"
        except VoxError as error:
            _log.warning("the check before a call failed", campaign=campaign_id, code=error.code)
        except msgspec.DecodeError:
            _log.warning("the check before a call answered something else", campaign=campaign_id)
        return "failed"
