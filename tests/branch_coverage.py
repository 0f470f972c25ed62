"""How much of each pure module its own tests reach: `make coverage`.

The pure modules are those of the contract in pyproject.toml that keeps clocks, sockets and tasks out of them. The own tests
of `src/vox/a/b.py` are `tests/unit/a/test_b.py` and `test_b_*.py`; what other tests happen to run does not count, so a
number here means that the module's own file would notice.

    python -m tests.branch_coverage             the table; fails below the floor or where a test fails
    python -m tests.branch_coverage media.dtmf  only what is named like that, with the branches that nothing takes
"""

import sys
import tomllib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "vox"
TESTS = ROOT / "tests" / "unit"
CONTRACT = "Protocols and decisions are pure"
FLOOR = 90
"""Per cent of its branches that each module's own tests have to take."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the own tests of one module reach."""

    module: str
    branches: int
    taken: int
    untaken: list[int]

    @property
    def percent(self) -> float:
        return 100 * self.taken / self.branches if self.branches else 100.0


def pure_modules() -> list[Path]:
    """The files of every pure module, packages with all that lies in them; nothing that only exports."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    [named] = [contract["source_modules"] for contract in contracts if contract["name"].startswith(CONTRACT)]
    found: dict[Path, None] = {}
    for name in named:
        path = SOURCE.joinpath(*name.split(".")[1:])
        inside = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        found |= dict.fromkeys(file for file in inside if file.name != "__init__.py")
    return list(found)


def own_tests(module: Path) -> list[Path]:
    """The test files of a module, by their names."""
    folder = TESTS / module.relative_to(SOURCE).parent
    return sorted([*folder.glob(f"test_{module.stem}.py"), *folder.glob(f"test_{module.stem}_*.py")])


class _Contexts:
    """Files what runs under the test file that runs it."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._measured.switch_context(str(item.path))
        return (yield)


def main(wanted: Sequence[str]) -> int:
    """Runs the tests and prints the table; the exit code says whether all is well."""
    modules = [module for module in pure_modules() if not wanted or any(part in _name(module) for part in wanted)]
    tests = list(dict.fromkeys(test for module in modules for test in own_tests(module)))
    measured = coverage.Coverage(
        data_file=None, config_file=False, branch=True, include=[str(module) for module in modules]
    )
    measured.exclude(r"case _:\n\s+assert_never\(")  # the types say that no value arrives there
    measured.start()
    status = pytest.main(["-q", "--durations=0", *map(str, tests)], plugins=[_Contexts(measured)])
    measured.stop()
    rows = sorted((_row(measured, module) for module in modules), key=lambda row: (row.percent, row.module))
    width = max(len(row.module) for row in rows)
    _say(f"\n{'module':<{width}}  {'branches':>8}  {'taken':>7}")
    for row in rows:
        untaken = f"  lines {', '.join(map(str, row.untaken))}" if wanted and row.untaken else ""
        _say(f"{row.module:<{width}}  {row.branches:>8}  {row.percent:>5.0f} %{untaken}")
    branches, taken = sum(row.branches for row in rows), sum(row.taken for row in rows)
    _say(f"{'all':<{width}}  {branches:>8}  {100 * taken / max(1, branches):>5.0f} %")
    low = [row.module for row in rows if row.percent < FLOOR]
    if low:
        _say(f"below {FLOOR} %: {', '.join(low)}")
    return int(status) or int(bool(low))


def _row(measured: coverage.Coverage, module: Path) -> Row:
    data = measured.get_data()
    data.set_query_contexts([f"^{test}$" for test in map(str, own_tests(module))] + ["^$"])
    stats: dict[int, tuple[int, int]] = measured.branch_stats(str(module))
    return Row(
        _name(module),
        sum(total for total, _ in stats.values()),
        sum(taken for _, taken in stats.values()),
        [line for line, (total, taken) in sorted(stats.items()) if taken < total],
    )


def _name(module: Path) -> str:
    return ".".join(module.relative_to(SOURCE).with_suffix("").parts)


def _say(text: str) -> None:
    print(text)  # noqa: T201  a command's output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
