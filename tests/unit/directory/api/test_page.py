"""The status page: land is where it belongs, and changes reach listeners, on virtual time (virtual_loop)."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

import vox.directory
from tests.unit.directory.harness import LONDON, SYDNEY, rig
from tests.unit.http.asgi import scope_of
from vox.directory.app import create_app
from vox.directory.relays import change_stream
from vox.directory.relays.change_stream import MAX_PER_ADDRESS, ChangeStream
from vox.directory.relays.registry import Registry
from vox.errors import VoxError
from vox.runtime.lifecycle import Lifecycle

WORLD = json.loads((Path(vox.directory.__file__).parent / "api" / "page" / "world.json").read_text())


def land_at(longitude: float, latitude: float) -> str:
    """The land whose outline a point lies in, by counting crossings to the east."""
    for name, coast in WORLD.items():
        corners = list(zip(coast[::2], coast[1::2], strict=True))
        inside = False
        for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
            if (y1 > latitude) != (y2 > latitude) and longitude < x1 + (latitude - y1) * (x2 - x1) / (y2 - y1):
                inside = not inside
        if inside:
            return name
    return ""


@pytest.mark.parametrize(
    ("longitude", "latitude", "land"),
    [
        (151.21, -33.87, "Australia"),
        (115.86, -31.95, "Australia"),
        (144.96, -37.81, "Australia"),
        (174.76, -36.85, "North Island"),
        (-0.13, 51.5, "Great Britain"),
        (-6.26, 53.35, "Ireland"),
        (8.68, 50.11, "Eurasia"),
        (4.9, 52.37, "Eurasia"),
        (18.07, 59.33, "Eurasia"),
        (37.62, 55.75, "Eurasia"),
        (72.88, 19.08, "Eurasia"),
        (103.85, 1.35, "Eurasia"),
        (121.47, 31.23, "Eurasia"),
        (126.98, 37.57, "Eurasia"),
        (139.69, 35.69, "Honshu"),
        (106.85, -6.2, "Java"),
        (-74.006, 40.7128, "North America"),
        (-122.42, 37.77, "North America"),
        (-80.19, 25.76, "North America"),
        (-46.63, -23.55, "South America"),
        (-58.4, -34.6, "South America"),
        (18.42, -33.92, "Africa"),
        (3.38, 6.52, "Africa"),
        (31.24, 30.04, "Africa"),
        (0, 0, ""),
        (-40, 35, ""),
        (-150, 0, ""),
        (80, -30, ""),
    ],
)
def test_cities_lie_on_their_land_and_oceans_on_none(longitude: float, latitude: float, land: str):
    assert land_at(longitude, latitude) == land


def test_the_outline_stays_on_the_map():
    for coast in WORLD.values():
        assert all(-180 <= x <= 180 for x in coast[::2])
        assert all(-90 <= y <= 90 for y in coast[1::2])


async def test_the_page_loads_nothing_from_elsewhere(tmp_path):
    async with rig(tmp_path) as it:
        page = await it.http.get("/")
        parts = [await it.http.get(f"/page/{name}") for name in ("relays.js", "style.css", "world.json")]
        outside = await it.http.get("/page/..%2frelay.py")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "https://" not in page.text
    assert [part.status_code for part in parts] == [200, 200, 200]
    assert outside.status_code == 404


async def test_listeners_hear_what_changed_once_a_second(tmp_path, virtual_clock):
    async with rig(tmp_path, clock=virtual_clock) as it:
        sydney = await it.register(SYDNEY)
        events = ChangeStream(it.directory.registry, it.directory.lifecycle).listen()
        assert [relay["name"] for relay in payload(await anext(events), "relays")] == ["Sydney"]
        for load in range(5):
            await it.http.post(f"/v1/relays/{sydney['id']}/heartbeat", json={"current_connections": load})
        london = await it.register(LONDON)
        changes = payload(await anext(events), "changes")
        assert {relay["name"]: relay["current_connections"] for relay in changes["changed"]} == {
            "Sydney": 4,
            "London": 0,
        }
        await it.http.delete(f"/v1/relays/{london['id']}")
        assert payload(await anext(events), "changes") == {"changed": [], "gone": [london["id"]]}
        it.directory.lifecycle.drain()
        assert [part async for part in events] == []
        await asyncio.sleep(0)


async def test_one_address_does_not_take_all_places(virtual_clock):
    stream = ChangeStream(Registry(), Lifecycle(virtual_clock, 1.0))
    held = [stream.listen("192.0.2.1") for _ in range(MAX_PER_ADDRESS)]
    for one in held:
        await anext(one)
    with pytest.raises(VoxError) as caught:
        stream.listen("192.0.2.1")
    assert caught.value.code == "too_many_listeners"
    await anext(other := stream.listen("192.0.2.2"))
    await held[0].aclose()
    await anext(again := stream.listen("192.0.2.1"))
    for one in (*held, other, again):
        await one.aclose()


def payload(event: bytes, name: str):
    kind, data = event.decode().removesuffix("\n\n").split("\n")
    assert kind == f"event: {name}"
    return json.loads(data.removeprefix("data: "))


async def test_addresses_of_one_ipv6_network_share_their_places(tmp_path, virtual_clock, monkeypatch):
    monkeypatch.setattr(change_stream, "MAX_PER_ADDRESS", 1)
    async with rig(tmp_path, clock=virtual_clock) as it:
        app = create_app(it.directory)

        async def listen(peer: str, began: asyncio.Event | None = None) -> int:
            statuses: list[int] = []

            async def send(message: Any) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(message["status"])
                elif began is not None and message["body"]:
                    began.set()
                if began is None and statuses == [200]:
                    raise OSError  # the client has seen enough

            async def receive() -> Any:
                await asyncio.Event().wait()

            with contextlib.suppress(OSError, ClientDisconnect):
                await app(scope_of("GET", "/v1/events", client=peer), receive, send)
            return statuses[0]

        began = asyncio.Event()
        first = asyncio.create_task(listen("2001:db8::1", began))
        await began.wait()
        assert await listen("2001:db8::2") == 503
        assert await listen("2001:db8:0:1::1") == 200
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert await listen("2001:db8::2") == 200
