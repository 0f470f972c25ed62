"""An OpenAPI document in the words of Swagger 2.0."""

from typing import Any

from tests.unit.http.parts import ANYONE, LOGIN, Access
from vox.http.openapi import ApiDescription, describe
from vox.http.routing import RouteTable, Upload
from vox.http.swagger import swagger_document

NOTE = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": {"type": "string"},
        "author": {"$ref": "#/components/schemas/Person"},
        "parent": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "colour": {"type": ["string", "null"]},
        "kind": {"const": "note"},
        "tags": {"type": "array", "items": {"$ref": "#/components/schemas/Person"}},
    },
}
API = ApiDescription(
    title="Notes",
    error={"type": "object"},
    schemas={"Person": {"type": "object"}},
    security_schemes={"key": {"type": "apiKey", "in": "header", "name": "X-Key"}, "login": {"type": "http", "scheme": "bearer"}},
)  # fmt: skip


async def answer(_call: object) -> None:
    """What it does."""


def made() -> dict[str, Any]:
    table = RouteTable[Access]()
    query = [{"name": "at", "in": "query", "schema": {"type": "integer", "minimum": 0}}]
    table.get("/notes/{id}", access=ANYONE, query=query, returns=NOTE)(answer)
    table.post("/notes", access=LOGIN, body=NOTE, status=201, returns=NOTE, is_raw=True)(answer)
    table.post("/files", access=LOGIN, body=Upload, status=201, returns=bytes)(answer)
    table.delete("/notes/{id}", access=LOGIN)(answer)
    return swagger_document(describe(API, list(table)), host="vox.example:8080")


def test_the_whole_says_version_and_host():
    document = made()
    assert (document["swagger"], document["host"], document["basePath"]) == ("2.0", "vox.example:8080", "/")
    assert document["info"]["title"] == "Notes"
    assert document["definitions"]["Person"] == {"type": "object"}
    assert document["securityDefinitions"] == {
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "login": {"type": "apiKey", "in": "header", "name": "Authorization"},
    }


def test_parameters_have_their_type_beside_their_name():
    operation = made()["paths"]["/notes/{id}"]["get"]
    assert operation["parameters"] == [
        {"name": "id", "in": "path", "required": True, "type": "string"},
        {"name": "at", "in": "query", "required": False, "type": "integer", "minimum": 0},
    ]
    assert operation["summary"] == "What it does."


def test_a_body_is_a_parameter_and_refers_to_definitions():
    operation = made()["paths"]["/notes"]["post"]
    (body,) = operation["parameters"]
    assert (body["in"], body["required"], operation["consumes"]) == ("body", True, ["application/json"])
    assert body["schema"]["properties"] == {
        "text": {"type": "string"},
        "author": {"$ref": "#/definitions/Person"},
        "parent": {"type": "integer", "x-nullable": True},
        "colour": {"type": "string", "x-nullable": True},
        "kind": {"enum": ["note"]},
        "tags": {"type": "array", "items": {"$ref": "#/definitions/Person"}},
    }
    assert operation["responses"]["201"]["schema"]["required"] == ["text"]


def test_an_upload_is_a_form_and_bytes_are_a_file():
    operation = made()["paths"]["/files"]["post"]
    assert operation["consumes"] == ["multipart/form-data"]
    assert {each["name"]: each["type"] for each in operation["parameters"]}["file"] == "file"
    assert operation["responses"]["201"]["schema"] == {"type": "file"}


def test_an_empty_answer_has_no_schema():
    answers = made()["paths"]["/notes/{id}"]["delete"]["responses"]
    assert "schema" not in answers["204"]
