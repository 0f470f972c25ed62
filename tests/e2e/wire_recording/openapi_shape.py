"""What a program relies on in an OpenAPI document: routes, parameters, statuses and types, without a word of prose."""

from collections.abc import Iterator
from typing import Any, cast

PROSE = frozenset({"description", "summary", "operationId", "title", "examples", "tags"})


def shape(document: dict[str, Any], *, with_schemas: bool) -> dict[str, Any]:
    """The document in short lines.

    Args:
        document: the whole of it.
        with_schemas: whether to list the fields of the named schemas; documents that are written by hand name few.
    """
    found: dict[str, Any] = {"openapi": document["openapi"], "routes": dict(sorted(_routes(document)))}
    schemas: dict[str, Any] = document.get("components", {}).get("schemas", {})
    if with_schemas:
        found["schemas"] = {name: _schema(schema) for name, schema in sorted(schemas.items())}
    found["security"] = sorted(document.get("components", {}).get("securitySchemes", {}))
    return found


def routes(document: dict[str, Any]) -> tuple[str, ...]:
    """Every method and path template, as in `GET /health`."""
    return tuple(name for name, _ in _routes(document))


def _routes(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parameters = [_parameter(one) for one in operation.get("parameters", [])]
            described: dict[str, Any] = {"responses": sorted(operation["responses"])}
            if parameters:
                described["parameters"] = sorted(parameters)
            if "requestBody" in operation:
                described["body"] = {kind: _schema(one["schema"]) for kind, one in operation["requestBody"]["content"].items()}
                described["required"] = operation["requestBody"].get("required", False)
            answers = {
                status: _schema(content["schema"])
                for status, answer in operation["responses"].items()
                for content in answer.get("content", {}).values()
                if status.startswith("2")
            }
            if answers:
                described["answers"] = answers
            if "security" in operation:
                described["security"] = operation["security"]
            yield f"{method.upper()} {path}", described


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
