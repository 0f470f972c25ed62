"""The routes at which carriers tell and ask about calls; not part of the API's description."""

from urllib.parse import quote

from vox.fleet.bridge.api.policy import CARRIER, Access, BridgeCall
from vox.fleet.bridge.server import Bridge
from vox.http.routing import Reply, RouteTable
from vox.providers.carriers.contract import WebhookAnswer, WebhookRequest


def carrier_routes(bridge: Bridge) -> RouteTable[Access]:
    """`/carriers/{carrier}/status`, `/carriers/{carrier}/answer` and `/carriers/{carrier}/resume`."""
    table = RouteTable[Access]()

    async def status(call: BridgeCall) -> Reply:
        """A carrier tells what has become of a call."""
        await bridge.callbacks.status(call.text("carrier"), _request(bridge, call), call.query_params)
        return Reply(204)

    async def answer(call: BridgeCall) -> Reply:
        """A carrier asks what to do with an answered call."""
        return _reply(await bridge.callbacks.answer(call.text("carrier"), _request(bridge, call), call.query_params))

    async def resume(call: BridgeCall) -> Reply:
        """A carrier asks what to do with a call whose stream is over."""
        return _reply(await bridge.callbacks.resume(call.text("carrier"), _request(bridge, call), call.query_params))

    for name, endpoint in (("status", status), ("answer", answer), ("resume", resume)):
        path = f"/carriers/{{carrier}}/{name}"
        table.post(path, access=CARRIER, body=bytes, is_raw=True, returns=bytes, label=name, is_documented=False)(
            endpoint
        )
        table.get(path, access=CARRIER, returns=bytes, label=name, is_documented=False)(endpoint)
    return table.grouped("carriers")


def _reply(document: WebhookAnswer | None) -> Reply:
    return Reply(204) if document is None else Reply(200, document.body, {"content-type": document.content_type})


def _request(bridge: Bridge, call: BridgeCall) -> WebhookRequest:
    """The request as the carrier sent and signed it: with the public address, letter by letter."""
    scope = call.scope
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    query: bytes = scope.get("query_string", b"")
    url = f"{bridge.base_url()}{(path + (b'?' + query if query else b'')).decode('latin-1')}"
    return WebhookRequest(call.method, url, dict(call.headers), call.body or b"")
