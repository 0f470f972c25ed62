"""The path of a request through dispatch, with the smallest policy there can be; slow bodies on virtual time (virtual_loop)."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import pytest
from starlette.responses import FileResponse, PlainTextResponse, StreamingResponse
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from tests.fakes.clock import FakeClock
from tests.unit.http.asgi import Sent, chunks, drive, request, scope_of
from tests.unit.http.parts import ANYONE, Access, Call, Policy, Seen
from vox.errors import UsageError
from vox.http.cors import Origins
from vox.http.dispatch import CLIENT_LEFT, Dispatcher, raw_path
from vox.http.routing import Reply, Router, RouteTable, Upload

ORIGIN = "https://chat.example"
SECRET = "postgresql://user:secret@db"


class Page(msgspec.Struct):
    limit: int = 10


class Named(msgspec.Struct):
    name: str


class Site:
    """Routes that answer in every way there is."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock()
        self.policy = Policy()
        self.seen = Seen()
        self.ended: list[str] = []
        self.leaves = asyncio.Event()
        self.app = Dispatcher(
            Router(self._routes()),
            self.policy,
            self.clock,
            lifespan=self._lifespan,
            observer=self.seen,
            **options,
        )

    @asynccontextmanager
    async def _lifespan(self):
        self.ended.append("opened")
        yield
        self.ended.append("closed")

    async def get(self, target: str, *headers: tuple[bytes, bytes]) -> Sent:
        return await request(self.app, "GET", target, headers)

    def _routes(self) -> RouteTable[Access]:
        table = RouteTable[Access]()

        @table.get("/items/{id}", access=ANYONE, returns=dict)
        async def item(call: Call) -> object:
            self.clock.advance(2.5)
            return {"id": call.text("id")}

        @table.delete("/items/{id}", access=ANYONE)
        async def remove(call: Call) -> None: ...

        @table.get("/page", access=ANYONE, query=Page, returns=dict)
        async def page(call: Call) -> object:
            return {"limit": call.query.limit}

        @table.post("/named", access=ANYONE, body=Named, status=201, returns=dict)
        async def named(call: Call) -> object:
            return {"name": call.body.name}

        @table.post("/upload", access=ANYONE, body=Upload, returns=dict)
        async def upload(call: Call) -> object:
            return {"pieces": [piece.decode() async for piece in call.stream()]}

        @table.get("/reply", access=ANYONE, returns=bytes)
        async def reply(call: Call) -> Reply:
            return Reply(203, b"reply", {"X-Own": "1"}, on_end=self._end)

        @table.get("/kept", access=ANYONE, returns=bytes)
        async def kept(call: Call) -> Reply:
            return Reply(200, b"kept", {"cache-control": "max-age=5"})

        @table.get("/stream", access=ANYONE, returns=bytes)
        async def stream(call: Call) -> Reply:
            return Reply(stream=self._pieces(), on_end=self._end)

        @table.get("/broken-stream", access=ANYONE, returns=bytes)
        async def broken_stream(call: Call) -> Reply:
            return Reply(stream=self._pieces(breaks=True), on_end=self._end)

        @table.get("/broken-response", access=ANYONE, returns=bytes)
        async def broken_response(call: Call) -> StreamingResponse:
            return StreamingResponse(self._pieces(breaks=True))

        @table.get("/lost-file", access=ANYONE, returns=bytes)
        async def lost_file(call: Call) -> FileResponse:
            return FileResponse("/nowhere/at/all")

        @table.get("/text", access=ANYONE, returns=bytes)
        async def text(call: Call) -> PlainTextResponse:
            return PlainTextResponse("text", 202)

        @table.get("/fails", access=ANYONE, returns=dict)
        async def fails(call: Call) -> object:
            raise ValueError(SECRET)

        @table.get("/id", access=ANYONE, returns=dict)
        async def identity(call: Call) -> object:
            return [call.request_id, get_contextvars().get("request_id")]

        @table.get("/slow", access=ANYONE, returns=dict)
        async def slow(call: Call) -> None:
            self.leaves.set()
            await asyncio.Event().wait()

        @table.get("/health", access=ANYONE, returns=bytes, label="", has_common_headers=False)
        async def health(call: Call) -> Reply:
            return Reply(200, b"ok")

        @table.websocket("/socket/{name}", access=ANYONE)
        async def socket(websocket: Any) -> None:
            await websocket.accept(subprotocol=websocket.scope["path_params"]["name"])

        return table

    async def _pieces(self, *, breaks: bool = False):
        yield b"one"
        if breaks:
            raise ValueError(SECRET)
        yield b"two"

    async def _end(self) -> None:
        self.ended.append("reply")


@pytest.fixture
def site() -> Site:
    return Site()


async def test_a_result_is_encoded_by_the_policy(site):
    sent = await site.get("/items/a%20b")
    assert (sent.status, sent.body) == (200, b'{"id": "a b"}')
    assert sent.headers == {"content-type": "application/json", "x-admitted": "1", "content-length": "13"}


async def test_nothing_is_an_empty_204_without_a_length(site):
    sent = await request(site.app, "DELETE", "/items/1")
    assert (sent.status, sent.body) == (204, b"")
    assert sent.headers == {"x-admitted": "1"}


@pytest.mark.parametrize("target", ["/items/1", "/reply", "/health", "/nowhere", "/fails"])
async def test_head_is_answered_like_get_without_the_body(target):
    get, head = await Site().get(target), await request(Site().app, "HEAD", target)
    assert get.body
    assert head.body == b""
    assert (head.status, head.headers) == (get.status, get.headers)
    assert head.headers["content-length"] == str(len(get.body))


async def test_head_does_not_begin_a_stream(site):
    sent = await request(site.app, "HEAD", "/stream")
    assert (sent.status, sent.body, site.ended) == (200, b"", ["reply"])


async def test_an_unknown_path_is_refused_by_the_policy(site):
    sent = await site.get("/nowhere")
    assert (sent.status, sent.body, site.policy.steps) == (404, b"route_not_found", ["miss"])
    assert sent.headers == {"x-policy": "refused", "x-missed": "1", "content-length": "15"}


async def test_another_method_is_refused_with_the_methods_there_are(site):
    sent = await request(site.app, "PUT", "/items/1")
    assert (sent.status, sent.body) == (405, b"method_not_allowed")
    assert sent.headers["allow"] == "DELETE, GET, HEAD"


async def test_a_policy_may_refuse_a_miss_otherwise(site):
    site.policy.refuses_miss = UsageError("wait", code="rate_limited")
    assert (await site.get("/nowhere")).body == b"rate_limited"


async def test_what_is_not_admitted_reaches_no_endpoint_and_keeps_the_policys_headers(site):
    site.policy.refuses = UsageError("no", code="forbidden")
    sent = await site.get("/fails")
    assert (sent.status, sent.body) == (400, b"forbidden")
    assert sent.headers["x-admitted"] == "1"


async def test_an_exception_becomes_the_policys_answer_and_is_logged_without_reaching_the_wire(site):
    with capture_logs() as logs:
        sent = await site.get("/fails", (b"x-request-id", b"r1"))
    assert (sent.status, sent.body, sent.headers["x-policy"]) == (500, b"failed", "failed")
    assert SECRET.encode() not in repr(sent.messages).encode()
    [line] = [line for line in logs if line["event"] == "request failed"]
    assert (line["route"], line["request_id"], line["log_level"]) == ("GET /fails", "r1", "error")
    assert line["exc_info"]


async def test_a_query_is_typed_before_the_endpoint(site):
    assert (await site.get("/page?limit=3")).body == b'{"limit": 3}'
    assert (await site.get("/page")).body == b'{"limit": 10}'
    sent = await site.get("/page?limit=x")
    assert (sent.status, sent.body) == (422, b"query_invalid")


async def post(site: Site, path: str, messages: list[dict[str, Any]], *headers: tuple[bytes, bytes]) -> Sent:
    return await request(site.app, "POST", path, headers, messages)


async def test_a_body_is_read_decoded_and_admission_asked_again(site):
    sent = await post(site, "/named", chunks(b'{"na', b'me":"x"}'))
    assert (sent.status, sent.body) == (201, b'{"name": "x"}')
    assert site.policy.steps == ["admit", "decode", "recheck"]


@pytest.mark.parametrize("headers", [(), ((b"content-length", b"101"),)])
async def test_a_body_that_is_too_large_is_refused(site, headers):
    sent = await post(site, "/named", chunks(b"x" * 60, b"x" * 41), *headers)
    assert (sent.status, sent.body, site.policy.steps) == (413, b"body_too_large", ["admit"])


@pytest.mark.usefixtures("virtual_loop")
async def test_a_body_that_does_not_come_is_given_up():
    sent = await post(Site(), "/named", [{"type": "http.request", "body": b"{", "more_body": True}])
    assert (sent.status, sent.body) == (408, b"body_timeout")


async def test_a_body_that_breaks_off_is_refused(site):
    sent = await post(site, "/named", [*chunks(b"{", b"")[:1], {"type": "http.disconnect"}])
    assert (sent.status, sent.body) == (400, b"body_incomplete")


async def test_an_upload_is_read_by_its_endpoint_piece_by_piece_and_without_the_limit(site):
    site.policy.max_bytes = 1
    sent = await post(site, "/upload", chunks(b"one", b"", b"two"))
    assert (sent.status, sent.body) == (200, b'{"pieces": ["one", "two"]}')
    assert site.policy.steps == ["admit"]
    sent = await post(site, "/upload", [*chunks(b"one", b"")[:1], {"type": "http.disconnect"}])
    assert (sent.status, sent.body) == (400, b"body_incomplete")


async def test_a_reply_is_sent_as_it_is_and_told_of_its_end(site):
    sent = await site.get("/reply")
    assert (sent.status, sent.body, site.ended) == (203, b"reply", ["reply"])
    assert sent.headers == {"x-own": "1", "x-admitted": "1", "content-length": "5"}


async def test_a_stream_is_sent_in_pieces_and_told_of_its_end(site):
    sent = await site.get("/stream")
    pieces = [(one["body"], one.get("more_body", False)) for one in sent.messages[1:]]
    assert pieces == [(b"one", True), (b"two", True), (b"", False)]
    assert "content-length" not in sent.headers
    assert site.ended == ["reply"]


async def test_a_response_of_starlette_gets_the_common_headers(site):
    sent = await site.get("/text")
    assert (sent.status, sent.body, sent.headers["x-admitted"]) == (202, b"text", "1")


@pytest.mark.parametrize("target", ["/broken-stream", "/broken-response"])
async def test_a_failure_behind_half_a_response_goes_on_to_the_server(site, target):
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(ValueError):
        await site.app(scope_of("GET", target), _nothing, send)
    assert [one["type"] for one in sent] == ["http.response.start", "http.response.body"]
    assert site.seen.events[-1][1][1] == 200
    assert site.ended == (["reply"] if target == "/broken-stream" else [])


async def test_a_response_that_fails_before_its_head_becomes_the_policys_answer(site):
    sent = await site.get("/lost-file")
    assert (sent.status, sent.body) == (500, b"failed")
    assert site.seen.events[-1][1][1] == 500


async def test_replies_without_a_cache_policy_get_the_parts():
    site = Site(reply_cache_control=b"no-store")
    assert (await site.get("/reply")).headers["cache-control"] == "no-store"
    assert (await site.get("/kept")).headers["cache-control"] == "max-age=5"
    assert "cache-control" not in (await site.get("/health")).headers


async def test_common_headers_are_on_every_answer_but_those_of_routes_without():
    site = Site(headers=((b"x-common", b"1"),), origins=Origins((ORIGIN,)))
    for target in ("/items/1", "/reply", "/stream", "/text", "/fails", "/nowhere"):
        headers = (await site.get(target, (b"origin", ORIGIN.encode()))).headers
        assert (headers["x-common"], headers["access-control-allow-origin"]) == ("1", ORIGIN), target
    headers = (await site.get("/health", (b"origin", ORIGIN.encode()))).headers
    assert set(headers) == {"content-length", "x-admitted"}


async def test_a_preflight_is_answered_before_any_route():
    site = Site(origins=Origins((ORIGIN,)))
    asks = [(b"origin", ORIGIN.encode()), (b"access-control-request-method", b"DELETE")]
    for target in ("/items/1", "/nowhere"):
        sent = await request(site.app, "OPTIONS", target, asks)
        assert (sent.status, sent.body) == (204, b"")
        assert "DELETE" in sent.headers["access-control-allow-methods"]
    assert (site.policy.steps, site.seen.events) == ([], [])
    assert (await request(site.app, "OPTIONS", "/items/1", asks[:1])).status == 405


@pytest.mark.parametrize("origins", [None, Origins(())])
async def test_without_origins_options_is_a_method_like_others(origins):
    sent = await request(
        Site(origins=origins).app, "OPTIONS", "/items/1", [(b"access-control-request-method", b"DELETE")]
    )
    assert sent.status == 405
    assert "vary" not in sent.headers


@pytest.mark.parametrize(("target", "other"), [("/items/1/", "/items/1"), ("/page/?limit=3", "/page?limit=3")])
async def test_a_trailing_slash_is_redirected_where_the_part_wants_it(target, other):
    sent = await Site(redirects_slashes=True).get(target, (b"host", b"voice.example"))
    assert (sent.status, sent.headers["location"]) == (307, f"http://voice.example{other}")
    assert (await Site().get(target)).status == 404


@pytest.mark.parametrize("target", ["/", "/nowhere/", "/items/", "//", "/socket/a/"])
async def test_what_is_not_routed_without_the_slash_either_is_not_redirected(target):
    assert (await Site(redirects_slashes=True).get(target)).status == 404


async def test_a_redirect_never_leads_to_another_host():
    sent = await Site(redirects_slashes=True).get("//evil.example/page/", (b"host", b"voice.example"))
    assert sent.status == 404


async def test_the_incoming_request_id_is_trimmed_and_kept(site):
    sent = await site.get("/id", (b"x-request-id", b"  abc-1 "))
    assert sent.body == b'["abc-1", "abc-1"]'


@pytest.mark.parametrize("value", [b"", b"  ", b"a" * 129, b"a\x00b", "ä".encode("latin-1")])
async def test_an_unusable_request_id_is_replaced(site, value):
    made = set()
    for _ in range(20):
        sent = await site.get("/id", (b"x-request-id", value))
        here, logged = msgspec.json.decode(sent.body)
        assert here == logged == str(UUID(here, version=4))
        made.add(here)
    assert len(made) == 20


async def test_a_part_may_leave_ids_to_those_who_need_one():
    here, logged = msgspec.json.decode((await asyncio.create_task(Site(has_request_ids=False).get("/id"))).body)
    assert UUID(here)
    assert logged is None


async def test_the_observer_sees_start_status_and_duration(site):
    await site.get("/items/1")
    assert site.seen.events == [("started", "GET /items/{id}"), ("finished", ("GET /items/{id}", 200, 2.5))]


async def test_failures_are_counted_under_their_route_and_misses_under_none(site):
    await site.get("/fails")
    await site.get("/nowhere")
    assert [event for name, event in site.seen.events if name == "finished"] == [
        ("GET /fails", 500, 0.0),
        (None, 404, 0.0),
    ]


@pytest.mark.parametrize("counts", [True, False])
async def test_a_method_that_a_path_does_not_take_is_counted_as_the_part_wants_it(counts):
    site = Site(counts_refused_methods=counts)
    await request(site.app, "POST", "/page")
    expected = "GET /page" if counts else None
    assert site.seen.events == [("started", expected), ("finished", (expected, 405, 0.0))]


async def test_routes_without_a_label_are_not_counted(site):
    await site.get("/health")
    await request(site.app, "POST", "/health")
    assert site.seen.events == []


async def test_a_client_that_leaves_before_the_answer_is_counted_as_that(site):
    task = asyncio.create_task(site.get("/slow"))
    await site.leaves.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert site.seen.events[-1] == ("finished", ("GET /slow", CLIENT_LEFT, 0.0))
    assert CLIENT_LEFT == 499


def socket_scope(target: str) -> dict[str, Any]:
    return {**scope_of("", target), "type": "websocket", "subprotocols": []}


async def test_an_upgrade_finds_its_route_and_the_values_of_its_path(site):
    sent = await drive(site.app, socket_scope("/socket/a%20b"), [{"type": "websocket.connect"}])
    assert [(one["type"], one["subprotocol"]) for one in sent.messages] == [("websocket.accept", "a b")]


@pytest.mark.parametrize("target", ["/socket", "/items/1", "/nowhere", "/socket/a/"])
async def test_an_upgrade_elsewhere_is_refused_by_the_policy(site, target):
    sent = await drive(site.app, socket_scope(target), [{"type": "websocket.connect"}])
    assert [(one["type"], one["code"]) for one in sent.messages] == [("websocket.close", 1008)]
    assert site.policy.steps == ["refuse socket route_not_found"]


async def test_a_socket_is_no_page(site):
    assert (await site.get("/socket/a")).status == 404


async def test_the_lifespan_is_the_parts(site):
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = await drive(site.app, {"type": "lifespan"}, messages)
    assert [one["type"] for one in sent.messages] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert site.ended == ["opened", "closed"]


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ({"path": "/a b", "raw_path": b"/a%20b"}, "/a%20b"),
        ({"path": "/a b"}, "/a%20b"),
        ({"path": "/a%41"}, "/a%2541"),
        ({"path": "/voice/a b", "raw_path": b"/voice/a%20b", "root_path": "/voice"}, "/a%20b"),
        ({"path": "/a", "raw_path": b"/a", "root_path": "/voice"}, "/a"),
    ],
)
def test_routes_are_found_by_the_path_as_it_was_sent_below_the_root(scope, path):
    assert raw_path(scope) == path


async def _nothing() -> Any:
    await asyncio.Event().wait()
