"""Tools that are requests to an HTTP service: arguments checked against their JSON Schema, sent through the guard for outgoing URLs.

The address is the operator's; what a caller says can fill places in its path and query, never choose a host. Every redirect is checked like
the first address.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from vox.agent.tools.contract import Tool, current_call
from vox.agent.tools.settings import HttpTool, all_with_environment
from vox.errors import UsageError
from vox.http.header_values import media_type
from vox.providers.llm.contract import ToolCall, ToolSpec
from vox.security.outbound import FetchResult, OutboundGuard

MAX_ANSWER_BYTES: Final = 1_000_000
MAX_REDIRECTS: Final = 3
MAX_ERROR_TEXT: Final = 1000
_PLACE: Final = re.compile(r"\{([A-Za-z0-9_-]+)\}")
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_OK: Final = range(200, 300)


def http_tool(
    setting: HttpTool, guard: OutboundGuard, environment: Mapping[str, str], *, timeout_s: float = 30.0
) -> Tool:
    """The tool that sends this request.

    Args:
        setting: what the operator wrote.
        guard: sends it.
        environment: where `${NAME}` in headers is found.
        timeout_s: longest run where the setting has none.

    Raises:
        UsageError: its address, schema or a header cannot be used.
    """
    where = f"http_tools.{setting.name}"
    headers = {"accept": "application/json, text/*;q=0.9", **_headers(setting, environment, where)}
    _check_address(setting, guard, where)
    validator = _validator(setting, where)
    deadline_s = setting.timeout_secs or timeout_s

    async def run(call: ToolCall, arguments: Mapping[str, Any]) -> Any:
        _check_arguments(validator, arguments)
        url, body = _request(setting, arguments)
        answer = await guard.fetch(
            setting.method,
            url,
            headers=headers | _identity(call, has_body=bool(body)),
            body=body,
            deadline_s=deadline_s,
            max_bytes=MAX_ANSWER_BYTES,
            max_redirects=MAX_REDIRECTS,
        )
        return _result(answer)

    return Tool(
        ToolSpec(setting.name, setting.description or setting.name, setting.parameters),
        run,
        timeout_s=deadline_s + 1.0,  # the guard's own deadline comes first and says what was waited for
        filler=setting.filler,
        is_cancellable=setting.cancellable,
    )


def _headers(setting: HttpTool, environment: Mapping[str, str], where: str) -> dict[str, str]:
    given = all_with_environment(setting.headers, environment, f"{where}.headers")
    return {name.lower(): value for name, value in given.items()}


def _check_address(setting: HttpTool, guard: OutboundGuard, where: str) -> None:
    parts = urlsplit(setting.url)
    if _PLACE.search(parts.netloc) or _PLACE.search(parts.scheme):
        raise UsageError(
            f"{where}: an argument cannot choose the host",
            code="invalid_setting",
            hint="use {argument} in the path or the query only",
        )
    try:
        guard.check_url(_PLACE.sub("x", setting.url))
    except UsageError as error:
        raise UsageError(
            f"{where}: {error}",
            code="invalid_setting",
            hint="a service in your own network needs its network in tool_private_networks",
        ) from None


def _validator(setting: HttpTool, where: str) -> Draft202012Validator:
    try:
        Draft202012Validator.check_schema(setting.parameters)
    except SchemaError as error:
        raise UsageError(
            f"{where}.parameters is not a JSON Schema: {error.message}",
            code="invalid_setting",
            hint=f"see {error.json_path}",
        ) from None
    missing = [name for name in _PLACE.findall(setting.url) if name not in setting.parameters.get("properties", {})]
    if missing:
        raise UsageError(
            f"{where}: the address uses {', '.join(missing)}, which is not in parameters.properties",
            code="invalid_setting",
            hint="describe each {argument} of the address there",
        )
    registry: Registry[Any] = Registry()  # which fetches nothing: a schema must not send requests
    return Draft202012Validator(setting.parameters, registry=registry)


def _check_arguments(validator: Draft202012Validator, arguments: Mapping[str, Any]) -> None:
    wrong = ""
    try:
        validator.validate(dict(arguments))  # pyright: ignore[reportUnknownMemberType]
    except Unresolvable as error:
        wrong = f"the schema refers to something that is not in it: {error}"
    except ValidationError as error:
        place = str(error.json_path).removeprefix("$").removeprefix(".")  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        message = str(error.message)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        wrong = f"{place}: {message}" if place else message
    if wrong:
        raise UsageError(wrong, code="invalid_arguments")


def _request(setting: HttpTool, arguments: Mapping[str, Any]) -> tuple[str, bytes]:
    """The address with its places filled in, and the body."""
    used = set(_PLACE.findall(setting.url))

    def filled(match: re.Match[str]) -> str:
        value = _text(arguments.get(match.group(1), ""))
        if value in {"", ".", ".."}:
            raise UsageError(f"{match.group(1)} is needed in the address", code="invalid_arguments")
        return quote(value, safe="")

    url = _PLACE.sub(filled, setting.url)
    rest = {name: value for name, value in arguments.items() if name not in used}
    if setting.method in _WITH_BODY:
        return url, msgspec.json.encode(rest)
    if rest:
        before, hash_mark, fragment = url.partition("#")
        url = f"{before}{'&' if '?' in before else '?'}{urlencode({k: _text(v) for k, v in rest.items()})}{hash_mark}{fragment}"
    return url, b""


def _identity(call: ToolCall, *, has_body: bool) -> dict[str, str]:
    """Headers that tell the service which call asks, and that a repeat is one."""
    headers = {"content-type": "application/json"} if has_body else {}
    context = current_call()
    if context is not None:
        headers["x-vox-call-id"] = context.call_id
        if call.id.isascii() and call.id.isprintable():
            headers["idempotency-key"] = f"{context.call_id}.{call.id}"[:255]
    return headers


def _result(answer: FetchResult) -> Any:
    text = answer.body.decode("utf-8", "replace")
    if answer.status not in _OK:
        said = {"answer": text[:MAX_ERROR_TEXT]} if text else {}
        return {"error": f"the service answered {answer.status}", **said}
    if not text.strip():
        return {"ok": True}
    if media_type(answer.headers.get("content-type", "")).endswith("json"):
        try:
            return msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return {"error": "the service's answer is not the JSON that it says it is"}
    return {"text": text}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
