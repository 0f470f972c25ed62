"""What a program relies on in an OpenAPI document: routes, parameters, statuses and types, without a word of prose."""

from collections.abc import Iterator
from typing import Any, cast

PROSE = frozenset({"description", "summary", "operationId", "title", "examples", "tags"})


def shape(document: dict[str, Any], *, with_schemas: bool) -> dict[str, Any]:
    """The document in short lines.

    Args:
        document: the whole of it.
        with_schemas: whether to list what bodies and answers hold; false for a document in which their schemas have no
            names, so that the same body may be described in several ways.
    """
    components: dict[str, Any] = document.get("components", {})
    schemas: dict[str, Any] = components.get("schemas", {})
    return {
        "openapi": document["openapi"],
        "routes": {name: _operation(one, with_schemas=with_schemas) for name, one in sorted(_operations(document))},
        "schemas": {name: _schema(schemas[name]) if with_schemas else True for name in sorted(schemas)},
        "security": sorted(components.get("securitySchemes", {})),
    }


def routes(document: dict[str, Any]) -> tuple[str, ...]:
    """Every method and path template, as in `GET /health`."""
    return tuple(name for name, _ in _operations(document))


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"{method.upper()} {path}", operation


def _operation(operation: dict[str, Any], *, with_schemas: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "parameters": sorted(_parameter(one) for one in operation.get("parameters", [])),
        "responses": {
            status: _content(answer, with_schemas=with_schemas)
            for status, answer in sorted(operation["responses"].items())
        },
    }
    if "requestBody" in operation:
        described["body"] = _content(operation["requestBody"], with_schemas=with_schemas)
        described["required"] = operation["requestBody"].get("required", False)
    if "security" in operation:
        described["security"] = operation["security"]
    return described


def _content(described: dict[str, Any], *, with_schemas: bool) -> dict[str, Any]:
    content: dict[str, Any] = described.get("content", {})
    return {kind: _schema(one["schema"]) if with_schemas else True for kind, one in content.items()}


def _parameter(parameter: dict[str, Any]) -> str:
    mark = "" if parameter.get("required") else "?"
    return f"{parameter['in']} {parameter['name']}{mark}: {_text(_schema(parameter['schema']))}"


def _schema(schema: Any) -> Any:
    """A schema without its prose; the name where it is one of the document's own."""
    if isinstance(schema, list):
        return [_schema(one) for one in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    fields = cast("dict[str, Any]", schema)
    if "$ref" in fields:
        return fields["$ref"].rpartition("/")[2]
    return {
        name: {key: _schema(one) for key, one in value.items()} if name == "properties" else _schema(value)
        for name, value in fields.items()
        if name not in PROSE
    }


def _text(schema: Any) -> str:
    if not isinstance(schema, dict):
        return str(schema)
    return " ".join(f"{name}={value}" for name, value in sorted(cast("dict[str, Any]", schema).items()))
