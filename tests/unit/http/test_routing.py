import msgspec
import pytest

from tests.unit.http.parts import ANYONE, LOGIN, Access
from vox.errors import UsageError
from vox.http.rate_limits import RateCategory
from vox.http.routing import (
    MAX_QUERY_FIELDS,
    MethodNotAllowed,
    RouteNotFound,
    Router,
    RouteTable,
    Upload,
    decode_query,
)


class Paged(msgspec.Struct):
    limit: int = 50
    after: int | None = None
    query: str = ""


class Named(msgspec.Struct):
    name: str
    count: int = 1


def table() -> RouteTable[Access]:
    routes = RouteTable[Access]("/api")

    @routes.get("/feeds/{feed_id}", access=LOGIN, returns=dict)
    async def feed(call): ...

    @routes.get("/feeds/{feed_id}/messages/{msg_id}", access=LOGIN, returns=dict)
    async def message(call): ...

    @routes.get("/messages/search", access=LOGIN, returns=dict)
    async def search(call): ...

    @routes.delete("/feeds/{feed_id}", access=LOGIN)
    async def remove(call): ...

    @routes.get("/invites/{code}", access=ANYONE, returns=dict)
    async def invite(call): ...

    @routes.delete("/invites/{code}", access=LOGIN)
    async def revoke(call): ...

    @routes.get("/invites/mine", access=LOGIN, returns=dict)
    async def mine(call): ...

    @routes.any("/docs", access=ANYONE)
    async def docs(call): ...

    @routes.websocket("/gateway", access=LOGIN)
    async def gateway(websocket): ...

    @routes.websocket("/feeds/{feed_id}", access=LOGIN)
    async def follow(websocket): ...

    return routes


ROUTER = Router(table())


@pytest.mark.parametrize(
    ("method", "path", "endpoint", "values"),
    [
        ("GET", "/api/feeds/7", "feed", {"feed_id": "7"}),
        ("HEAD", "/api/feeds/7", "feed", {"feed_id": "7"}),
        ("DELETE", "/api/feeds/7", "remove", {"feed_id": "7"}),
        ("WEBSOCKET", "/api/feeds/7", "follow", {"feed_id": "7"}),
        ("WEBSOCKET", "/api/gateway", "gateway", {}),
        ("GET", "/api/feeds/7/messages/8", "message", {"feed_id": "7", "msg_id": "8"}),
        ("GET", "/api/messages/search", "search", {}),
        ("GET", "/api/invites/a%2Fb%C3%A4", "invite", {"code": "a/bä"}),
        ("GET", "/api/invites/a+b", "invite", {"code": "a+b"}),
        ("GET", "/api/invites/%", "invite", {"code": "%"}),
    ],
)
def test_a_path_finds_its_route(method, path, endpoint, values):
    route, found = ROUTER.find(method, path)
    assert (route.endpoint.__name__, found) == (endpoint, values)


def test_a_literal_goes_before_a_parameter_where_both_have_the_method():
    assert ROUTER.find("GET", "/api/invites/mine")[0].endpoint.__name__ == "mine"


def test_the_parameter_answers_where_the_literal_has_other_methods():
    route, values = ROUTER.find("DELETE", "/api/invites/mine")
    assert (route.endpoint.__name__, values) == ("revoke", {"code": "mine"})


@pytest.mark.parametrize("path", ["/%61pi/messages/search", "/api/messages/se%61rch", "/api/%6D%65ssages/search"])
def test_an_escape_means_the_same_as_its_character(path):
    assert ROUTER.find("GET", path)[0].endpoint.__name__ == "search"


def test_an_escaped_slash_separates_nothing():
    with pytest.raises(RouteNotFound):
        ROUTER.find("GET", "/api%2Fmessages/search")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS", "BREW"])
def test_any_answers_every_method(method):
    assert ROUTER.find(method, "/api/docs")[0].endpoint.__name__ == "docs"


def test_any_takes_no_upgrade():
    with pytest.raises(RouteNotFound):
        ROUTER.find("WEBSOCKET", "/api/docs")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/nowhere"),
        ("GET", "/api/feeds"),
        ("GET", "/api/feeds/"),
        ("GET", "/api/feeds/1/"),
        ("GET", "/api/feeds/1/messages/2/3"),
        ("GET", "/"),
        ("GET", ""),
        ("GET", "//api/messages/search"),
        ("GET", "/api/gateway"),
        ("POST", "/api/gateway"),
        ("WEBSOCKET", "/api/messages/search"),
        ("WEBSOCKET", "/api/nowhere"),
    ],
)
def test_what_is_not_routed_is_not_found(method, path):
    with pytest.raises(RouteNotFound) as caught:
        ROUTER.find(method, path)
    assert caught.value.code == "route_not_found"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/api/feeds/1", "DELETE, GET, HEAD"),
        ("BREW", "/api/feeds/1", "DELETE, GET, HEAD"),
        ("POST", "/api/messages/search", "GET, HEAD"),
        ("POST", "/api/invites/mine", "DELETE, GET, HEAD"),
    ],
)
def test_another_method_is_told_which_there_are(method, path, allow):
    with pytest.raises(MethodNotAllowed) as caught:
        ROUTER.find(method, path)
    assert (caught.value.code, caught.value.allow) == ("method_not_allowed", allow)
    assert ROUTER.find(caught.value.route.method, path)[0] is caught.value.route


@pytest.mark.parametrize(
    ("path", "has"),
    [("/api/feeds/1", True), ("/api/docs", True), ("/api/gateway", False), ("/api/feeds", False)],
)
def test_a_path_is_known_whatever_its_methods(path, has):
    assert ROUTER.has_path(path) is has


def test_a_path_with_changes_only_is_known_too():
    routes = RouteTable[Access]()
    routes.post("/changes", access=LOGIN)(table)  # type: ignore[arg-type]
    assert Router(routes).has_path("/changes")


def test_a_route_cannot_be_declared_twice():
    with pytest.raises(ValueError, match=r"GET /api/feeds/{feed_id} is declared twice"):
        Router(table(), table())


def test_parameters_of_one_place_may_differ_in_name_only_across_methods():
    routes = RouteTable[Access]()

    @routes.get("/relays/{id}", access=ANYONE, returns=dict)
    async def show(call): ...

    @routes.delete("/relays/{name}", access=LOGIN)
    async def remove(call): ...

    router = Router(routes)
    assert router.find("GET", "/relays/a")[1] == {"id": "a"}
    assert router.find("DELETE", "/relays/a")[1] == {"name": "a"}


def test_a_table_fills_in_what_follows_from_the_declaration():
    slow = RateCategory("slow", 1, 1.0)
    routes = RouteTable[Access]("/api", category_of=lambda template: slow if template == "/api/b" else None)

    @routes.post("/a", access=LOGIN, body=Named, status=201, returns=dict)
    async def make(call):
        """Makes one.

        And more.
        """

    @routes.put("/b", access=LOGIN, label="b", operation="putB")
    async def put(call): ...

    @routes.post("/c", access=LOGIN, body=Upload, returns=dict)
    async def upload(call): ...

    @routes.post("/d", access=LOGIN, body=Named, is_raw=True, returns=dict)
    async def signed(call): ...

    @routes.websocket("/e", access=LOGIN)
    async def socket(websocket): ...

    a, b, c, d, e = routes.grouped("things")
    assert (a.name, a.status, a.summary, a.operation_id, a.label) == (
        "POST /api/a",
        201,
        "Makes one.",
        "things.make",
        "POST /api/a",
    )
    assert a.decode_body is not None
    assert a.decode_body(b'{"name":"x","count":2}') == Named("x", 2)
    with pytest.raises(msgspec.ValidationError):
        a.decode_body(b'{"name":"x","count":"2"}')
    assert a.decode_loose is not None
    assert a.decode_loose(b'{"name":"x","count":"2"}') == Named("x", 2)
    assert (b.status, b.operation_id, b.label, b.category) == (204, "putB", "b", slow)
    assert a.category is None
    assert (c.decode_body, d.decode_body) == (None, None)
    assert (e.method, e.is_documented) == ("WEBSOCKET", False)
    assert next(iter(routes)).group == ""


def test_a_query_is_typed():
    assert decode_query(b"limit=5&after=7&query=a+b%20c&other=1", Paged) == Paged(5, 7, "a b c")
    assert decode_query(b"", Paged) == Paged()


@pytest.mark.parametrize(
    "raw", [b"limit=x", b"limit=1.5", b"limit=", b"\xff=1", b"&".join([b"a=1"] * (MAX_QUERY_FIELDS + 1))]
)
def test_a_wrong_query_is_the_callers_fault(raw):
    with pytest.raises(UsageError) as caught:
        decode_query(raw, Paged)
    assert caught.value.code == "query_invalid"


@pytest.mark.parametrize("path", ["/api/feeds/%00", "/api/feeds/7/messages/8%00", "/api/invites/a%00b"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "WEBSOCKET"])
def test_nothing_is_named_by_a_nul_character(method, path):
    with pytest.raises(RouteNotFound):
        ROUTER.find(method, path)


def test_a_nul_character_in_a_query_is_refused_where_it_would_be_used():
    assert decode_query(b"limit=5&other=%00&%00=1", Paged) == Paged(5)
    with pytest.raises(UsageError, match="query has a NUL character") as caught:
        decode_query(b"query=a%00", Paged)
    assert caught.value.code == "query_invalid"


def test_a_wrong_query_names_the_parameter():
    with pytest.raises(UsageError, match="limit"):
        decode_query(b"limit=x", Paged)
