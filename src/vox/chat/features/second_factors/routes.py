"""Second factors: finish a login with one, add and remove them, show one again within a login."""

from functools import partial

from vox.chat.api.access import PUBLIC, USER
from vox.chat.api.request import Call, RouteTable
from vox.chat.errors import refuse
from vox.chat.features.auth.gate import arrival_of
from vox.chat.features.auth.schemas import LoggedIn
from vox.chat.features.passkeys.schemas import ChallengeIssued, PasskeyDone
from vox.chat.features.second_factors import login, service
from vox.chat.features.second_factors.schemas import (
    Confirmed,
    FactorStatus,
    FreshLogin,
    Proof,
    RecoveryCodes,
    SecondHalf,
    Setup,
    SetupConfirmation,
    SetupRequest,
)
from vox.chat.identity.factor_queries import read_factors

routes = RouteTable()


@routes.post("/auth/login/2fa", access=PUBLIC, body=SecondHalf, returns=LoggedIn)
async def finish_login(call: Call[SecondHalf]) -> LoggedIn:
    """Returns a token for the ticket of /auth/login and a second factor; five wrong codes end the ticket."""
    return await login.finish(call.chat, call.body, arrival_of(call, call.body))


@routes.get("/auth/2fa", access=USER, returns=FactorStatus)
async def get_status(call: Call) -> FactorStatus:
    """Tells which second factors the caller has."""
    held = await call.chat.read(partial(read_factors, user_id=call.user_id))
    return FactorStatus(held.has_totp, held.passkeys > 0, held.recovery_codes_left)


@routes.post("/auth/2fa/setup", access=USER.fresh(), body=SetupRequest, returns=Setup)
async def begin_setup(call: Call[SetupRequest]) -> Setup:
    """Begins to add a second factor: a secret for an application, or options for a passkey."""
    if call.body.method == "totp":
        return await service.begin_totp(call.chat, user_id=call.user_id, session_id=call.session_id)
    if call.body.method == "webauthn":
        return await service.begin_passkey(call.chat, user_id=call.user_id, session_id=call.session_id)
    raise refuse("INVALID_METHOD", "method: expected totp or webauthn")


@routes.post("/auth/2fa/setup/confirm", access=USER, body=SetupConfirmation, returns=Confirmed)
async def confirm_setup(call: Call[SetupConfirmation]) -> Confirmed:
    """Makes the new factor count; with the first one come recovery codes, shown this once."""
    codes = await service.confirm(call.chat, call.body, user_id=call.user_id, session_id=call.session_id)
    return Confirmed(success=True, recovery_codes=codes)


@routes.delete("/auth/2fa", access=USER, body=Proof, returns=PasskeyDone)
async def remove_factor(call: Call[Proof | None]) -> PasskeyDone:
    """Removes one-time passwords or all passkeys, proved by any second factor, and ends all other logins."""
    if call.body is None:
        raise refuse("VALIDATION_ERROR", "body: expected method, and a code or an assertion")
    await service.remove(call.chat, call.body, user_id=call.user_id, session_id=call.session_id, address=call.client)
    return PasskeyDone(success=True)


@routes.post("/auth/2fa/recovery-codes", access=USER.fresh(), returns=RecoveryCodes)
async def renew_recovery_codes(call: Call) -> RecoveryCodes:
    """Replaces the recovery codes; the old ones are void."""
    return RecoveryCodes(await service.renew_codes(call.chat, user_id=call.user_id))


@routes.post("/auth/step-up/challenge", access=USER, returns=ChallengeIssued)
async def begin_step_up(call: Call) -> ChallengeIssued:
    """Returns a challenge by which a passkey proves the caller within this login."""
    return await login.begin_proof(call.chat, user_id=call.user_id, session_id=call.session_id)


@routes.post("/auth/step-up", access=USER, body=Proof, returns=FreshLogin)
async def step_up(call: Call[Proof]) -> FreshLogin:
    """Makes the login fresh by a second factor, for what is dangerous."""
    until = await login.step_up(
        call.chat, call.body, user_id=call.user_id, session_id=call.session_id, address=call.client
    )
    return FreshLogin(until)
