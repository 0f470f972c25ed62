"""The description of a table of routes: bodies, queries and answers of every kind, and a page that loads nothing."""

import json
import re
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from tests.fakes.clock import FakeClock
from tests.unit.http.asgi import request
from tests.unit.http.parts import ANYONE, LOGIN, Access, Policy
from vox.http.dispatch import Dispatcher
from vox.http.lifespan import opened
from vox.http.openapi import ApiDescription, ApiDocument, describe, documentation_routes
from vox.http.rate_limits import RateCategory
from vox.http.routing import Router, RouteTable, Upload


class Wanted(msgspec.Struct):
    name: str
    anything: object = None


class Made(msgspec.Struct):
    id: int


class Filter(msgspec.Struct):
    sort: str
    limit: int = 10


class Signed(BaseModel):
    key: str


class Optional(BaseModel):
    note: str = ""


API = ApiDescription(
    title="Things & more",
    description="What there is.",
    error={"type": "object", "properties": {"code": {"type": "string"}}},
    security_schemes={"token": {"type": "http", "scheme": "bearer"}},
    schemas={"Extra": {"type": "string"}},
    parameter=lambda name: {"type": "integer"} if name == "id" else {"type": "string"},
    tag=lambda route: "things" if "things" in route.template else "",
    page_note="Also <code>/gateway</code>.",
)
SCHEMA = {"type": "object", "properties": {"status": {"type": "string"}}}
PARAMETERS = [{"name": "at", "in": "query", "schema": {"type": "string"}}]


def table() -> RouteTable[Access]:
    routes = RouteTable[Access](
        "/api", category_of=lambda template: RateCategory("slow", 1, 1.0) if "things" in template else None
    )

    @routes.get("/things/{id}/{name}", access=LOGIN, query=Filter, returns=Made)
    async def thing(call):
        """One thing <b>.

        Not in the summary.
        """

    @routes.post("/things", access=LOGIN, body=Wanted, status=201, returns=Made, also=(200,))
    async def make(call): ...

    @routes.delete("/things/{id}/{name}", access=LOGIN, body=Wanted)
    async def remove(call): ...

    @routes.put("/signed", access=ANYONE, body=Signed, returns=Signed, is_raw=True, errors=(401, 429))
    async def signed(call): ...

    @routes.put("/optional", access=ANYONE, body=Optional, is_raw=True, returns=SCHEMA)
    async def optional(call): ...

    @routes.post("/files", access=ANYONE, body=Upload, returns=bytes, operation="uploadFile")
    async def upload(call): ...

    @routes.post("/emoji", access=ANYONE, body=Upload, form=("image", "name"), returns=SCHEMA)
    async def emoji(call): ...

    @routes.get("/schema", access=ANYONE, query=PARAMETERS, returns=SCHEMA)
    async def schema(call): ...

    @routes.any("/any", access=ANYONE)
    async def anything(call): ...

    @routes.get("/hidden", access=ANYONE, returns=SCHEMA, is_documented=False)
    async def hidden(call): ...

    @routes.websocket("/gateway", access=LOGIN)
    async def gateway(websocket): ...

    return routes.grouped("all")


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(ApiDocument(API, list(table())).openapi)


def operation(document: Any, method: str, path: str) -> Any:
    return document["paths"][f"/api{path}"][method]


def body_of(found: Any) -> Any:
    return found["requestBody"]["content"]["application/json"]["schema"]


def answer_of(found: Any, status: str = "200") -> Any:
    return found["responses"][status]["content"]["application/json"]["schema"]


def resolved(document: Any, schema: Any) -> Any:
    return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]


def test_the_whole_is_named(document):
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "Things & more", "version": "1", "description": "What there is."}
    assert document["components"]["securitySchemes"] == API.security_schemes
    assert document["components"]["schemas"]["Extra"] == {"type": "string"}
    assert document["components"]["schemas"]["Error"] == API.error


def test_every_documented_route_is_described_and_no_other(document):
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert described == {
        ("get", "/api/things/{id}/{name}"),
        ("delete", "/api/things/{id}/{name}"),
        ("post", "/api/things"),
        ("put", "/api/signed"),
        ("put", "/api/optional"),
        ("post", "/api/files"),
        ("post", "/api/emoji"),
        ("get", "/api/schema"),
        ("get", "/api/any"),
    }


def test_operations_have_ids_of_their_own(document):
    ids = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(set(ids)) == len(ids)
    assert operation(document, "post", "/things")["operationId"] == "all.make"
    assert operation(document, "post", "/files")["operationId"] == "uploadFile"


def test_an_operation_says_what_who_and_how_often(document):
    found = operation(document, "get", "/things/{id}/{name}")
    assert found["summary"] == "One thing <b>."
    assert found["description"] == "Access: a login. Rate limit: slow."
    assert (found["security"], found["tags"]) == ([{"token": []}], ["things"])
    found = operation(document, "get", "/schema")
    assert found["description"] == "Access: anyone."
    assert not {"security", "tags", "requestBody"} & set(found)


def test_parameters_of_path_and_query_are_typed(document):
    found = operation(document, "get", "/things/{id}/{name}")["parameters"]
    assert [(one["name"], one["in"], one["required"]) for one in found] == [
        ("id", "path", True),
        ("name", "path", True),
        ("sort", "query", True),
        ("limit", "query", False),
    ]
    assert [one["schema"]["type"] for one in found] == ["integer", "string", "string", "integer"]
    assert operation(document, "get", "/schema")["parameters"] == PARAMETERS
    assert "Filter" not in document["components"]["schemas"]


def test_msgspec_types_are_components(document):
    found = operation(document, "post", "/things")
    assert found["requestBody"]["required"] is True
    wanted = resolved(document, body_of(found))
    assert (wanted["required"], wanted["properties"]["name"]) == (["name"], {"type": "string"})
    assert wanted["properties"]["anything"]["description"] == "Any JSON."
    assert resolved(document, answer_of(found, "201"))["properties"] == {"id": {"type": "integer"}}
    assert answer_of(found, "200") == answer_of(found, "201")


def test_a_body_of_delete_may_be_left_out_and_its_answer_is_empty(document):
    found = operation(document, "delete", "/things/{id}/{name}")
    assert found["requestBody"]["required"] is False
    assert found["responses"]["204"] == {"description": "Done."}


def test_pydantic_models_stand_in_place(document):
    found = operation(document, "put", "/signed")
    assert body_of(found)["required"] == ["key"]
    assert answer_of(found)["properties"]["key"]["type"] == "string"
    assert found["requestBody"]["required"] is True
    assert operation(document, "put", "/optional")["requestBody"]["required"] is False


def test_schemas_and_bytes_stand_as_they_are(document):
    assert answer_of(operation(document, "get", "/schema")) == SCHEMA
    content = operation(document, "get", "/any")["responses"]["200"]["content"]
    assert content == {"*/*": {"schema": {"type": "string", "format": "binary"}}}


def test_a_204_among_the_answers_has_no_content():
    routes = RouteTable[Access]()
    routes.patch("/things", access=ANYONE, returns=bytes, also=(204,))(_endpoint)
    answers = describe(API, list(routes))["paths"]["/things"]["patch"]["responses"]
    assert set(answers) >= {"200", "204"}
    assert "content" in answers["200"]
    assert "content" not in answers["204"]


def test_an_answer_that_may_be_asked_for_as_text_names_both_types():
    routes = RouteTable[Access]()
    routes.get("/things", access=ANYONE, returns=Made, also_text="text/csv")(_endpoint)
    content = describe(API, list(routes))["paths"]["/things"]["get"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/csv"}
    assert content["text/csv"] == {"schema": {"type": "string"}}


def test_uploads_are_forms(document):
    form = operation(document, "post", "/files")["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert (form["required"], set(form["properties"])) == (["file"], {"file", "name", "mime"})
    form = operation(document, "post", "/emoji")["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert (form["required"], set(form["properties"])) == (["image", "name"], {"image", "name"})
    assert form["properties"]["image"]["format"] == "binary"


def test_errors_are_named_or_any(document):
    assert set(operation(document, "put", "/signed")["responses"]) == {"200", "401", "429"}
    assert set(operation(document, "get", "/schema")["responses"]) == {"200", "default"}
    schema = answer_of(operation(document, "put", "/signed"), "401")
    assert resolved(document, schema) == API.error


def test_no_reference_leads_nowhere(document):
    names = re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document))
    assert names
    assert set(names) <= set(document["components"]["schemas"])


def test_a_type_that_cannot_be_described_is_a_mistake_of_the_table():
    class Unknown:
        pass

    routes = RouteTable[Access]()
    routes.get("/x", access=ANYONE, returns=Unknown)(_endpoint)
    with pytest.raises(TypeError):
        describe(API, list(routes))


def test_the_page_names_every_route_and_loads_nothing():
    page = ApiDocument(API, list(table())).page.decode()
    assert "<title>Things &amp; more API</title>" in page
    assert "Also <code>/gateway</code>." in page
    for text in ("/api/things/{id}/{name}", "One thing &lt;b&gt;.", "a login", "slow"):
        assert text in page
    assert "/api/hidden" not in page
    assert page.count("<tr><td>") == 9
    assert not re.search(r"<script|\bon\w+=|https?:|//|src=|@import|url\(", page)


@pytest.mark.parametrize("answers_any_method", [False, True])
async def test_document_and_page_have_routes(answers_any_method):
    document = ApiDocument(API, list(table()))
    routes = documentation_routes(
        lambda: document,
        ANYONE,
        page_paths=("/docs", "/redoc"),
        answers_any_method=answers_any_method,
        label="docs",
    )
    assert {(route.label, route.is_documented) for route in routes} == {("docs", False)}
    app = Dispatcher(Router(routes), Policy(), FakeClock(), lifespan=lambda: opened(None))  # type: ignore[arg-type]
    sent = await request(app, "GET", "/openapi.json")
    assert (sent.status, sent.headers["content-type"]) == (200, "application/json")
    assert sent.body == document.openapi
    for path in ("/docs", "/redoc"):
        sent = await request(app, "GET", path)
        assert (sent.status, sent.body) == (200, document.page)
        assert sent.headers["content-type"] == "text/html; charset=utf-8"
        assert sent.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
        assert sent.headers["x-content-type-options"] == "nosniff"
    for path in ("/docs", "/openapi.json"):
        assert (await request(app, "POST", path)).status == (200 if answers_any_method else 405)


async def test_headers_of_the_document_may_be_given():
    document = ApiDocument(API, [])
    routes = documentation_routes(lambda: document, ANYONE, headers={"cache-control": "max-age=5"})
    app = Dispatcher(Router(routes), Policy(), FakeClock(), lifespan=lambda: opened(None))  # type: ignore[arg-type]
    assert (await request(app, "GET", "/openapi.json")).headers["cache-control"] == "max-age=5"
    assert "cache-control" not in (await request(app, "GET", "/docs")).headers


async def _endpoint(_call: Any) -> None: ...
