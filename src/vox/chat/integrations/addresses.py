"""Whether an address that a member names for a bot or a webhook may be posted to, asked when it is stored.

It is asked again at each request, because a name may point elsewhere by then; here the member learns at once that it will not work.
"""

import asyncio
from typing import Final

from vox.chat.errors import refuse
from vox.errors import DependencyError, UsageError
from vox.security.outbound import OutboundGuard

LOOK_UP_S: Final = 5.0


async def assert_reachable(guard: OutboundGuard, url: str) -> None:
    """Refuses an address that is malformed, not public, or has a name without an address.

    Raises:
        Refusal: INVALID_URL.
    """
    try:
        async with asyncio.timeout(LOOK_UP_S):
            await guard.resolve(url)
    except UsageError:
        raise refuse(
            "INVALID_URL", "Give a public http or https address, or have its network added to VOX_INTEGRATION_NETWORKS."
        ) from None
    except (DependencyError, TimeoutError):
        raise refuse("INVALID_URL", "The host's name has no address; check its spelling.") from None
