"""Schemathesis on our own /openapi.json: generated requests, good and bad, as administrator and as plain member.

No answer may be 5xx, and every answer has a status, a content type and a body that the document promises. Each operation gets
a fresh login, because one of the operations is to log out.
"""

import contextlib
import itertools
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, CheckFunction, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok
from starlette.testclient import TestClient

from tests.contract.chat.harness import API, PASSWORD, chat_settings
from tests.e2e.postgres import postgres
from vox.chat.app import ChatApp, make_app

EXAMPLES = {GenerationMode.POSITIVE: 5, GenerationMode.NEGATIVE: 3}
"""For each operation, person and database."""
GENERATION = {"allow-extra-parameters": False, "with-security-parameters": False}
"""Unknown parameters are ignored by contract, and the login is ours to give."""
Operation = APIOperation[Any, Any, Any, Any]
_numbers = itertools.count(1)

load_all_checks()
PROMISES: list[CheckFunction] = CHECKS.get_by_names(  # pyright: ignore[reportAssignmentType]  theirs is wider than they take
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",  # the last one: left out for forms
    ]
)


@dataclass(frozen=True, slots=True)
class Target:
    """A community that is asked."""

    app: ChatApp
    client: TestClient
    ids: dict[str, int]

    def login(self, name: str) -> dict[str, str]:
        """The headers of a fresh login."""
        reply = self.client.post(f"{API}/auth/login", json={"username": name, "password": PASSWORD})
        assert reply.status_code == 200, reply.text
        return {"authorization": f"Bearer {reply.json()['token']}"}


@contextlib.contextmanager
def community(database_url: str, folder: Path) -> Generator[Target, None, None]:
    """A community with an administrator, a member, and the first of everything that paths may name."""
    app = make_app(chat_settings(database_url, folder))
    with TestClient(app, base_url="http://chat.test") as client:
        for name in ("admin", "member"):
            reply = client.post(f"{API}/auth/register", json={"username": name, "password": PASSWORD})
            assert reply.status_code == 201, reply.text
        target = Target(app, client, {})
        headers = target.login("admin")
        for path, body in (
            ("/feeds", {"name": "general", "type": "text"}),
            ("/rooms", {"name": "voice", "type": "voice"}),
            ("/categories", {"name": "texts", "position": 0}),
            ("/feeds/1/messages", {"body": "hello"}),
            ("/feeds/1/threads", {"name": "aside", "parent_msg_id": 1}),
            ("/dms", {"recipient_id": 2}),
            ("/reports", {"reported_user_id": 2, "reason": "spam"}),
        ):
            reply = client.post(API + path, json=body, headers=headers)
            assert reply.status_code == 201, reply.text
            if "msg_id" in reply.json():
                target.ids["msg_id"] = reply.json()["msg_id"]
        yield target


@pytest.fixture(scope="module")
def cluster() -> Generator[str, None, None]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Target, None, None]:
    if request.param == "sqlite":
        with community(f"sqlite:///{tmp_path / 'vox.db'}", tmp_path) as found:
            yield found
        return
    url, name = request.getfixturevalue("cluster"), f"vox_{next(_numbers)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # pyright: ignore[reportArgumentType, reportCallIssue]  ours
    with community(f"{url.rpartition('/')[0]}/{name}", tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    ("mode", "name"),
    [(GenerationMode.POSITIVE, "admin"), (GenerationMode.POSITIVE, "member"), (GenerationMode.NEGATIVE, "admin")],
    ids=["good-admin", "good-member", "bad-admin"],
)
def test_answers_keep_the_promises_of_the_document(target: Target, name: str, mode: GenerationMode) -> None:
    config = schemathesis.Config.from_dict({"generation": GENERATION})
    schema = schemathesis.openapi.from_asgi("/openapi.json", target.app, config=config)
    operations = sorted((found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)), key=deletes)
    broken = list[str]()
    for operation in operations:
        try:
            probe(target, operation, mode, target.login(name))
        except BaseExceptionGroup as group:
            broken += [f"{operation.label}: {error}" for error in group.exceptions]
        except AssertionError as error:
            broken.append(f"{operation.label}: {error}")
    assert not broken, "\n\n".join(broken)
    assert len(operations) == sum(route.is_documented for route in target.app.router.routes)


def probe(target: Target, operation: Operation, mode: GenerationMode, headers: dict[str, str]) -> None:
    """Asks one operation with generated requests; good ones are about what exists, every other time."""

    @settings(
        max_examples=EXAMPLES[mode],
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_about_something=st.booleans())
    def ask(case: Case[Any], is_about_something: bool) -> None:
        if mode is GenerationMode.POSITIVE and is_about_something:
            for parameter in case.path_parameters or {}:
                if parameter.endswith("_id"):
                    case.path_parameters[parameter] = target.ids.get(parameter, 1)
        response = case.call(app=target.app, headers=headers)
        if response.status_code == 503 and b"GIF_PROVIDER_UNAVAILABLE" in response.content:
            return  # what is documented where no key is set
        is_form = (
            case.media_type == "multipart/form-data"
        )  # all of a form is text, so a number in it is none that is wrong
        case.validate_response(response, checks=PROMISES[:-1] if is_form else PROMISES)

    with contextlib.suppress(Unsatisfiable):  # an operation that takes nothing takes nothing bad
        ask()


def deletes(operation: Operation) -> bool:
    """What takes away comes last."""
    return operation.method == "delete" or operation.path.endswith("/bulk-delete")
