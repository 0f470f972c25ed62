"""Which functions of a test module run on virtual time, read from its syntax tree.

A function does if it takes the fixture `virtual_loop` or `virtual_clock`, or a fixture of the module that does; if it is
marked with `usefixtures`, by itself, its class or its module; if it calls `run_virtual`; and, being neither a test nor a
fixture, if every function of the module that names it does.
"""

import ast
from collections.abc import Iterator

FIXTURES = frozenset({"virtual_loop", "virtual_clock"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def on_real_time(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node of the module that lies in no function on virtual time."""
    if _is_marked(node.value for node in tree.body if isinstance(node, ast.Assign) and _is_mark(node)):
        return
    functions = list(_outermost(tree))
    virtual = _virtual(functions)
    excused: list[ast.AST] = [function for function in functions if function.name in virtual]
    excused += [node for node in tree.body if isinstance(node, ast.ClassDef) and _is_marked(node.decorator_list)]
    skipped = {id(node) for one in excused for node in ast.walk(one)}
    yield from (node for node in ast.walk(tree) if id(node) not in skipped)


def _virtual(functions: list[Function]) -> set[str]:
    """The names of those on virtual time; grows until nothing is added."""
    found = set[str]()
    while True:
        fixtures = FIXTURES | {one.name for one in functions if one.name in found and _is_fixture(one)}
        more = {one.name for one in functions if one.name not in found and _is_virtual(one, fixtures, functions, found)}
        if not more:
            return found
        found |= more


def _is_virtual(one: Function, fixtures: frozenset[str], functions: list[Function], found: set[str]) -> bool:
    arguments = {argument.arg for argument in (*one.args.posonlyargs, *one.args.args, *one.args.kwonlyargs)}
    if arguments & fixtures or _is_marked(one.decorator_list) or "run_virtual" in _names(one):
        return True
    if one.name.startswith("test_") or _is_fixture(one):
        return False
    users = {other.name for other in functions if other is not one and one.name in _names(other)}
    return bool(users) and users <= found


def _outermost(tree: ast.AST) -> Iterator[Function]:
    """Functions of the module and methods of its classes; what is defined inside them belongs to them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from _outermost(node)


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    }


def _is_fixture(one: Function) -> bool:
    return any("fixture" in ast.unparse(decorator) for decorator in one.decorator_list)


def _is_mark(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets)


def _is_marked(marks: Iterator[ast.expr] | list[ast.expr]) -> bool:
    return any(f"usefixtures('{name}'" in ast.unparse(mark) for mark in marks for name in FIXTURES)
