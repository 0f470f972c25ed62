"""An API's description, read off its route table: the OpenAPI 3.1 document, and a self-contained page of it.

Bodies, queries and answers are msgspec types, pydantic models, or JSON schemas as they stand; a route that is added to a
table is described without another line.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from http import HTTPStatus
from typing import Any, cast

import msgspec

from vox.http.call import HttpCall
from vox.http.routing import A, Reply, Route, RouteTable, Upload
from vox.http.swagger import swagger_document

_REF = "#/components/schemas/{name}"
PAGE_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc;"
    "vertical-align:top}code{font-size:.95em;overflow-wrap:anywhere}td:nth-child(2){min-width:22rem}td:nth-child(3){min-width:16rem}@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}"
    "th,td{border-color:#444}a{color:#8ab4f8}}"
)
PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}
"""On a page without scripts or foreign files."""

Schema = dict[str, Any]
AnyRoute = Route[Any]


def _text_parameter(_name: str) -> Schema:
    return {"type": "string"}


def _no_tag(_route: AnyRoute) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class ApiDescription:
    """What a document needs beside the routes.

    Args:
        title: of the document and the page.
        error: the schema of every error body.
        description: one sentence.
        security_schemes: OpenAPI security schemes by name.
        schemas: further named schemas.
        parameter: the schema of a path parameter by its name.
        tag: the group a route is shown in; empty for none.
        has_default_error: whether operations that name no error statuses say that any error has this body.
        page_note: HTML under the page's title, for what is not a route.
        raw: the schema of answers that are declared as bytes; empty where some of them are JSON after all.
    """

    title: str
    error: Schema
    description: str = ""
    security_schemes: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    schemas: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    parameter: Callable[[str], Schema] = _text_parameter
    tag: Callable[[AnyRoute], str] = _no_tag
    has_default_error: bool = True
    page_note: str = ""
    raw: Schema = field(default_factory=lambda: {"type": "string", "format": "binary"})


class ApiDocument:
    """The document and its page, made at the first question.

    Args:
        api: what is said of the whole.
        routes: the table; routes that are not documented are left out.
    """

    def __init__(self, api: ApiDescription, routes: Sequence[AnyRoute]) -> None:
        self._api = api
        self._routes = [route for route in routes if route.is_documented]
        self._openapi = b""
        self._swagger = b""
        self._page = b""

    @property
    def openapi(self) -> bytes:
        """The OpenAPI document as JSON."""
        self._openapi = self._openapi or msgspec.json.encode(describe(self._api, self._routes))
        return self._openapi

    @property
    def swagger(self) -> bytes:
        """The same as a Swagger 2.0 document."""
        self._swagger = self._swagger or msgspec.json.encode(swagger_document(describe(self._api, self._routes)))
        return self._swagger

    @property
    def page(self) -> bytes:
        """The page: HTML without scripts or foreign files."""
        self._page = self._page or _page(self._api, self._routes).encode()
        return self._page


def documentation_routes(
    document: Callable[[], ApiDocument],
    access: A,
    *,
    headers: Mapping[str, str] | None = None,
    openapi_path: str = "/openapi.json",
    page_paths: Sequence[str] = ("/docs",),
    swagger_path: str = "",
    answers_any_method: bool = False,
    **more: Any,
) -> RouteTable[A]:
    """The routes of a part's document and page.

    Args:
        document: gives the document; asked at the first request, when all routes are known.
        access: the part's public access.
        headers: on the OpenAPI document.
        openapi_path: where the document is.
        page_paths: where the page is.
        swagger_path: where the document is as Swagger 2.0; empty: nowhere.
        answers_any_method: whether every method is answered like GET.
        more: fields of the routes.
    """
    table = RouteTable[A]()

    async def openapi(_call: HttpCall) -> Reply:
        """This API as an OpenAPI document."""
        return Reply(200, document().openapi, {"content-type": "application/json", **(headers or _document_headers())})

    async def docs(_call: HttpCall) -> Reply:
        """This API as a page."""
        return Reply(200, document().page, {"content-type": "text/html; charset=utf-8", **_document_headers()})

    async def swagger(_call: HttpCall) -> Reply:
        """This API as a Swagger 2.0 document."""
        return Reply(200, document().swagger, {"content-type": "application/json", **(headers or _document_headers())})

    add = table.any if answers_any_method else table.get
    add(openapi_path, access=access, returns=bytes, is_documented=False, **more)(openapi)
    if swagger_path:
        add(swagger_path, access=access, returns=bytes, is_documented=False, **more)(swagger)
    for path in page_paths:
        add(path, access=access, returns=bytes, is_documented=False, **more)(docs)
    return table


def describe(api: ApiDescription, routes: Sequence[AnyRoute]) -> Schema:
    """The OpenAPI 3.1 document of routes."""
    kinds = [kind for route in routes for kind in (route.body, route.query, route.returns) if _is_msgspec(kind)]
    schemas, components = msgspec.json.schema_components(kinds, schema_hook=_schema_of, ref_template=_REF)
    by_kind = {id(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    components = {**components, "Error": api.error, **api.schemas}
    paths: dict[str, Schema] = {}
    for route in routes:
        method = "get" if route.method == "ANY" else route.method.lower()
        paths.setdefault(route.template, {})[method] = _operation(api, route, by_kind, components)
    for route in routes:  # their fields stand among the parameters
        if _is_msgspec(route.query):
            components.pop(_name_in(by_kind[id(route.query)]), None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": api.title,
            "version": "1",
            **({"description": api.description} if api.description else {}),
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": dict(api.security_schemes)},
    }


def _operation(api: ApiDescription, route: AnyRoute, by_kind: dict[int, Any], components: Schema) -> Schema:
    limit = f" Rate limit: {route.category.name}." if route.category is not None else ""
    operation: Schema = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "description": f"Access: {route.access.text}.{limit}",
        "parameters": [*_path_parameters(api, route), *_query_parameters(route, by_kind, components)],
        "responses": {str(status): _success(api, route, status, by_kind) for status in (route.status, *route.also)}
        | _errors(api, route),
    }
    if tag := api.tag(route):
        operation["tags"] = [tag]
    if security := [dict(one) for one in route.access.security]:
        operation["security"] = security
    if (body := _request_body(route, by_kind)) is not None:
        operation["requestBody"] = body
    return operation


def _request_body(route: AnyRoute, by_kind: dict[int, Any]) -> Schema | None:
    if route.body is None or route.body is bytes:
        return None
    if route.body is Upload and route.upload_type != "multipart/form-data":
        return {"required": True, "content": {route.upload_type: {"schema": {"type": "string", "format": "binary"}}}}
    if route.body is Upload:
        return {"required": True, "content": {"multipart/form-data": {"schema": _form(*route.form)}}}
    schema = _schema(route.body, by_kind)
    is_required = bool(schema.get("required")) if route.is_raw else route.method != "DELETE"
    return {"required": is_required, "content": _json(schema)}


def _errors(api: ApiDescription, route: AnyRoute) -> Schema:
    error = {"description": "An error.", "content": _json({"$ref": _REF.format(name="Error")})}
    statuses = [str(status) for status in route.errors] or (["default"] if api.has_default_error else [])
    return dict.fromkeys(statuses, error)


def _path_parameters(api: ApiDescription, route: AnyRoute) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "schema": api.parameter(name)}
        for name in re.findall(r"{(\w+)}", route.template)
    ]


def _query_parameters(route: AnyRoute, by_kind: dict[int, Any], components: Schema) -> list[Schema]:
    if route.query is None:
        return []
    query: object = route.query
    if isinstance(query, list):
        return cast("list[Schema]", query)
    schema = components[_name_in(by_kind[id(query)])]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": part}
        for name, part in schema.get("properties", {}).items()
    ]


def _name_in(schema: Schema) -> str:
    """The component that a struct's schema refers to."""
    return schema["$ref"].rpartition("/")[2]


def _form(file: str, required: str, *optional: str) -> Schema:
    """The form of an upload: its file, and texts beside it."""
    names = [name for name in (required, *optional) if name]
    return {
        "type": "object",
        "required": [name for name in (file, required) if name],
        "properties": {file: {"type": "string", "format": "binary"}, **{name: {"type": "string"} for name in names}},
    }


def _success(api: ApiDescription, route: AnyRoute, status: int, by_kind: dict[int, Any]) -> Schema:
    if route.returns is None or status == HTTPStatus.NO_CONTENT:
        return {"description": "Done."}
    if route.returns is bytes:
        return {"description": "Done.", "content": {"*/*": {"schema": api.raw}}}
    schema = _schema(route.returns, by_kind)
    content = _json(schema) if schema is not None else {}
    if route.also_text:
        content |= {route.also_text: {"schema": {"type": "string"}}}
    return {"description": "Done.", **({"content": content} if content else {})}


def _schema(kind: Any, by_kind: dict[int, Any]) -> Any:
    if isinstance(kind, dict):
        return cast("Schema", kind)
    if hasattr(kind, "model_json_schema"):
        return kind.model_json_schema()
    return by_kind.get(id(kind))


def _json(schema: Any) -> Schema:
    return {"application/json": {"schema": schema}}


def _schema_of(kind: type) -> Schema:
    """The schema of a type that msgspec has none for: `object` is any JSON at all."""
    if kind is object:
        return {"description": "Any JSON."}
    raise NotImplementedError


def _is_msgspec(kind: Any) -> bool:
    if kind is None or kind is Upload or kind is bytes or isinstance(kind, dict | list):
        return False
    return not hasattr(kind, "model_json_schema")


def _document_headers() -> Mapping[str, str]:
    return PAGE_HEADERS


def _page(api: ApiDescription, routes: Sequence[AnyRoute]) -> str:
    rows = "".join(
        f"<tr><td><code>{route.method}</code></td><td><code>{escape(route.template)}</code></td>"
        f"<td>{escape(route.summary)}</td>"
        f"<td>{escape(route.access.text)}</td><td>{route.category.name if route.category else ''}</td></tr>"
        for route in sorted(routes, key=lambda route: (route.template, route.method))
    )
    title = escape(f"{api.title} API")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{PAGE_STYLE}</style>'
        f'<h1>{title}</h1><p>Machine-readable: <a href="/openapi.json">/openapi.json</a>. {api.page_note}</p>'
        "<table><thead><tr><th>Method<th>Path<th>What<th>Access<th>Limit</thead>"
        f"<tbody>{rows}</tbody></table></html>"
    )
