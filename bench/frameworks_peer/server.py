"""The chat server behind other HTTP dispatches: each framework finds the route, makes its request object and writes the response.

The whole route table stands in each framework's router; only requests without a body are answered. One handler for a route
calls `Checks.answer`: no middleware, no dependency injection, no hook, which is each framework at its fastest. What is called
ordinary divides the checks among the middleware and the error handlers that the framework has for them.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from checks import METHODS, Checks

from vox.chat.api.request import Route
from vox.chat.app import make_app
from vox.chat.config.settings import load_chat_settings
from vox.chat.context import Parts
from vox.chat.errors import Refusal
from vox.http.server import Server
from vox.http.server import run as run_loop
from vox.runtime.clock import SystemClock
from vox.runtime.gc_freeze import freeze_startup_objects
from vox.runtime.lifecycle import Lifecycle, run_until_stopped
from vox.runtime.metrics import Metrics

ByMethod = Mapping[str, Route]


def bare(checks: Checks[bytes]) -> Any:
    """No framework and no router: the measured routes are told apart by their first letters."""
    user = checks.templates["/api/v1/users/{user_id}"]["GET"]
    others = {path: checks.templates[path]["GET"] for path in ("/api/v1/members", "/api/v1/gateway")}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        path: str = scope["path"]
        allow, values = "", {}
        if path.startswith("/api/v1/users/"):
            route, values = user, {"user_id": path[14:]}
            if scope["method"] != "GET":
                route, allow = None, checks.allowed(user.template)
        else:
            route = others.get(path)
        await _send(send, *await checks.answer(scope, route, values, allow))

    return app


def falcon(checks: Checks[str]) -> Any:
    """A resource for each template, with a responder for each method; the body as `resp.data`."""
    import falcon as framework  # noqa: PLC0415  of the peers' environment
    from falcon import asgi  # noqa: PLC0415

    async def write(
        request: Any, response: Any, route: Route | None, values: Mapping[str, str], allow: str = ""
    ) -> None:
        response.status, response.data, headers, response.content_type = await checks.answer(
            request.scope, route, values, allow
        )
        response.set_headers(headers)

    def responder(route: Route, renamed: Mapping[str, str]) -> Callable[..., Any]:
        async def respond(request: Any, response: Any, **values: str) -> None:
            await write(request, response, route, values)

        async def respond_renamed(request: Any, response: Any, **values: str) -> None:
            await write(request, response, route, {renamed.get(name, name): value for name, value in values.items()})

        return respond_renamed if renamed else respond

    class Resource:
        def __init__(self, by_method: ByMethod, renamed: Mapping[str, str]) -> None:
            for method, route in by_method.items():
                setattr(self, f"on_{method.lower()}", responder(route, renamed))

    async def not_found(request: Any, response: Any, _error: Any, _values: Any) -> None:
        await write(request, response, None, {})

    async def not_allowed(request: Any, response: Any, _error: Any, _values: Any) -> None:
        await write(request, response, None, {}, allowed[request.uri_template])

    app = asgi.App()
    allowed: dict[str, str] = {}
    names: dict[str, str] = {}
    for template, by_method in checks.templates.items():
        taken, renamed = _one_name_each(template, names)
        allowed[taken] = checks.allowed(template)
        app.add_route(taken, Resource(by_method, renamed))
    app.add_error_handler(framework.HTTPRouteNotFound, not_found)
    app.add_error_handler(framework.HTTPMethodNotAllowed, not_allowed)
    return app


def falcon_ordinary(checks: Checks[str]) -> Any:
    """The same with the parts that Falcon has for it: middleware for login, limit and metrics, error handlers for refusals."""
    import falcon as framework  # noqa: PLC0415  of the peers' environment
    from falcon import asgi  # noqa: PLC0415

    class Resource:
        def __init__(self, by_method: ByMethod, renamed: Mapping[str, str]) -> None:
            self.by_method = by_method
            self.renamed = renamed
            for method, route in by_method.items():
                setattr(self, f"on_{method.lower()}", responder(route))

    class ChecksMiddleware:
        async def process_request(self, request: Any, _response: Any) -> None:
            request.context.began_s = checks.chat.clock.now()

        async def process_resource(
            self, request: Any, response: Any, resource: Resource, values: dict[str, str]
        ) -> None:
            context = request.context
            context.route = route = resource.by_method.get(request.method)
            if route is None:
                return
            for name, real in resource.renamed.items():
                values[real] = values.pop(name)
            headers: list[tuple[str, str]] = []
            try:
                context.login, context.wants_string_ids = await checks.admitted(request.scope, route, headers)
            finally:
                response.set_headers(headers)

        async def process_response(self, request: Any, response: Any, _resource: Any, _succeeded: bool) -> None:
            checks.finished(getattr(request.context, "route", None), response.status_code, request.context.began_s)

    def responder(route: Route) -> Callable[..., Any]:
        async def respond(request: Any, response: Any, **values: str) -> None:
            context = request.context
            response.data = await checks.result(
                request.scope, route, values, context.login, wants_string_ids=context.wants_string_ids
            )
            response.content_type = checks.json
            response.status = route.status
            response.set_header(*checks.private)

        return respond

    async def refused(_request: Any, response: Any, error: Refusal, _values: Any) -> None:
        headers: list[tuple[str, str]] = []
        response.status, response.data = checks.refused(error, headers)
        response.content_type = checks.json
        response.set_headers(headers)

    async def not_found(request: Any, response: Any, _error: Any, values: Any, allow: str = "") -> None:
        headers: list[tuple[str, str]] = []
        try:
            await checks.admitted(request.scope, None, headers, allow)
        except Refusal as error:
            await refused(request, response, error, values)
        response.set_headers(headers)

    async def not_allowed(request: Any, response: Any, error: Any, values: Any) -> None:
        await not_found(request, response, error, values, allowed[request.uri_template])

    app = asgi.App(middleware=[ChecksMiddleware()])
    allowed: dict[str, str] = {}
    names: dict[str, str] = {}
    for template, by_method in checks.templates.items():
        taken, renamed = _one_name_each(template, names)
        allowed[taken] = checks.allowed(template)
        app.add_route(taken, Resource(by_method, renamed))
    app.add_error_handler(Refusal, refused)
    app.add_error_handler(framework.HTTPRouteNotFound, not_found)
    app.add_error_handler(framework.HTTPMethodNotAllowed, not_allowed)
    return app


def litestar(checks: Checks[bytes]) -> Any:
    """A handler for each template, which returns an ASGI application: less work than the framework's Response."""
    from litestar import Litestar, Request, Response  # noqa: PLC0415  of the peers' environment
    from litestar.handlers import HTTPRouteHandler  # noqa: PLC0415
    from litestar.types import ASGIApp  # noqa: PLC0415

    class NotFound(Response[Any]):
        """The answer to what no handler was found for: exception handlers are plain functions, the checks are not."""

        def to_asgi_response(self, *_args: Any, **_named: Any) -> Any:
            async def reply(scope: Any, receive: Any, send: Any) -> None:
                await _send(send, *await checks.answer(scope, None, {}))

            return reply

    def handler(template: str, by_method: ByMethod) -> Any:
        async def handle(request: Request) -> ASGIApp:
            route = by_method.get(request.method)
            allow = "" if route else checks.allowed(template)
            return _Reply(*await checks.answer(request.scope, route, request.path_params, allow))

        return HTTPRouteHandler(template.replace("}", ":str}"), http_method=METHODS)(handle)

    handlers = [handler(template, by_method) for template, by_method in checks.templates.items()]
    return Litestar(
        handlers,
        openapi_config=None,
        logging_config=None,
        exception_handlers={404: lambda _request, _error: NotFound(None)},
    )


def blacksheep(checks: Checks[bytes]) -> Any:
    """A handler with the signature that BlackSheep takes as it is, and its own Response."""
    from blacksheep import Application, Content, Request, Response, Router  # noqa: PLC0415  of the peers' environment

    def response(status: int, body: bytes, headers: list[tuple[bytes, bytes]], kind: bytes) -> Response:
        return Response(status, headers, Content(kind, body))

    def handler(route: Route) -> Any:
        async def handle(request: Request) -> Response:
            return response(*await checks.answer(request.scope, route, request.route_values or {}))

        return handle

    router = Router()
    app = Application(router=router, show_error_details=False)
    for template, by_method in checks.templates.items():
        for method, route in by_method.items():
            router.add(method, template, handler(route))

    async def fallback(request: Request) -> Response:
        matches = [router.get_matching_route(method, request.url.path) for method in METHODS]
        found = next((one for one in matches if one), None)
        allow = checks.allowed(found.mustache_pattern) if found else ""
        return response(*await checks.answer(request.scope, None, {}, allow))

    router.fallback = fallback
    return app


def blacksheep_ordinary(checks: Checks[bytes]) -> Any:
    """The same with the parts that BlackSheep has for it: middleware for the metrics, an exception handler for refusals."""
    from blacksheep import Application, Content, Request, Response, Router  # noqa: PLC0415  of the peers' environment

    router = Router()
    app = Application(router=router, show_error_details=False)

    def handler(route: Route) -> Any:
        async def handle(request: Request) -> Response:
            scope, headers = request.scope, list[tuple[bytes, bytes]]()
            scope["vox.route"], scope["vox.headers"] = route, headers
            login, wants_string_ids = await checks.admitted(scope, route, headers)
            body = await checks.result(
                scope, route, request.route_values or {}, login, wants_string_ids=wants_string_ids
            )
            headers.append(checks.private)
            return Response(route.status, headers, Content(checks.json, body))

        return handle

    async def count(request: Request, handler: Any) -> Response:
        began_s = checks.chat.clock.now()
        response = await handler(request)
        checks.finished(request.scope.get("vox.route"), response.status, began_s)
        return response

    async def refused(_app: Any, request: Request, error: Refusal) -> Response:
        headers = request.scope["vox.headers"]
        status, body = checks.refused(error, headers)
        checks.finished(request.scope.get("vox.route"), status, checks.chat.clock.now())
        return Response(status, headers, Content(checks.json, body))

    async def fallback(request: Request) -> Response:
        matches = [router.get_matching_route(method, request.url.path) for method in METHODS]
        found = next((one for one in matches if one), None)
        headers = request.scope["vox.headers"] = list[tuple[bytes, bytes]]()
        await checks.admitted(request.scope, None, headers, checks.allowed(found.mustache_pattern) if found else "")
        raise AssertionError("a request without a route is refused")

    for template, by_method in checks.templates.items():
        for method, route in by_method.items():
            router.add(method, template, handler(route))
    router.fallback = fallback
    app.middlewares.append(count)
    app.exceptions_handlers[Refusal] = refused
    return app


def starlette(checks: Checks[bytes]) -> Any:
    """Starlette's router without its application: a mount for each resource, and ASGI endpoints."""
    from starlette.routing import Mount, Router  # noqa: PLC0415  beside its peers
    from starlette.routing import Route as StarletteRoute  # noqa: PLC0415

    class Endpoint:
        def __init__(self, template: str, by_method: ByMethod) -> None:
            self._by_method = by_method
            self._allow = checks.allowed(template)

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            route = self._by_method.get(scope["method"])
            allow = "" if route else self._allow
            await _send(send, *await checks.answer(scope, route, scope["path_params"], allow))

    async def not_found(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        await _send(send, *await checks.answer(scope, None, {}))

    mounts: dict[str, list[StarletteRoute]] = {}
    exact: list[StarletteRoute] = []
    for template, by_method in checks.templates.items():
        resource, _, rest = template.removeprefix("/api/v1/").partition("/")
        if rest:
            mounts.setdefault(resource, []).append(StarletteRoute(f"/{rest}", Endpoint(template, by_method)))
        else:
            exact.append(StarletteRoute(template, Endpoint(template, by_method)))

    def router(routes: Any) -> Router:
        return Router(routes, redirect_slashes=False, default=not_found)

    mounted = [Mount(f"/api/v1/{resource}", router(each)) for resource, each in mounts.items()]
    return router([*mounted, *exact])


def _one_name_each(template: str, names: dict[str, str]) -> tuple[str, dict[str, str]]:
    """A template as Falcon takes it, which wants one name for the parameter after a prefix, and the real names by those."""
    taken, renamed = "", dict[str, str]()
    for part in template.split("/")[1:]:
        if part.startswith("{"):
            name = names.setdefault(taken, part[1:-1])
            if name != part[1:-1]:
                renamed[name] = part[1:-1]
            taken += f"/{{{name}}}"
        else:
            taken += f"/{part}"
    return taken, renamed


class _Reply:
    """A finished response as an ASGI application."""

    __slots__ = ("_parts",)

    def __init__(self, *parts: Any) -> None:
        self._parts = parts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await _send(send, *self._parts)


async def _send(send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]], kind: bytes) -> None:
    headers += ((b"content-type", kind), (b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


APPS: dict[str, tuple[Callable[[Any], Any], Callable[[str], Any]]] = {
    "bare": (bare, str.encode),
    "falcon": (falcon, str),
    "falcon-ordinary": (falcon_ordinary, str),
    "litestar": (litestar, str.encode),
    "blacksheep": (blacksheep, str.encode),
    "blacksheep-ordinary": (blacksheep_ordinary, str.encode),
    "starlette": (starlette, str.encode),
}


async def serve(name: str, port: int) -> None:
    """The set-up of `vox chat`, with another application in front."""
    settings = load_chat_settings(dict(os.environ), {}).settings
    clock = SystemClock()
    lifecycle = Lifecycle(clock, settings.drain_timeout_s)
    ours = make_app(settings, Parts(clock, Metrics(process=True), lifecycle))
    await asyncio.to_thread(ours.server.open)
    make, write = APPS[name]
    app = make(Checks(ours.chat, [one for one in ours.router.routes if one.is_documented], write))
    async with (
        ours.server.running(),
        Server(app, "127.0.0.1", port, trusted_proxies=",".join(settings.trusted_proxies)),
    ):
        freeze_startup_objects()
        await run_until_stopped(lifecycle)
    ours.server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--framework", choices=APPS, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--libraries", help="site-packages of the peers' environment; Vox's own come first", required=True
    )
    args = parser.parse_args()
    sys.path.append(args.libraries)
    run_loop(serve(args.framework, args.port))
