import msgspec
import pytest

from vox.chat.api.access import PUBLIC, USER
from vox.chat.api.request import Router, RouteTable, decode_query
from vox.chat.errors import Refusal


class Paged(msgspec.Struct):
    limit: int = 50
    after: int | None = None
    query: str = ""


def table() -> RouteTable:
    routes = RouteTable("/api")

    @routes.get("/feeds/{feed_id}", access=USER, returns=dict)
    async def feed(call): ...

    @routes.get("/feeds/{feed_id}/messages/{msg_id}", access=USER, returns=dict)
    async def message(call): ...

    @routes.get("/messages/search", access=USER, returns=dict)
    async def search(call): ...

    @routes.delete("/feeds/{feed_id}", access=USER)
    async def remove(call): ...

    @routes.get("/invites/{code}", access=PUBLIC, returns=dict)
    async def invite(call): ...

    @routes.get("/invites/mine", access=USER, returns=dict)
    async def mine(call): ...

    return routes


ROUTER = Router(table())


@pytest.mark.parametrize(
    ("method", "path", "endpoint", "values"),
    [
        ("GET", "/api/feeds/7", "feed", {"feed_id": "7"}),
        ("HEAD", "/api/feeds/7", "feed", {"feed_id": "7"}),
        ("DELETE", "/api/feeds/7", "remove", {"feed_id": "7"}),
        ("GET", "/api/feeds/7/messages/8", "message", {"feed_id": "7", "msg_id": "8"}),
        ("GET", "/api/messages/search", "search", {}),
        ("GET", "/api/invites/mine", "mine", {}),
        ("GET", "/api/invites/a%2Fb%C3%A4", "invite", {"code": "a/bä"}),
    ],
)
def test_a_path_finds_its_route(method, path, endpoint, values):
    route, found = ROUTER.find(method, path)
    assert (route.endpoint.__name__, found) == (endpoint, values)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nowhere", 404),
        ("GET", "/api/feeds", 404),
        ("GET", "/api/feeds/", 404),
        ("GET", "/api/feeds/1/messages/2/3", 404),
        ("GET", "/", 404),
        ("GET", "", 404),
        ("POST", "/api/feeds/1", 405),
        ("BREW", "/api/feeds/1", 405),
    ],
)
def test_what_is_not_routed_says_so(method, path, status):
    with pytest.raises(Refusal) as caught:
        ROUTER.find(method, path)
    assert (caught.value.wire_code, caught.value.status) == ("UNKNOWN", status)


def test_a_route_cannot_be_declared_twice():
    with pytest.raises(ValueError, match="is declared twice"):
        Router(table(), table())


def test_a_query_is_typed():
    assert decode_query(b"limit=5&after=7&query=a+b%20c&other=1", Paged) == Paged(5, 7, "a b c")
    assert decode_query(b"", Paged) == Paged()


@pytest.mark.parametrize("raw", [b"limit=x", b"limit=1.5", b"limit=", b"\xff=1", b"&".join([b"a=1"] * 100)])
def test_a_wrong_query_is_a_validation_error(raw):
    with pytest.raises(Refusal) as caught:
        decode_query(raw, Paged)
    assert caught.value.status == 422
