"""Each contract of the import linter notices what it forbids: an import is planted in a copy of the source for each of them."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reference import ROOT
from tests.time_limits import WAIT_S

PLANTS = {
    "Imports go down this list only": ("protocols/rtvi.py", "vox.runtime.clock"),
    "Imports inside the agent go down this list only, type-only and function-level ones too": (
        "agent/turns/events.py",
        "vox.agent.call.session",
    ),
    "Imports inside the HTTP front door go down this list only, type-only and function-level ones too": (
        "http/edge.py",
        "vox.http.dispatch",
    ),
    "Imports inside the directory go down this list only, type-only and function-level ones too": (
        "directory/relays/relay.py",
        "vox.directory.api.routes",
    ),
    "Imports inside the relay go down this list only, type-only and function-level ones too": (
        "relay/rooms/room.py",
        "vox.relay.service.dispatch",
    ),
    "Imports inside the fleet go down this list only, type-only and function-level ones too": (
        "fleet/dispatch/placement.py",
        "vox.fleet.worker.worker",
    ),
    "Imports inside chat go down this list only, type-only and function-level ones too": (
        "chat/events/people.py",
        "vox.chat.context",
    ),
    "No circle of imports among the modules of a folder of chat, of its client or of the directory": (
        "chat/gateway/outbox.py",
        "vox.chat.gateway.hub",
    ),
    "Protocols and decisions are pure: no clock, no socket, no task": ("media/g711.py", "time"),
    "aiortc and PyAV are known to the WebRTC driver only": ("agent/transports/webrtc.py", "aiortc"),
    "The WebRTC driver is loaded by its name, so that another can take its place": (
        "agent/api/webrtc_calls.py",
        "vox.media.webrtc.aiortc_peer",
    ),
    "The worker that runs Pipecat imports only what another Python has too": (
        "providers/pipecat/worker/stt.py",
        "vox.media.levels",
    ),
    "No part and no command imports a driver: the registry loads it by name": ("cli/call.py", "vox.providers.stt.fake"),
    "Features of the chat server import downwards only": (
        "chat/features/messages/send.py",
        "vox.chat.features.auth.service",
    ),
    "SQL of the chat server is written in queries, database and community/loading only": (
        "chat/features/messages/send.py",
        "sqlalchemy",
    ),
}
"""By contract: a module, and what it must not import."""

FORMS: dict[str, Callable[[str], str]] = {
    "at the top": lambda module: f"import {module}\n",
    "for types only": lambda module: (
        f"import typing\n\nif typing.TYPE_CHECKING:\n    import {module}\n"  # the linter counts them, by its settings
    ),
    "in a function": lambda module: f"def planted() -> None:\n    import {module}\n",
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source with the linter's settings."""
    root = tmp_path_factory.mktemp("planted")
    only_python = shutil.ignore_patterns("__pycache__", "page", "*.yaml", "*.json")
    shutil.copytree(ROOT / "src", root / "src", ignore=only_python)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def broken_contracts(root: Path) -> dict[str, bool]:
    """Whether each contract is broken, by its name."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "COLUMNS": "400", "NO_COLOR": "1"}
    result = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=WAIT_S
    )
    said = result.stdout.splitlines()
    found = {
        name: any(line.startswith(f"{name} BROKEN") for line in said)
        for name in PLANTS
        if any(line.startswith((f"{name} BROKEN", f"{name} KEPT")) for line in said)
    }
    assert (result.returncode != 0) == any(found.values()), result.stdout + result.stderr
    return found


def test_the_contracts_are_those_tried_here_and_hold(copy: Path):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    assert {contract["name"] for contract in settings["contracts"]} == PLANTS.keys(), (
        "plant an import for a new contract"
    )
    assert broken_contracts(copy) == dict.fromkeys(PLANTS, False)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("contract", PLANTS)
def test_a_forbidden_import_breaks_its_contract(copy: Path, contract: str, form: str):
    module, forbidden = PLANTS[contract]
    file = copy / "src" / "vox" / module
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text}\n\n{FORMS[form](forbidden)}", encoding="utf-8")
    try:
        assert broken_contracts(copy)[contract]
    finally:
        file.write_text(text, encoding="utf-8")
