"""An OpenAPI document as Swagger 2.0, for tools that know no later version: pure, over what `vox.http.openapi` describes.

What 2.0 cannot say is said as far as it can: any of several types becomes any type, and several kinds of content one.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

Schema = dict[str, Any]

_OPENAPI_REF: Final = "#/components/schemas/"
_SWAGGER_REF: Final = "#/definitions/"
_KEPT_OF_PARAMETERS: Final = (
    *("type", "format", "enum", "default", "items"),
    *("minimum", "maximum", "minLength", "maxLength", "pattern"),
)
_WITHOUT_MEANING: Final = frozenset({"anyOf", "oneOf", "const", "examples", "$defs", "propertyNames"})
"""Keywords of later JSON Schema; `anyOf` and `const` are translated where 2.0 has a word for them."""


def swagger_document(openapi: Mapping[str, Any], *, host: str = "") -> Schema:
    """The Swagger 2.0 document of an OpenAPI 3.1 document.

    Args:
        openapi: as `describe` makes it.
        host: name and port in the document; empty: the one that the document was fetched from.
    """
    components = openapi["components"]
    paths = {
        path: {method: _operation(operation) for method, operation in operations.items()}
        for path, operations in openapi["paths"].items()
    }
    return {
        "swagger": "2.0",
        "info": dict(openapi["info"]),
        **({"host": host} if host else {}),
        "basePath": "/",
        "paths": paths,
        "definitions": {name: _schema(schema) for name, schema in components["schemas"].items()},
        "securityDefinitions": {
            name: _security(scheme) for name, scheme in components.get("securitySchemes", {}).items()
        },
    }


def _operation(operation: Mapping[str, Any]) -> Schema:
    produced = sorted({kind for answer in operation["responses"].values() for kind in answer.get("content", ())})
    made: Schema = {
        name: operation[name] for name in ("operationId", "summary", "description", "tags") if name in operation
    }
    made["parameters"] = [_parameter(each) for each in operation["parameters"]]
    if body := operation.get("requestBody"):
        (kind, content), *_ = body["content"].items()
        made["consumes"] = [kind]
        made["parameters"] += (
            _form(content["schema"]) if kind == "multipart/form-data" else [_body(content["schema"], body["required"])]
        )
    if produced:
        made["produces"] = produced
    made["responses"] = {status: _answer(answer) for status, answer in operation["responses"].items()}
    if needed := operation.get("security"):
        made["security"] = needed
    return made


def _parameter(parameter: Mapping[str, Any]) -> Schema:
    schema = _schema(parameter.get("schema", {}))
    kept = {name: schema[name] for name in _KEPT_OF_PARAMETERS if name in schema}
    return {
        "name": parameter["name"],
        "in": parameter["in"],
        "required": parameter.get("required", False),
        **({"type": "string"} | kept),
    }


def _body(schema: Mapping[str, Any], is_required: bool) -> Schema:
    return {"name": "body", "in": "body", "required": is_required, "schema": _schema(schema)}


def _form(schema: Mapping[str, Any]) -> list[Schema]:
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "formData",
            "required": name in required,
            "type": "file" if part.get("format") == "binary" else "string",
        }
        for name, part in schema["properties"].items()
    ]


def _answer(answer: Mapping[str, Any]) -> Schema:
    made: Schema = {"description": answer["description"]}
    for content in answer.get("content", {}).values():
        schema = content.get("schema", {})
        made["schema"] = {"type": "file"} if schema.get("format") == "binary" else _schema(schema)
    return made


def _security(scheme: Mapping[str, Any]) -> Schema:
    if scheme["type"] == "apiKey":
        return {name: scheme[name] for name in ("type", "in", "name")}
    return {"type": "apiKey", "in": "header", "name": "Authorization"}


def _schema(schema: Any) -> Any:
    """A schema in the words of 2.0; anything that is no object or list as it is."""
    if isinstance(schema, list):
        return [_schema(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, Mapping):
        return schema
    given = cast("Mapping[str, Any]", schema)
    if "$ref" in given:
        return {"$ref": given["$ref"].replace(_OPENAPI_REF, _SWAGGER_REF)}
    made = {name: _inner(name, value) for name, value in given.items() if name not in _WITHOUT_MEANING}
    if "const" in given:
        made["enum"] = [given["const"]]
    kinds = given.get("type")
    choices = given.get("anyOf", given.get("oneOf", []))
    others = [choice for choice in choices if choice != {"type": "null"}]
    if isinstance(kinds, list):
        named = cast("list[str]", kinds)
        made["type"] = next(kind for kind in named if kind != "null")
        made["x-nullable"] = "null" in named
    elif choices:
        made |= _schema(others[0]) if len(others) == 1 else {}
        made["x-nullable"] = len(others) < len(choices)
    return made


def _inner(name: str, value: Any) -> Any:
    if name == "properties":
        return {key: _schema(each) for key, each in value.items()}
    if name in {"items", "additionalProperties", "allOf"}:
        return _schema(value)
    return value
