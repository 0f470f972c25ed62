"""The API's description, read off the route table: /openapi.json, and a page of it at /docs and /redoc."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec
from starlette.types import Send

from vox.chat.api.request import Route, Upload
from vox.chat.errors import STATUS
from vox.chat.features.files.service import FileInfo

_REF = "#/components/schemas/{name}"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc;"
    "vertical-align:top}code{font-size:.95em;overflow-wrap:anywhere}td:nth-child(2){min-width:22rem}td:nth-child(3){min-width:16rem}@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}"
    "th,td{border-color:#444}a{color:#8ab4f8}}"
)


class Documentation:
    """Made once, at the first question."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes
        self._openapi = b""
        self._page = b""

    async def answer(self, path: str, send: Send) -> bool:
        """Answers a documentation path; False for any other."""
        if path == "/openapi.json":
            self._openapi = self._openapi or msgspec.json.encode(openapi(self._routes))
            body, kind = self._openapi, b"application/json"
        elif path in {"/docs", "/redoc"}:
            self._page = self._page or _page(self._routes).encode()
            body, kind = self._page, b"text/html; charset=utf-8"
        else:
            return False
        headers = [
            (b"content-type", kind),
            (b"content-length", b"%d" % len(body)),
            (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return True


def openapi(routes: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the routes."""
    kinds = [kind for route in routes for kind in (route.body, route.query, route.returns) if _has_schema(kind)]
    schemas, components = msgspec.json.schema_components(kinds, schema_hook=_schema_of, ref_template=_REF)
    by_kind = {id(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    components["Error"] = _error_schema()
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, by_kind, components)
    for route in routes:  # their fields stand among the parameters
        if route.query is not None:
            components.pop(_name_in(by_kind[id(route.query)]), None)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Vox chat", "version": "1", "description": "REST API of the Vox community server."},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, by_kind: dict[int, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.endpoint.__module__.rpartition('.')[2]}.{route.endpoint.__name__}",
        "summary": (route.endpoint.__doc__ or "").strip().partition("\n")[0],
        "description": f"Access: {route.access.text}. Rate limit: {route.category.name}.",
        "tags": [route.template.split("/")[3]],
        "parameters": [*_path_parameters(route), *_query_parameters(route, by_kind, components)],
        "responses": {
            str(route.status): _success(route, by_kind),
            "default": {"description": "An error.", "content": _json({"$ref": _REF.format(name="Error")})},
        },
    }
    if route.access.kind != "nobody":
        operation["security"] = [{"token": []}]
    if route.body is Upload:
        form = _form(*(("image", "name") if route.returns is not FileInfo else ("file", "", "name", "mime")))
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    elif route.body is not None:
        operation["requestBody"] = {"required": route.method != "DELETE", "content": _json(by_kind[id(route.body)])}
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in re.findall(r"{(\w+)}", route.template):
        is_number = (name.endswith("_id") and name != "file_id") or name == "target"
        kind: dict[str, Any] = {"type": "integer", "minimum": 0} if is_number else {"type": "string"}
        found.append({"name": name, "in": "path", "required": True, "schema": kind})
    return found


def _query_parameters(route: Route, by_kind: dict[int, Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = components[_name_in(by_kind[id(route.query)])]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": part}
        for name, part in schema.get("properties", {}).items()
    ]


def _name_in(schema: dict[str, Any]) -> str:
    """The component that a struct's schema refers to."""
    return schema["$ref"].rpartition("/")[2]


def _form(file: str, required: str, *optional: str) -> dict[str, Any]:
    """The form of an upload: its file, and texts beside it."""
    names = [name for name in (required, *optional) if name]
    return {
        "type": "object",
        "required": [name for name in (file, required) if name],
        "properties": {file: {"type": "string", "format": "binary"}, **{name: {"type": "string"} for name in names}},
    }


def _success(route: Route, by_kind: dict[int, Any]) -> dict[str, Any]:
    if route.returns is None:
        return {"description": "Done."}
    if route.returns is bytes:
        return {"description": "Done.", "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
    schema = by_kind.get(id(route.returns))
    return {"description": "Done.", **({"content": _json(schema)} if schema is not None else {})}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _schema_of(kind: type) -> dict[str, Any]:
    """The schema of a type that msgspec has none for: `object` is any JSON at all."""
    if kind is object:
        return {"description": "Any JSON."}
    raise NotImplementedError


def _has_schema(kind: Any) -> bool:
    return kind is not None and kind is not Upload and kind is not bytes


def _error_schema() -> dict[str, Any]:
    fields = {
        "code": {"type": "string", "examples": sorted(STATUS)},
        "message": {"type": "string"},
        "retry_after_ms": {"type": "integer"},
        "missing_permission": {"type": "string"},
    }
    inner = {"type": "object", "required": ["code", "message"], "properties": fields}
    return {"type": "object", "required": ["error"], "properties": {"error": inner}}


def _page(routes: Sequence[Route]) -> str:
    rows = "".join(
        f"<tr><td><code>{route.method}</code></td><td><code>{escape(route.template)}</code></td>"
        f"<td>{escape((route.endpoint.__doc__ or '').strip().partition(chr(10))[0])}</td>"
        f"<td>{escape(route.access.text)}</td><td>{route.category.name}</td></tr>"
        for route in sorted(routes, key=lambda route: (route.template, route.method))
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Vox chat API</title><style>{_STYLE}</style>'
        '<h1>Vox chat API</h1><p>Machine-readable: <a href="/openapi.json">/openapi.json</a>. Events: '
        "<code>/gateway</code>.</p><table><thead><tr><th>Method<th>Path<th>What<th>Who<th>Limit</thead>"
        f"<tbody>{rows}</tbody></table></html>"
    )
