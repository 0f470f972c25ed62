"""Finds what should be written once: reading a bearer token, cutting an address to its network, `/ready`, metrics' route names.

Each detector looks at one function at a time, or at what a module has outside of functions, and knows the thing by its form.
The detectors are written for the forms that occur in this source. A form that they do not see belongs into them, with a test.
"""

import ast
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

FEWEST_NAMED_PATHS = 3  # a table that names fewer paths is something else


@dataclass(frozen=True, slots=True)
class Scope:
    """A function, or what lies outside of functions, with its own syntax nodes; docstrings are left out."""

    name: str
    line: int
    nodes: list[ast.AST]


def found_in(tree: ast.Module) -> Iterator[tuple[str, int, str]]:
    """What the detectors find in a module: the kind, a line, and the function around it; each kind once a function."""
    constants = _bearer_constants(tree)
    for scope in _scopes(tree):
        for kind, detect in DETECTORS.items():
            if (line := detect(scope, constants)) is not None:
                yield kind, line, scope.name


def _scopes(tree: ast.Module) -> list[Scope]:
    """Every function with its nodes, without those of the functions inside it; what is outside of all comes first."""
    outside = Scope("(module)", 1, [])
    scopes = [outside]

    def visit(node: ast.AST, scope: Scope, path: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner, where = scope, path
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                where = f"{path}{child.name}."
                inner = Scope(where[:-1], child.lineno, [])
                scopes.append(inner)
            elif isinstance(child, ast.ClassDef):
                where = f"{path}{child.name}."
            inner.nodes.append(child)
            visit(child, inner, where)

    visit(tree, outside, "")
    return scopes


def _bearer_constants(tree: ast.Module) -> frozenset[str]:
    """Names of the module's own constants that hold the scheme, alone or among others."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and any(map(_is_bearer, ast.walk(node.value))):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(found)


def _is_bearer(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Constant) else None
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return isinstance(text, str) and text.strip().lower() == "bearer"


def parses_bearer_token(scope: Scope, bearer_constants: Collection[str]) -> int | None:
    """The line where something is compared with the scheme "Bearer", in whatever case."""
    for node in scope.nodes:
        compared: list[ast.expr | ast.pattern] = []
        if isinstance(node, ast.Compare):
            compared = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            compared = [node.value]
        elif isinstance(node, ast.arguments):
            compared = [default for default in (*node.defaults, *node.kw_defaults) if default]
        elif isinstance(node, ast.Call) and _called(node) in {"startswith", "removeprefix"}:
            compared = [*node.args]
        for one in compared:
            inside = [inner for inner in ast.walk(one) if not isinstance(inner, ast.Dict)]
            if any(_is_bearer(inner) or _name(inner) in bearer_constants for inner in inside):
                return one.lineno
    return None


def groups_client_address(scope: Scope, _: Collection[str]) -> int | None:
    """The line where an address is cut down to the network that one subscriber has, by bits or as text."""
    names = {_name(node) for node in scope.nodes}
    parsed = {  # bits that are masked or compared are fields of the address, not its network
        id(node.left)
        for node in scope.nodes
        if isinstance(node, ast.Compare) or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd))
    }
    handles_addresses = bool(names & {"ip_address", "parse_address", "IPv4Address", "IPv6Address"})
    for node in scope.nodes:
        is_cut = False
        if isinstance(node, ast.Call):
            makes_network = _called(node) in {"ip_network", "IPv4Network", "IPv6Network"}
            is_cut = _called(node) == "supernet" or (makes_network and isinstance(node.args[0], ast.Tuple))
        elif isinstance(node, ast.BinOp):
            is_cut = isinstance(node.op, ast.RShift) and handles_addresses and id(node) not in parsed
        elif isinstance(node, ast.Constant):
            is_cut = isinstance(node.value, str) and re.search(r"(^|[^\w])/64\b", node.value) is not None
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            parts = node.value
            is_cut = (
                isinstance(parts, ast.Call)
                and _called(parts) == "split"
                and [_text(one) for one in parts.args] == [":"]
            )
        if is_cut and isinstance(node, ast.expr):
            return node.lineno
    return None


def answers_ready(scope: Scope, _: Collection[str]) -> int | None:
    """The line of a function named for readiness that answers 503 or asks the checks itself."""
    own = scope.name.rpartition(".")[2]
    if not re.search(r"(^|_)(ready|readiness)$", own) or own.lstrip("_").startswith("is_"):
        return None
    for node in scope.nodes:
        is_status = isinstance(node, ast.Constant) and node.value == 503
        if is_status or _name(node).lstrip("_") in {"SERVICE_UNAVAILABLE", "checks", "ask"}:
            return scope.line
    return None


def names_metric_route(scope: Scope, _: Collection[str]) -> int | None:
    """The line of a table from paths to names, or of a function of that name that makes one by looking at the path."""
    returns_name = looks_at_path = False
    for node in scope.nodes:
        if isinstance(node, ast.Dict) and len(node.keys) >= FEWEST_NAMED_PATHS:
            texts = [(_text(key), _text(value)) for key, value in zip(node.keys, node.values, strict=True)]
            if all(key.startswith("/") and value and "/" not in value for key, value in texts):
                return node.lineno
        if isinstance(node, ast.Call) and _called(node) in {"startswith", "match", "fullmatch", "split"}:
            looks_at_path |= any("/" in _text(argument) for argument in node.args)
        if isinstance(node, ast.Return) and node.value:
            returns_name |= any(map(_is_route_name, ast.walk(node.value)))
    return scope.line if "route" in scope.name and looks_at_path and returns_name else None


def _is_route_name(node: ast.AST) -> bool:
    return re.fullmatch(r"[a-z][a-z_-]+", _text(node)) is not None


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _called(node: ast.Call) -> str:
    return _name(node.func)


DETECTORS: dict[str, Callable[[Scope, Collection[str]], int | None]] = {
    "parses a bearer token": parses_bearer_token,
    "groups a client's address": groups_client_address,
    "answers /ready": answers_ready,
    "names a metric's route by hand": names_metric_route,
}
