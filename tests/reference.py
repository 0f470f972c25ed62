"""What the source declares (settings, metrics, error codes) beside what docs/operations lists.

The tables are kept by hand, because their words are for people; `make docs-reference` prints the rows that are missing, and
tests/unit/test_house_rules.py fails on every difference. Only the first cell of a row, and for settings the next three, are
compared.
"""

import ast
import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

import vox
from vox.runtime import metrics
from vox.runtime.settings import describe

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "vox"
OPERATIONS = ROOT / "docs" / "operations"
NOTHING = "none"
OF_ANOTHER_PYTHON = {"vox.providers.pipecat.worker.": "pipecat"}
"""Modules that a worker runs under another Python, and the package that only that one has."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its cells in Markdown, of which the first `compared` must agree with the source."""

    cells: tuple[str, ...]
    compared: int = 1

    @property
    def key(self) -> str:
        """The first cell without its back-ticks."""
        return self.cells[0].strip("`")

    def __str__(self) -> str:
        return f"| {' | '.join(self.cells)} |"


def differences(page: str, declared: list[Row]) -> list[str]:
    """What must change on a page of docs/operations so that it agrees with the source, one line each."""
    documented: dict[str, list[Row]] = {}
    for each in documented_rows(OPERATIONS / page):  # two servers may have a setting of the same name
        documented.setdefault(each.key, []).append(each)
    found = [f"docs/operations/{page} lacks: {row}" for row in declared if row.key not in documented]
    names = {row.key for row in declared}
    found += [f"docs/operations/{page} describes {key}, which is no more" for key in documented if key not in names]
    for row in declared:
        there = [each.cells[: row.compared] for each in documented.get(row.key, ())]
        if there and row.cells[: row.compared] not in there:
            found.append(f"docs/operations/{page} says {there[-1]}, should begin: {row}")
    return found


def documented_rows(page: Path) -> Iterator[Row]:
    """The table rows of a page whose first cell is a name in back-ticks."""
    for line in page.read_text(encoding="utf-8").splitlines() if page.exists() else ():
        if re.match(r"\| `[^`]+` \|", line):
            yield Row(tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))))


def declared_errors() -> list[Row]:
    """Every error code that the source can raise: each text given to something named `code`, found by reading it."""
    places: dict[str, set[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for code in _codes_of(node):
                places.setdefault(code, set()).add(path.relative_to(SOURCE).as_posix())
    return [Row((f"`{code}`", f"(raised in {', '.join(sorted(where))})")) for code, where in sorted(places.items())]


def _codes_of(node: ast.AST) -> Iterator[str]:
    values: list[ast.expr | None] = []
    if isinstance(node, ast.Call):
        values += [keyword.value for keyword in node.keywords if keyword.arg == "code"]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        defaulted = positional[len(positional) - len(arguments.defaults) :]
        pairs = [*zip(defaulted, arguments.defaults, strict=True)]
        pairs += [(argument, value) for argument, value in zip(arguments.kwonlyargs, arguments.kw_defaults) if value]  # noqa: B905  kw_defaults has one entry per argument
        values += [value for argument, value in pairs if argument.arg == "code"]
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "code":
        values.append(node.value)
    for value in values:
        for inner in ast.walk(value) if value else ():
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and inner.value:
                yield inner.value


def declared_metrics() -> list[Row]:
    """Every metric declared in any module."""
    modules, _ = import_everything()
    return [
        Row((f"`{spec.name}`", type(spec).__name__.lower(), ", ".join(spec.labels) or NOTHING, spec.help), compared=3)
        for spec in metrics.declared(modules)
    ]


def declared_settings() -> list[Row]:
    """Every key of every part's configuration, then every option of every driver."""
    modules, _ = import_everything()
    rows: list[Row] = []
    for module in modules:
        path = module.__name__.split(".")[1:]
        if path[-1] == "settings" and path[0] != "runtime":
            rows += [row for model in _models_of(module, "Settings") for row in _rows_of(model, "")]
    for module in modules:
        path = module.__name__.split(".")[1:]
        if path[0] == "providers" and len(path) == 3:
            rows += [row for model in _models_of(module, "Config") for row in _rows_of(model, f"{path[1]}:{path[2]}.")]
    return rows


def _models_of(module: ModuleType, ending: str) -> Iterator[type[BaseModel]]:
    for name, value in vars(module).items():
        is_public_model = isinstance(value, type) and issubclass(value, BaseModel) and not name.startswith("_")
        if is_public_model and name.endswith(ending) and value.__module__ == module.__name__:
            yield value


def _rows_of(model: type[BaseModel], prefix: str) -> Iterator[Row]:
    for setting in describe(model, prefix):
        default = f"`{setting.default}`" if setting.default not in {"", '""'} else NOTHING
        variables = ", ".join(f"`{variable}`" for variable in setting.env) or NOTHING
        kind = " | ".join(filter(None, (word.strip() for word in setting.type.split("|"))))  # without the empty choice
        cells = (f"`{setting.key}`", kind, default, variables, setting.description)
        yield Row(tuple(cell.replace("|", "\\|") for cell in cells), compared=4)


def import_everything() -> tuple[list[ModuleType], list[str]]:
    """All modules of Vox, and a line for each that cannot be imported."""
    modules: list[ModuleType] = []
    failures: list[str] = []
    for found in pkgutil.walk_packages(vox.__path__, "vox."):
        try:
            modules.append(importlib.import_module(found.name))
        except ImportError as error:
            if (error.name or "") in {
                package for start, package in OF_ANOTHER_PYTHON.items() if found.name.startswith(start)
            }:
                continue
            failures.append(f"{found.name} cannot be imported: {error}")
    return modules, failures


def main() -> int:
    """Prints every difference; the exit code says whether there was one."""
    _, found = import_everything()
    found += differences("settings.md", declared_settings())
    found += differences("metrics.md", declared_metrics())
    found += differences("errors.md", declared_errors())
    print("\n".join(found) or "docs/operations lists every setting, metric and error code")  # noqa: T201  a command's output
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
