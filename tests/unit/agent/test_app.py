"""Routes that take the place of the agent server's own."""

from vox.agent.api.policy import PUBLIC, Access
from vox.agent.app import with_routes
from vox.http.routing import RouteTable


def table_of(*paths: str) -> RouteTable[Access]:
    table = RouteTable[Access]()
    for path in paths:

        async def endpoint(_call: object) -> None:
            """An endpoint."""

        table.get(path, access=PUBLIC, returns=bytes)(endpoint)
    return table


def test_routes_of_others_are_added_or_win_over_the_servers_own():
    own, more = table_of("/health", "/ready"), table_of("/health", "/fleet")
    first, second = with_routes([own], [more])
    assert [route.name for route in first] == ["GET /ready"]
    assert [route.name for route in second] == ["GET /health", "GET /fleet"]
    assert [route.name for route in own] == ["GET /health", "GET /ready"], "the table itself is as it was"
