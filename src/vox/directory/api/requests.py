"""What handlers take from a request before they look at it: its body, and the id in its path."""

from starlette.requests import Request

from vox.directory.api.responses import bad_id
from vox.directory.schemas import MAX_BODY_BYTES
from vox.directory.server import Directory
from vox.directory.settings import RELAY_ID
from vox.http import edge

BODY_TIMEOUT_S = 10.0


async def body_of(directory: Directory, request: Request) -> bytes:
    """The body of a request, which counts against its sender's rate.

    Raises:
        VoxError: rate_limited, body_too_large, body_timeout or body_incomplete.
    """
    relay_id: str = request.path_params.get("id", "")
    directory.authorizer.limit(request, relay_id if directory.registry.get(relay_id) else "")
    return await edge.read_body(request.scope, request.receive, max_bytes=MAX_BODY_BYTES, timeout_s=BODY_TIMEOUT_S)


def relay_id_of(request: Request) -> str:
    """The id in the path.

    Raises:
        UsageError: validation_error, where no relay can have it.
    """
    relay_id: str = request.path_params["id"]
    if not RELAY_ID.fullmatch(relay_id):
        raise bad_id()
    return relay_id
