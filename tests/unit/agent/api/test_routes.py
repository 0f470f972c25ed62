"""Probes, misses and the API description of the agent server, through the whole application."""

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.agent.api.asgi import Site
from vox.errors import DependencyError

SECRET = "https://user:secret@provider.example"


def detector_of(site: Site) -> Any:
    return site.server.resources.voice_activity


class Driver:
    """A provider that can tell whether it works."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    async def check(self) -> None:
        if self.error is not None:
            raise self.error

    async def __aexit__(self, *_error: object) -> None: ...


@pytest.mark.parametrize("path", ["/ready", "/api/v1/ready"])
async def test_a_server_whose_parts_work_is_ready(path):
    site = Site()
    site.server.resources._drivers["stt"] = Driver(None)  # type: ignore[index,assignment]
    answer = await site.request("GET", path)
    assert (answer.status, answer.json["status"], answer.json["data"]) == (200, "ok", {"status": "ok"})


@pytest.mark.parametrize("path", ["/ready", "/api/v1/ready"])
@pytest.mark.parametrize(
    ("broken", "details"),
    [
        (("voice_activity",), [{"field": "voice_activity", "message": "detector_closed"}]),
        (("providers",), [{"field": "providers", "message": "provider_away"}]),
        (
            ("voice_activity", "providers"),
            [
                {"field": "voice_activity", "message": "detector_closed"},
                {"field": "providers", "message": "provider_away"},
            ],
        ),
    ],
)
async def test_readiness_names_what_does_not_work(path, broken, details):
    site = Site()
    if "voice_activity" in broken:
        detector_of(site).error = DependencyError(SECRET, code="detector_closed")
    if "providers" in broken:
        driver = Driver(DependencyError(SECRET, code="provider_away"))
        site.server.resources._drivers["stt"] = driver  # type: ignore[index,assignment]
    answer = await site.request("GET", path, headers={"x-request-id": "r1"})
    assert answer.status == 503
    assert answer.json["error"] == {
        "code": "SERVICE_UNAVAILABLE",
        "message": "Service unavailable",
        "requestId": "r1",
        "details": details,
    }
    assert SECRET not in answer.text
    assert (await site.request("GET", "/health")).status == 200


async def test_a_draining_server_says_when_to_come_back():
    site = Site(drain_timeout_secs=7)
    site.server.lifecycle.drain()
    answer = await site.request("GET", "/ready")
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert answer.json["error"]["message"] == "Service unavailable: draining"


async def test_what_is_not_routed_has_the_envelope():
    site = Site()
    answer = await site.request("GET", "/nope", headers={"x-request-id": "r1"})
    assert answer.status == 404
    assert answer.json == {"error": {"code": "NOT_FOUND", "message": "Not found", "requestId": "r1"}}
    answer = await site.request("POST", "/health")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.json["error"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("config", [{}, {"runner_transport": "twilio"}])
async def test_the_path_of_the_stream_is_no_webhook(config):
    answer = await Site(**config).request("POST", "/telephony/ws")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("target", ["/nope", "/health", "/page/app.js", "/ws/"])
async def test_an_upgrade_elsewhere_is_refused_in_the_envelope(target):
    answer = await Site().upgrade(target)
    assert (answer.status, answer.json["error"]["code"]) == (404, "NOT_FOUND")


async def test_a_trailing_slash_leads_to_the_path_without():
    answer = await Site().request("GET", "/talk/?a=1")
    assert (answer.status, answer.headers["location"]) == (307, "http://voice.example/talk?a=1")
    assert (await Site().request("GET", "/nope/")).status == 404


async def test_an_escaped_path_is_the_same_path():
    assert (await Site().request("GET", "/%68ealth")).status == 200


async def test_the_api_describes_every_route():
    site = Site()
    answer = await site.request("GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    described = {(method.upper(), path) for path, methods in answer.json["paths"].items() for method in methods}
    routes = {(route.method, route.template) for route in site.app.router.routes if route.method != "WEBSOCKET"}
    offers = {("ANY", "/api/offer"), ("ANY", "/sessions/{session}/api/offer")}  # told that there is no WebRTC
    preflights = {("OPTIONS", "/start"), ("OPTIONS", "/connect")}
    pages = {("GET", "/page/{name}"), ("GET", "/speech"), ("GET", "/docs"), ("GET", "/openapi.json")}
    pages |= {("GET", "/swagger/"), ("GET", "/swagger/index.html"), ("GET", "/swagger/doc.json")}
    assert described == routes - pages - offers - preflights
    assert {("GET", "/health"), ("GET", "/api/v1/ready"), ("POST", "/telephony/{agent}"), ("GET", "/ws")} <= described
    for methods in answer.json["paths"].values():
        for operation in methods.values():
            assert operation["summary"], operation
            assert operation["responses"]


async def test_the_page_of_the_api_names_every_route_and_loads_nothing():
    site = Site()
    answer = await site.request("GET", "/docs")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    for path in (await site.request("GET", "/openapi.json")).json["paths"]:
        assert f"<code>{path}</code>" in answer.text
    assert not re.search(r"<script|https?:|src=", answer.text)
    assert (await site.request("POST", "/docs")).status == 405


async def test_the_documented_addresses_of_swagger_answer_without_a_key_and_load_nothing():
    site = Site(server_api_key="k3y")
    page = await site.request("GET", "/swagger/")
    assert (page.status, page.text) == (200, (await site.request("GET", "/docs")).text)
    assert (await site.request("GET", "/swagger/index.html")).text == page.text
    assert (await site.request("GET", "/swagger")).headers["location"].endswith("/swagger/")
    document = (await site.request("GET", "/swagger/doc.json")).json
    assert document["swagger"] == "2.0"
    assert set(document["paths"]) == set((await site.request("GET", "/openapi.json")).json["paths"])
    assert document["paths"]["/ready"]["get"]["responses"]["503"]["schema"] == {"$ref": "#/definitions/Error"}


def test_every_route_is_counted_under_a_label_of_its_own_kind():
    labels = {route.name: route.label for route in Site(transport="both").app.router.routes}
    assert [name for name, label in labels.items() if not label] == []
    documented = {
        "GET /health": "health",
        "GET /ready": "ready",
        "GET /": "root",
        "WEBSOCKET /telephony/ws": "telephony_ws",
    }
    assert documented.items() <= labels.items()


async def test_requests_are_counted_by_the_label_of_their_route():
    site = Site()
    for method, target in (("GET", "/health"), ("POST", "/health"), ("GET", "/made/up"), ("BREW", "/made/up/too")):
        await site.request(method, target)
    await site.upgrade("/made/up")
    shown = (await site.request("GET", "/metrics")).text
    assert 'route="health"' in shown
    assert 'route="fallback"' in shown
    assert "made" not in shown
    assert "BREW" not in shown


def speaking_site(**config: Any) -> Site:
    """A server of two agents that say what they can be asked."""
    site = Site(agents={"bistro": {"greeting": "Hi."}, "office": {"greeting": "Yes?"}}, **config)
    agents = site.server.resources.agents
    agents["bistro"] = replace(agents["bistro"], title="Vox Bistro", suggestions=("Are you open?", "Where are you?"))
    agents["office"] = replace(agents["office"], title="Office")
    return site


async def test_a_page_learns_what_can_be_asked_and_which_agents_there_are():
    answer = await speaking_site(default_agent="bistro").request("GET", "/page/suggestions")
    assert answer.json["data"] == {
        "agent": "bistro",
        "title": "Vox Bistro",
        "suggestions": ["Are you open?", "Where are you?"],
        "agents": [{"name": "bistro", "title": "Vox Bistro"}, {"name": "office", "title": "Office"}],
        "llm": "openai",
        "webrtc": False,
    }


async def test_each_agent_has_suggestions_of_its_own():
    site = speaking_site()
    assert (await site.request("GET", "/page/suggestions?agent=office")).json["data"]["suggestions"] == []
    assert (await site.request("GET", "/page/suggestions?agent=nobody")).status == 404


async def test_suggestions_are_as_open_as_the_agents_themselves():
    site = speaking_site(server_api_key="k")
    assert (await site.request("GET", "/page/suggestions")).status == 401
    assert (await site.request("GET", "/page/suggestions?api_key=k")).status == 200
