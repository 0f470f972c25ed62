"""What a chat server does for a request, as a trace shows it: the request, the change and the database, below the caller's span."""

from pathlib import Path

import httpx2
import pytest

from tests.e2e.agents import until
from tests.e2e.chats import API, bearer, chat_server, register
from tests.e2e.otlp_collector import otlp_collector

pytest.importorskip("opentelemetry.sdk")

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_message_is_one_trace_from_the_request_to_the_commit(tmp_path: Path):
    with otlp_collector() as collector:
        async with chat_server(tmp_path, environment={"VOX_OTLP_ENDPOINT": collector.endpoint}) as chat:
            async with httpx2.AsyncClient(base_url=chat.http) as http:
                alice = await register(http, "alice")
                http.headers.update(bearer(alice))
                feed = (await http.post(f"{API}/feeds", json={"name": "general", "type": "text"})).json()["feed_id"]
                sent = {"body": "the secret plan"}
                await http.post(f"{API}/feeds/{feed}/messages", json=sent, headers={"traceparent": CALLER})
                assert (await http.get(f"{API}/feeds/999999/messages")).status_code == 404
                assert (await http.get("/health")).status_code == 200
            chat.terminate()
            assert await chat.ended() == 0
        await until(lambda: bool(collector.named(f"GET {API}/feeds/{{feed_id}}/messages")))
    assert collector.services == {"vox-chat"}
    [request] = collector.named(f"POST {API}/feeds/{{feed_id}}/messages")
    assert request.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert request.parent_id.hex() == "b7ad6b7169203331"
    assert request.attributes["http.response.status_code"] == 201
    assert request.attributes["http.route"] == f"{API}/feeds/{{feed_id}}/messages"
    below = {span.name: span for span in collector.spans if span.trace_id == request.trace_id}
    assert below["change"].attributes["events"] == 1
    assert below["database"].parent_id == below["change"].span_id
    assert below["database"].attributes == {"mode": "write", "system": "sqlite"}
    [missed] = collector.named(f"GET {API}/feeds/{{feed_id}}/messages")
    assert missed.attributes["http.response.status_code"] == 404
    assert not any("health" in span.name for span in collector.spans)
    told = repr([(span.name, span.attributes) for span in collector.spans])
    assert "secret plan" not in told
    assert alice["token"] not in told
