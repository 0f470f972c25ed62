"""Schemathesis on the agent's own /openapi.json: generated requests, good and bad, with its key and without.

No answer may be 5xx but 503 with Retry-After, and every answer has a status, a content type and a body that the document
promises. The original's address of the document, as Swagger 2.0, describes the same.
"""

import contextlib
from collections.abc import Generator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, CheckFunction, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok
from starlette.testclient import TestClient

from tests.e2e.agents import FAKES
from vox.agent.app import AgentApp, create_app
from vox.agent.config.settings import load

KEY = "a-key-that-opens"
EXAMPLES = 15
"""For each operation, way of asking and kind of visitor."""
UNAVAILABLE = 503
Operation = APIOperation[Any, Any, Any, Any]

load_all_checks()
PROMISES: list[CheckFunction] = CHECKS.get_by_names(  # pyright: ignore[reportAssignmentType]  theirs is wider than they take
    [
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "browsers": {"transport": "both", "server_api_key": KEY},
    "a carrier": {
        "runner_transport": "twilio",
        "api_keys": {"twilio_auth_token": "secret"},
        "agents": {"a": {}, "b": {}},
    },
}


@pytest.fixture(params=[*CONFIGURATIONS])
def app(request: pytest.FixtureRequest) -> Generator[AgentApp, None, None]:
    """An open server of each kind."""
    made = create_app(
        load(None, {}, {**FAKES, "host": "127.0.0.1", **CONFIGURATIONS[request.param]}).settings, environment={}
    )
    with TestClient(made):
        yield made


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": KEY}], ids=["a stranger", "a client"])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
def test_no_request_breaks_the_server_or_its_description(app: AgentApp, mode: GenerationMode, headers: dict[str, str]):
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    broken: list[str] = []
    for operation in operations:
        try:
            probe(app, operation, mode, headers)
        except BaseExceptionGroup as group:
            broken += [f"{operation.label}: {error}" for error in group.exceptions]
        except AssertionError as error:
            broken.append(f"{operation.label}: {error}")
    assert not broken, "\n\n".join(broken)
    assert len(operations) == sum(route.is_documented for route in app.router.routes)


def probe(app: AgentApp, operation: Operation, mode: GenerationMode, headers: dict[str, str]) -> None:
    """Asks one operation with generated requests."""

    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case[Any]) -> None:
        response = case.call(app=app, headers=headers)
        if response.status_code >= 500:
            assert response.status_code == UNAVAILABLE, response.content
            assert "retry-after" in response.headers
        case.validate_response(response, checks=PROMISES)

    with contextlib.suppress(Unsatisfiable):  # an operation that takes nothing takes nothing bad
        ask()


def test_the_swagger_document_is_one_that_tools_take(app: AgentApp):
    schema = schemathesis.openapi.from_asgi("/swagger/doc.json", app)
    assert schema.specification.version == "2.0"
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == sum(route.is_documented for route in app.router.routes)
