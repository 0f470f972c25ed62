"""Keys of users of other servers, which their own servers give out."""

from typing import Final

from vox.chat.events.ids import UserId
from vox.chat.features.keys.schemas import DevicePrekeys, Prekeys
from vox.chat.federation.client import PeerFailure, path_segment, unreachable
from vox.chat.federation.service import Federation
from vox.chat.federation.wire import RemotePrekeys

_EXHAUSTED: Final = "PREKEY_EXHAUSTED"


async def fetch_prekeys(federation: Federation, target_id: UserId, address: str) -> Prekeys:
    """The keys of the devices of a user of another server, with one one-time key of each where there is one.

    Args:
        federation: of this server.
        target_id: the user here.
        address: the user at home.

    Raises:
        Refusal: FED_USER_NOT_FOUND, FED_BLOCKED, FED_POLICY_DENIED, FED_UNAVAILABLE.
    """
    domain = address.rpartition("@")[2]
    path = f"/users/{path_segment(address)}/prekeys"
    try:
        found = await federation.client.ask(domain, "GET", path, RemotePrekeys, policy=federation.policy)
    except PeerFailure as failure:
        raise unreachable(failure, domain) from None
    devices = [
        DevicePrekeys(one.device_id, one.identity_key, one.signed_prekey, one.one_time_prekey) for one in found.devices
    ]
    is_exhausted = any(one.one_time_prekey is None for one in devices)
    return Prekeys(target_id, devices, _EXHAUSTED if is_exhausted else None)
