"""Counts what holds the source together: circles of imports, arrows that run back up, and what is written more than once.

`python -m tests.structure` prints the counts of this checkout with the places behind them; `--tree` names another checkout,
and several are laid side by side. Everything is read from the syntax trees of `src/`; nothing is imported, so any tree can
be counted.

**Imports** are those of a whole file: at its top, under `if TYPE_CHECKING`, and inside functions. One that is only typed or
comes late is a use all the same. `from package import name` leads to the module `package.name` where there is one, else to
the package. A *circle* is a set of modules each of which reaches all the others.

**Rooms** are what lies directly in a part: each folder, and each file beside the folders. An *arrow* leads from one room to
another where any module of the first imports any of the second. The order of the rooms, from the top down, is that of the
`layers` contract in pyproject.toml whose container is the part; an arrow runs *back up* if its target stands higher, or
beside it behind a `|`. A room that the contract does not name is *unplaced*; its arrows are not counted. Without a contract
the order is the one that suits the part best: the least possible number of arrows run back up, so the count is 0 where the
rooms form no circle, and says otherwise how many arrows have to go at least.

What is written more than once is found by `tests/repeated.py`.
"""

import argparse
import ast
import json
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.repeated import DETECTORS, found_in

ROOT = Path(__file__).parent.parent
PARTS = ("agent", "chat", "directory")
MOST_ROOMS_TRIED = 15  # of one circle of rooms: beyond it the best order is approached rather than found

Graph = Mapping[str, Collection[str]]
Arrows = Mapping[tuple[str, str], Collection[str]]


@dataclass(frozen=True, slots=True)
class Arrow:
    """Imports from one room to another, each as "module -> module"."""

    source: str
    target: str
    imports: list[str]

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}: {', '.join(self.imports)}"


@dataclass(frozen=True, slots=True)
class Part:
    """The inside of one part: the files beside its folders, its rooms, and the arrows between them."""

    root_files: int
    rooms: int
    arrows: int
    is_order_declared: bool
    back_up: list[Arrow]
    unplaced: list[str]


@dataclass(frozen=True, slots=True)
class Structure:
    """What was counted in one tree: circles of modules, the parts, and places by kind."""

    circles: list[list[str]]
    parts: dict[str, Part]
    type_checking: dict[str, list[str]]
    repeated: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Module:
    """One file of the source; `name` is dotted, `file` its path in the tree."""

    name: str
    file: str
    tree: ast.Module
    is_package: bool

    @property
    def top(self) -> str:
        """The folder or file that it lies in, directly below the package."""
        return self.name.split(".")[1] if "." in self.name else self.name


def measure(tree: Path) -> Structure:
    """Counts a checkout.

    Args:
        tree: its folder, in which `src` and pyproject.toml lie.
    """
    modules = list(_read(tree / "src"))
    imports = _imports(modules)
    blocks: dict[str, list[str]] = defaultdict(list)
    repeated: dict[str, list[str]] = {kind: [] for kind in DETECTORS}
    for module in modules:
        for node in _statements(module.tree):
            if isinstance(node, ast.If) and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":
                blocks[module.top].append(f"{module.file}:{node.lineno}")
        for kind, line, function in found_in(module.tree):
            repeated[kind].append(f"{module.file}:{line} {function}")
    layers = _declared_layers(tree / "pyproject.toml")
    parts = {part: _part(modules, imports, part, layers) for part in PARTS}
    return Structure(circles(imports), parts, dict(sorted(blocks.items())), repeated)


def circles(graph: Graph) -> list[list[str]]:
    """The sets of nodes that all reach each other, the largest first."""
    reached = {node: _reached_from(node, graph) for node in graph}
    found: list[list[str]] = []
    seen: set[str] = set()
    for node in graph:
        if node not in seen and node in reached[node]:
            circle = {other for other in reached[node] if node in reached.get(other, ())}
            seen |= circle
            found.append(sorted(circle))
    return sorted(found, key=lambda circle: (-len(circle), circle))


def _reached_from(start: str, graph: Graph) -> set[str]:
    reached: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting += graph.get(node, ())
    return reached


def _read(source: Path) -> Iterator[Module]:
    for path in sorted(source.rglob("*.py")):
        inside = path.relative_to(source).with_suffix("").parts
        is_package = inside[-1] == "__init__"
        name = ".".join(inside[:-1] if is_package else inside)
        file = path.relative_to(source.parent).as_posix()
        yield Module(name, file, ast.parse(path.read_text(encoding="utf-8")), is_package)


def _imports(modules: Iterable[Module]) -> dict[str, set[str]]:
    known = {module.name for module in modules}
    found: dict[str, set[str]] = {}
    for module in modules:
        targets = (_module_of(name, known) for name in _imported_names(module))
        found[module.name] = {target for target in targets if target not in {"", module.name}}
    return found


def _imported_names(module: Module) -> Iterator[str]:
    for node in _statements(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.name.split(".")
            package = package[: len(package) - node.level + module.is_package] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements in a module or statement, at any depth; no expression is looked into."""
    for name in ("body", "orelse", "handlers", "finalbody", "cases"):
        for child in getattr(node, name, ()):
            yield child
            yield from _statements(child)


def _module_of(name: str, known: Collection[str]) -> str:
    """The module that a dotted name lies in; empty where that is none of ours."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def _part(modules: Iterable[Module], imports: Graph, part: str, layers: Mapping[str, list[str]]) -> Part:
    inside = [module for module in modules if module.top == part]
    package = next((module.name.split(".")[0] for module in inside), "")
    prefix = f"{package}.{part}."
    rooms = {module.name: _room(module.name) for module in inside if module.name.startswith(prefix)}
    arrows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for module, room in rooms.items():
        for target in sorted(imports[module]):
            if target in rooms and rooms[target] != room:
                names = (module.removeprefix(prefix), target.removeprefix(prefix))
                arrows[room, rooms[target]].append(" -> ".join(names))
    names = sorted(set(rooms.values()))
    declared = layers.get(prefix.rstrip("."))
    floors = _floors(declared) if declared is not None else {}
    is_up = _against(floors) if declared is not None else set(fewest_back_up(names, arrows)).__contains__
    return Part(
        root_files=sum(module.file.count("/") == 3 for module in inside),  # src/package/part/file
        rooms=len(names),
        arrows=len(arrows),
        is_order_declared=declared is not None,
        back_up=[Arrow(*pair, found) for pair, found in sorted(arrows.items()) if is_up(pair)],
        unplaced=[name for name in names if declared is not None and name not in floors],
    )


def _room(module: str) -> str:
    return module.split(".")[2]


def _declared_layers(project: Path) -> dict[str, list[str]]:
    """The layers of each container, from the contracts in pyproject.toml."""
    if not project.exists():
        return {}
    tools = tomllib.loads(project.read_text(encoding="utf-8")).get("tool", {})
    contracts = tools.get("importlinter", {}).get("contracts", [])
    return {
        container: contract["layers"]
        for contract in contracts
        if contract["type"] == "layers"
        for container in contract.get("containers", ())
    }


def _floors(layers: Sequence[str]) -> dict[str, tuple[int, bool]]:
    """The floor of each room, 0 at the top, and whether those beside it may be imported (`:`) or not (`|`)."""
    return {
        room.strip(" ()"): (floor, ":" in layer)
        for floor, layer in enumerate(layers)
        for room in re.split(r"[|:]", layer)
    }


def _against(floors: Mapping[str, tuple[int, bool]]) -> Callable[[tuple[str, str]], bool]:
    def is_up(pair: tuple[str, str]) -> bool:
        if not floors.keys() >= set(pair):
            return False
        (source, _), (target, may_be_beside) = floors[pair[0]], floors[pair[1]]
        return target < source or (target == source and not may_be_beside)

    return is_up


def fewest_back_up(rooms: Sequence[str], arrows: Arrows) -> list[tuple[str, str]]:
    """The arrows that run back up in the order of rooms that has the fewest of them, and of those the fewest imports."""
    graph = {room: {target for source, target in arrows if source == room} for room in rooms}
    found: list[tuple[str, str]] = []
    for circle in circles(graph):
        inside = {pair: len(imports) for pair, imports in arrows.items() if set(pair) <= set(circle)}
        order = _best_order(circle, inside) if len(circle) <= MOST_ROOMS_TRIED else _good_order(circle, inside)
        height = {room: -index for index, room in enumerate(order)}
        found += [(source, target) for source, target in inside if height[target] > height[source]]
    return sorted(found)


def _best_order(rooms: Sequence[str], weights: Mapping[tuple[str, str], int]) -> list[str]:
    """Tries every order, from the top down: for each set of rooms the cheapest way to have it on top."""
    cost = [[_cost(weights.get((source, target), 0)) for target in rooms] for source in rooms]
    best: list[tuple[int, int]] = [(0, -1)]  # of a set of rooms: its cost, and which was put below the others last
    for taken in range(1, 1 << len(rooms)):
        inside = [index for index in range(len(rooms)) if taken >> index & 1]
        best.append(
            min((best[taken ^ 1 << last][0] + sum(cost[last][above] for above in inside), last) for last in inside)
        )
    order: list[str] = []
    taken = len(best) - 1
    while taken:
        last = best[taken][1]
        order.append(rooms[last])
        taken ^= 1 << last
    return order[::-1]


def _good_order(rooms: Sequence[str], weights: Mapping[tuple[str, str], int]) -> list[str]:
    """Moves single rooms to where they cost least, until none can be moved for the better."""
    order, is_better = list(rooms), True
    while is_better:
        is_better = False
        for room in rooms:
            rest = [other for other in order if other != room]
            tried = [[*rest[:index], room, *rest[index:]] for index in range(len(order))]
            cheapest = min(tried, key=lambda one: _total(one, weights))
            if _total(cheapest, weights) < _total(order, weights):
                order, is_better = cheapest, True
    return order


def _total(order: Sequence[str], weights: Mapping[tuple[str, str], int]) -> int:
    index = {room: index for index, room in enumerate(order)}
    return sum(_cost(imports) for (source, target), imports in weights.items() if index[target] < index[source])


def _cost(imports: int) -> int:
    """Of an arrow that runs back up: one arrow outweighs any number of imports."""
    return 1_000_000 + imports if imports else 0


def rows(structure: Structure) -> Iterator[tuple[str, int, list[str]]]:
    """What is counted, how many there are, and which."""
    yield "modules in import circles", sum(map(len, structure.circles)), [" ".join(one) for one in structure.circles]
    for name, part in structure.parts.items():
        order = "declared order" if part.is_order_declared else "best order"
        yield f"{name}: arrows back up ({order})", len(part.back_up), [str(arrow) for arrow in part.back_up]
    for name, part in structure.parts.items():
        if part.unplaced:
            yield f"{name}: rooms without a place", len(part.unplaced), part.unplaced
    for name, places in structure.type_checking.items():
        yield f"{name}: TYPE_CHECKING blocks", len(places), places
    for name, places in structure.repeated.items():
        yield name, len(places), places
    for name, part in structure.parts.items():
        yield f"{name}: files beside its folders", part.root_files, []


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the counts of each tree."""
    parser = argparse.ArgumentParser(prog="python -m tests.structure")
    parser.add_argument("--tree", action="append", type=Path, help="a checkout; given again, one column each")
    parser.add_argument("--json", action="store_true", help="print a list with one object for each tree")
    args = parser.parse_args(arguments)
    trees: list[Path] = args.tree or [ROOT]
    for tree in trees:
        if not (tree / "src").is_dir():
            parser.error(f"{tree} is no checkout: it has no folder src")
    structures = [measure(tree) for tree in trees]
    if args.json:
        _say(json.dumps([asdict(structure) for structure in structures], indent=2))
        return 0
    tables = [{label: count for label, count, _ in rows(structure)} for structure in structures]
    labels = dict.fromkeys(label for table in tables for label in table)
    for label in labels:
        _say(f"{label:<42}" + "".join(f"{table.get(label, '-'):>6}" for table in tables))
    if len(structures) == 1:
        for label, _, places in rows(structures[0]):
            if places:
                _say("\n  ".join([f"\n{label}:", *places]))
    return 0


def _say(text: str) -> None:
    print(text)  # noqa: T201  a command's output


if __name__ == "__main__":
    sys.exit(main())
