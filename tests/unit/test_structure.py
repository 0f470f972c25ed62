import json
from pathlib import Path
from textwrap import dedent

import pytest

from tests import structure
from tests.structure import Structure, fewest_back_up, measure


def plant(folder: Path, files: dict[str, str], layers: list[str] | None = None) -> Structure:
    """Counts a tree with these files of the package `vox`, whose chat has these layers."""
    for name, text in {"__init__.py": "", **files}.items():
        path = folder / "src" / "vox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    if layers is not None:
        contract = f'[[tool.importlinter.contracts]]\ntype = "layers"\ncontainers = ["vox.chat"]\nlayers = {layers}\n'
        (folder / "pyproject.toml").write_text(contract)
    return measure(folder)


def found(folder: Path, kind: str, text: str) -> list[str]:
    return plant(folder, {"chat/app.py": text}).repeated[kind]


def test_modules_that_import_each_other_in_a_ring_are_a_circle(tmp_path: Path):
    files = {
        "a.py": "from vox.b import x",
        "b.py": "import vox.c",
        "c.py": "from vox import a",
        "d.py": "from vox.a import x",
    }
    assert plant(tmp_path, files).circles == [["vox.a", "vox.b", "vox.c"]]


def test_an_import_for_types_alone_closes_a_circle(tmp_path: Path):
    files = {
        "a.py": "from vox.b import B",
        "b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from vox.a import A\n",
    }
    assert plant(tmp_path, files).circles == [["vox.a", "vox.b"]]


def test_an_import_inside_a_function_closes_a_circle(tmp_path: Path):
    text = """
        class Late:
            def run(self):
                try:
                    pass
                finally:
                    from vox.a import A
        """
    assert plant(tmp_path, {"a.py": "from vox.b import Late", "b.py": text}).circles == [["vox.a", "vox.b"]]


def test_relative_imports_lead_where_python_takes_them(tmp_path: Path):
    files = {
        "chat/__init__.py": "from .hub import Hub",
        "chat/hub.py": "from ..chat import Hub",
        "chat/other.py": "from . import hub",
    }
    assert plant(tmp_path, files).circles == [["vox.chat", "vox.chat.hub"]]


def test_modules_that_only_share_an_import_are_no_circle(tmp_path: Path):
    files = {"a.py": "from vox.c import x\nimport json", "b.py": "from vox.c import x", "c.py": "from vox.d import y"}
    assert plant(tmp_path, {**files, "d.py": ""}).circles == []


def test_an_arrow_that_runs_against_the_declared_order_is_found(tmp_path: Path):
    files = {"chat/app.py": "from vox.chat.bus.memory import Bus", "chat/bus/memory.py": "from vox.chat.app import App"}
    part = plant(tmp_path, files, ["app", "bus"]).parts["chat"]
    assert [str(arrow) for arrow in part.back_up] == ["bus -> app: bus.memory -> app"]
    assert part.is_order_declared
    assert (part.rooms, part.arrows) == (2, 2)


@pytest.mark.parametrize(("layer", "back_up"), [("users | rooms", 1), ("users : rooms", 0), ("users | (rooms)", 1)])
def test_rooms_beside_each_other_may_be_independent(tmp_path: Path, layer: str, back_up: int):
    files = {"chat/users/routes.py": "from vox.chat.rooms.routes import x", "chat/rooms/routes.py": ""}
    assert len(plant(tmp_path, files, [layer]).parts["chat"].back_up) == back_up


def test_a_room_that_the_order_does_not_name_is_unplaced(tmp_path: Path):
    files = {"chat/app.py": "", "chat/new/thing.py": "from vox.chat.app import App"}
    part = plant(tmp_path, files, ["app"]).parts["chat"]
    assert part.unplaced == ["new"]
    assert part.back_up == []


def test_without_an_order_the_fewest_arrows_run_back_up(tmp_path: Path):
    files = {
        "agent/app.py": "from vox.agent.calls.session import S\nfrom vox.agent.ways.phone import P",
        "agent/ways/phone.py": "from vox.agent.calls.session import S",
        "agent/ways/web.py": "from vox.agent.calls.session import S",
        "agent/calls/session.py": "from vox.agent.ways.contract import C",
        "agent/ways/contract.py": "",
    }
    part = plant(tmp_path, files).parts["agent"]
    assert not part.is_order_declared
    assert [str(arrow) for arrow in part.back_up] == ["calls -> ways: calls.session -> ways.contract"]


def test_rooms_without_a_circle_have_no_arrow_back_up(tmp_path: Path):
    files = {
        "chat/app.py": "from vox.chat import hub, bus",
        "chat/hub.py": "from vox.chat import bus",
        "chat/bus.py": "",
    }
    assert plant(tmp_path, files).parts["chat"].back_up == []


def ring(count: int) -> tuple[list[str], dict[tuple[str, str], list[str]]]:
    """So many rooms, each importing the next three times, but the third one once."""
    rooms = [f"room{index:02}" for index in range(count)]
    return rooms, {
        (rooms[index], rooms[(index + 1) % count]): ["x"] * (1 if index == 2 else 3) for index in range(count)
    }


def test_of_orders_with_as_few_arrows_back_up_the_one_with_the_fewest_imports_is_taken():
    assert fewest_back_up(*ring(5)) == [("room02", "room03")]


def test_a_ring_of_very_many_rooms_has_one_arrow_back_up():
    assert len(fewest_back_up(*ring(structure.MOST_ROOMS_TRIED + 5))) == 1


def test_files_beside_the_folders_and_blocks_for_types_are_counted_by_part(tmp_path: Path):
    block = "import typing\nif typing.TYPE_CHECKING:\n    import json\n"
    counted = plant(
        tmp_path, {"chat/__init__.py": "", "chat/app.py": block, "chat/hub/hub.py": block, "directory/app.py": ""}
    )
    assert {name: part.root_files for name, part in counted.parts.items()} == {"agent": 0, "chat": 2, "directory": 1}
    assert counted.type_checking == {"chat": ["src/vox/chat/app.py:2", "src/vox/chat/hub/hub.py:2"]}


def test_a_second_parser_of_bearer_tokens_is_found(tmp_path: Path):
    text = """
        def token(authorization):
            scheme, _, token = authorization.partition(" ")
            return token if scheme in {"Bearer", "Bot"} else ""
        """
    counted = plant(tmp_path, {"http/credentials.py": text, "chat/app.py": text})
    assert counted.repeated["parses a bearer token"] == [
        "src/vox/chat/app.py:4 token",
        "src/vox/http/credentials.py:4 token",
    ]


@pytest.mark.parametrize(
    "text",
    [
        'def key(scheme): return scheme.lower() == "bearer"',
        'def key(header): return header.startswith("Bearer ")',
        'def key(header): return header.removeprefix(b"Bearer ")',
        'def key(scheme, schemes=("bearer",)): return scheme in schemes',
        'SCHEMES = frozenset({"bearer"})\ndef key(scheme): return scheme in SCHEMES',
        'def key(scheme):\n match scheme:\n  case "Bearer": return 1',
    ],
)
def test_bearer_tokens_are_parsed_in_many_forms(tmp_path: Path, text: str):
    assert len(found(tmp_path, "parses a bearer token", text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        'def send(key): return {"authorization": f"Bearer {key}"}',
        'SCHEME = {"type": "http", "scheme": "bearer"}',
        'def token(header): return bearer_token(header, ("Bearer", "Bot"))',
        'def token(header):\n    """Reads "Bearer".\n\n    Bearer"""\n    return read(header)',
    ],
)
def test_sending_describing_and_handing_on_a_scheme_is_no_parsing(tmp_path: Path, text: str):
    assert found(tmp_path, "parses a bearer token", text) == []


@pytest.mark.parametrize(
    "text",
    [
        "def network(address): return str(ip_network((address, 64), strict=False))",
        "def network(address): return address.supernet(new_prefix=64)",
        'def network(peer): return ":".join(peer.split(":")[:4])',
        'def network(address): return f"{address}::/64"',
        "def network(text): return int(ip_address(text)) >> 64",
    ],
)
def test_an_address_is_cut_to_its_network_in_many_forms(tmp_path: Path, text: str):
    assert len(found(tmp_path, "groups a client's address", text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        'def allowed(text): return ip_network(text), ip_network("64:ff9b::/96")',
        "def mapped(address: IPv6Address): return int(address) >> 32 & 0xFFFF, int(address) >> 32 in {0}",
        "def half(number): return number >> 1",
        'def network(address):\n    """The /64 of an address."""\n    return shared(address)',
    ],
)
def test_other_uses_of_addresses_cut_nothing(tmp_path: Path, text: str):
    assert found(tmp_path, "groups a client's address", text) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("class Http:\n    async def ready(self, request): return reply(503)", 1),
        ("async def _ready(send): await respond(send, HTTPStatus.SERVICE_UNAVAILABLE)", 1),
        ("async def answer_ready(self): return await self._checks.run()", 1),
        ('routes = [Route("/ready", probes.ready)]', 0),
        ("class Lifecycle:\n    def ready(self): self._enter(State.READY)", 0),
        ("def is_ready(self): return not self.checks", 0),
        ("def search(self): return refuse(503)", 0),
    ],
)
def test_what_answers_ready_is_known_by_its_name_and_its_503(tmp_path: Path, text: str, count: int):
    assert len(found(tmp_path, "answers /ready", text)) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('ROUTES = {"/": "root", "/health": "health", "/ws": "ws"}', 1),
        ('def route_name(path): return "page" if path.startswith("/page/") else "other"', 1),
        (
            'def route_name(path):\n    parts = path.split("/")\n    return parts[-1] if parts[-1] in KNOWN else "relay"',
            1,
        ),
        ('ALIASES = {"/": "/index.html", "/a": "/b", "/c": "/d"}', 0),
        ('TYPES = {"page": "html", "script": "js", "style": "css"}', 0),
        ("def route_name(scope): return scope[ROUTE].name", 0),
        ('def category_of(path): return "auth" if path.startswith("/auth/") else "rest"', 0),
    ],
)
def test_names_of_routes_made_by_hand_are_found(tmp_path: Path, text: str, count: int):
    assert len(found(tmp_path, "names a metric's route by hand", text)) == count


def test_trees_are_laid_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    ring = {"a.py": "import vox.b", "b.py": "import vox.a"}
    plant(tmp_path / "before", ring)
    plant(tmp_path / "after", {"a.py": "import vox.b", "b.py": ""})
    assert structure.main(["--tree", str(tmp_path / "before"), "--tree", str(tmp_path / "after")]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["modules", "in", "import", "circles", "2", "0"]


def test_the_counts_can_be_read_by_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    plant(tmp_path, {"a.py": "import vox.b", "b.py": "import vox.a"})
    assert structure.main(["--json", "--tree", str(tmp_path)]) == 0
    (counted,) = json.loads(capsys.readouterr().out)
    assert counted["circles"] == [["vox.a", "vox.b"]]
    assert counted["parts"]["chat"]["back_up"] == []


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        structure.main(["--tree", str(tmp_path)])
    assert "it has no folder src" in capsys.readouterr().err
