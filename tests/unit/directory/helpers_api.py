"""What the directory answers: whether it agrees with its schema, and its stream of events."""

import json
from typing import Any

from vox.directory.app import create_app


def agree(schema: dict[str, Any], found: Any) -> None:
    """Fails unless the answer has the fields that its schema requires, and no other."""
    if schema.get("type") == "array":
        for one in found:
            agree(schema["items"], one)
    elif "properties" in schema:
        assert set(schema["required"]) <= set(found) <= set(schema["properties"])
        for name, value in found.items():
            agree(schema["properties"][name], value)


def stream(it: Any) -> Any:
    """The endless body of `/v1/events`, which a client without a socket cannot read."""
    [route] = [one for one in create_app(it.directory).router.routes if one.template == "/v1/events"]
    return route.endpoint.__self__._stream  # type: ignore[attr-defined]


def payload(event: bytes, name: str) -> Any:
    """The data of one server-sent event of that name."""
    kind, data = event.decode().removesuffix("\n\n").split("\n")
    assert kind == f"event: {name}"
    return json.loads(data.removeprefix("data: "))
