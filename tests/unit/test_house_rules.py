"""The rules of the house that a program can check. Each test lists all offenders at once, and says what to do.

An exception to a rule stands in the table beside it, with its reason; an entry that is no longer needed fails too.
"""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from tests import branch_coverage, reference, structure, virtual_time
from tests.reference import ROOT
from tests.time_limits import WAIT_S

LONGEST_MODULE = 600
LONGER_MODULES: dict[str, str] = {}

CLOCK_CALLS = re.compile(
    r"time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|perf_counter_ns|sleep)"
    r"|random\.(?!Random)\w+|uuid\.uuid\d|datetime\.(datetime\.)?(now|utcnow|today)|date\.today"
)
MAY_READ_THE_CLOCK = {"src/vox/runtime/clock.py": "the one place"}

MAY_READ_THE_ENVIRONMENT = {
    "src/vox/chat/app.py": "uvicorn --factory calls create_app, which no command comes before",
    "src/vox/agent/app.py": "plain `uvicorn vox.agent.app:create_app --factory` has no command of ours in front",
}

MOST_FILES_AT_A_PARTS_ROOT = 8
PARTS = ("agent", "chat", "directory")

NO_OWN_TESTS: dict[str, str] = {}

# People are "they", and a text says who it means: in docstrings and in every text of the source.
ARCHAIC = re.compile(r"\b(nobody|somebody|whoever|whom|himself|herself|his|he|she|him)\b", re.IGNORECASE)
PHRASES_OF_CALLERS = {
    "src/vox/agent/turns/phrases_english.py": "words behind which a caller's sentence goes on, among them the pronouns",
    "src/vox/text/abbreviations.py": "words that begin a sentence",
    "src/vox/providers/flows/commands.py": 'speech to recognise: callers say "talk to somebody"',
}
ARCHAIC_ON_THE_WIRE = {"nobody": "a value of dm_permission, which clients send and databases hold"}

# Pictures that stood where the field has a word: a limiter (few), upload limits (desk), a file service (shelf), a decoder
# pool (ears), an outbox (outlet), a batch scheduler (lane), re-encoding (painted), sent or notified (told), requested or
# expected (wanted), a signing key (seal), and people of no role (nobody, somebody, whoever).
METAPHORS = frozenset(
    "few desk shelf ears outlet lane painted told wanted seal seals nobody somebody whoever".split()  # noqa: SIM905  read as a line
)

# An import for the type checker alone hides a dependency from a reader; only these have a reason.
TYPE_ONLY_IMPORTS = {
    "cli of vox": "a command's help must not wait for the part that the command starts",
    "providers of openai": "importing it takes a second, which only those pay who open such a driver",
}

VAGUE_MODULES = {"utils", "util", "common", "core", "helpers", "helper", "misc", "base", "services"}
VAGUE_CLASSES = re.compile(r".(Manager|Handler|Processor|Helper|Base|Impl)$")

# The brackets keep these patterns from finding themselves.
UNFINISHED = re.compile(r"\b([T]ODO|[F]IXME|[X]XX|[H]ACK)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}-])/(home|Users|root|work)/[A-Za-z]")
REGISTRY = re.compile(
    r"pypi\.org/simple|files\.pythonhosted\.org|registry\.npmjs\.org"
    r"|[\"']?(resolved|(extra-)?index-url|registry)[\"']? *[:=] *[\"']?https?:/",
)

BUILT = ROOT / "src" / "vox" / "runtime" / "client"
"""What `make web` makes; the sources of it are in web/."""
NOT_OURS = {"__pycache__", "node_modules", "dist", "build", "var"}
HIDDEN_BUT_OURS = {".ci", ".editorconfig", ".gitattributes", ".gitignore", ".pre-commit-config.yaml"}


def files(*endings: str, under: Path = ROOT) -> Iterator[Path]:
    for path in sorted(under.iterdir()):
        hidden = path.name.startswith(".") and path.name not in HIDDEN_BUT_OURS
        if hidden or path.name in NOT_OURS or path == BUILT or path.is_symlink():
            continue
        if path.is_dir():
            yield from files(*endings, under=path)
        elif not endings or path.suffix in endings:
            yield path


def modules(*folders: str) -> Iterator[tuple[str, str, ast.Module]]:
    """Name, text and syntax tree of every Python file in these folders."""
    for folder in folders:
        if (ROOT / folder).exists():
            for path in files(".py", under=ROOT / folder):
                yield path.relative_to(ROOT).as_posix(), *parsed(path)


@cache
def parsed(path: Path) -> tuple[str, ast.Module]:
    text = path.read_text(encoding="utf-8")
    return text, ast.parse(text)


def fail_if_any(rule: str, offenders: list[str]) -> None:
    if offenders:
        pytest.fail("\n  ".join([rule, *offenders]), pytrace=False)


def unexcused(offenders: dict[str, list[str]], excuses: dict[str, str]) -> list[str]:
    """What offends without an excuse, and excuses that nobody needs any more."""
    found = [line for name, lines in sorted(offenders.items()) if name not in excuses for line in lines]
    return found + [f"{name}: the exception in this file is no longer needed" for name in excuses.keys() - offenders]


def dotted_calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full name of every call on an imported name, aliases resolved."""
    origin: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            origin |= {(alias.asname or alias.name): alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            origin |= {(alias.asname or alias.name): f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition(".")
            if first in origin:
                yield node.lineno, f"{origin[first]}{dot}{rest}"


def imported_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The dotted names that a statement imports."""
    prefix = f"{node.module or ''}." if isinstance(node, ast.ImportFrom) else ""
    return [prefix + alias.name for alias in node.names]


def folder_of(name: str) -> str:
    """The folder or file of `src/vox` that a module lies in."""
    return name.split("/")[2]


def calls_matching(pattern: re.Pattern[str], *folders: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, _, tree in modules(*folders):
        for line, call in dotted_calls(tree):
            if pattern.fullmatch(call):
                found.setdefault(name, []).append(f"{name}:{line} calls {call}")
    return found


def test_the_arrows_between_folders_point_down():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_parts_have_no_circle_and_no_arrow_back_up():
    counted = structure.measure(ROOT)
    fail_if_any("import circles:", [" ".join(one) for one in counted.circles])
    fail_if_any("arrows back up:", [str(arrow) for part in counted.parts.values() for arrow in part.back_up])
    fail_if_any("rooms without a place:", [room for part in counted.parts.values() for room in part.unplaced])
    assert counted.repeated["parses a bearer token"], "the one parser is not recognised, so a second would not be"
    fail_if_any("a second bearer parser:", [str(one) for one in counted.repeated["parses a bearer token"][1:]])
    fail_if_any(
        "a second grouping of addresses:", [str(one) for one in counted.repeated["groups a client's address"][1:]]
    )


def test_the_benchmarks_import_what_exists():
    missing = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.module}.{one.name}"
        for path in sorted((ROOT / "bench").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("vox.")
        for one in node.names
        if not is_importable(str(node.module), one.name)
    ]
    fail_if_any("imports of bench that do not exist:", missing)


def is_importable(module: str, name: str) -> bool:
    """Whether `from module import name` works."""
    try:
        return hasattr(importlib.import_module(module), name) or bool(importlib.import_module(f"{module}.{name}"))
    except ImportError:
        return False


def test_no_module_is_too_long_to_keep_in_mind():
    long = {
        name: [f"{name}: {count} lines"]
        for name, text, _ in modules("src", "tests", "bench")
        if (count := len(text.splitlines())) > LONGEST_MODULE
    }
    fail_if_any(f"over {LONGEST_MODULE} lines; what is the second thing in it?", unexcused(long, LONGER_MODULES))


def test_an_import_for_types_only_has_its_reason():
    found: dict[str, list[str]] = {}
    for name, _, tree in modules("src"):
        for block in ast.walk(tree):
            if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING"):
                for node in block.body:
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        kind = f"{folder_of(name)} of {imported_names(node)[0].partition('.')[0]}"
                        found.setdefault(kind, []).append(f"{name}:{node.lineno}: {ast.unparse(node)}")
    fail_if_any("import it as usual; is it a circle?", unexcused(found, TYPE_ONLY_IMPORTS))


def test_every_module_says_what_it_is_for():
    silent = [
        name
        for name, text, tree in modules("src")
        if text.strip() and not name.endswith("__init__.py") and not ast.get_docstring(tree)
    ]
    fail_if_any("no docstring at the top:", silent)


def test_every_module_can_be_imported():
    _, failures = reference.import_everything()
    fail_if_any("modules that do not import:", failures)


@pytest.mark.parametrize(
    ("page", "declared"),
    [
        ("settings.md", reference.declared_settings),
        ("metrics.md", reference.declared_metrics),
        ("errors.md", reference.declared_errors),
    ],
)
def test_the_operators_reference_is_complete(page: str, declared: Callable[[], list[reference.Row]]):
    _, failures = reference.import_everything()
    fail_if_any("cannot be compared before every module imports:", failures)
    fail_if_any("`make docs-reference` prints these rows:", reference.differences(page, declared()))


def test_error_codes_are_lower_snake_case():
    codes = [row.key for row in reference.declared_errors()]
    fail_if_any("codes are lower_snake_case:", [code for code in codes if not re.fullmatch(r"[a-z][a-z0-9_]+", code)])


def test_links_between_documents_lead_somewhere():
    broken = [
        f"{page.relative_to(ROOT)} → {target}"
        for page in files(".md")
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists()
    ]
    fail_if_any("links to nothing:", broken)


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    names = [re.split(r"[<>=;\[ ]", requirement)[0] for requirement in needed]
    _, _, reasons = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## Dependencies")
    first_cells = "\n".join(line.split("|")[1] for line in reasons.splitlines() if line.startswith("|"))
    missing = [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", first_cells)]
    fail_if_any("ARCHITECTURE.md, Dependencies, gives no reason for:", missing)


def test_nothing_names_a_machine_or_a_registry():
    found: list[str] = []
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if f"{ROOT}/" in line or MACHINE_PATH.search(line) or REGISTRY.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    fail_if_any("paths of one machine, or addresses of a package registry:", found)


def test_nothing_is_left_unfinished():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files(".py", ".md", ".html", ".js", ".css", ".toml", ".yaml", ".yml")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    fail_if_any("finish it, or put it into the issue tracker:", found)


def test_packages_run_nothing_when_imported():
    found: list[str] = []
    for name, _, tree in modules("src"):
        if name.endswith("__init__.py"):
            for node in tree.body:
                docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                exports = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"__all__", "__version__"}
                if not (docstring or exports or isinstance(node, ast.Import | ast.ImportFrom)):
                    found.append(f"{name}:{node.lineno}")
    fail_if_any("an __init__.py is empty or a deliberate export list:", found)


def test_names_say_what_a_thing_is():
    found: list[str] = []
    for name, _, tree in modules("src"):
        vague = VAGUE_MODULES & set(Path(name).with_suffix("").parts)
        found += [f"{name}: {part}" for part in vague]
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        found += [f"{name}:{node.lineno}: class {node.name}" for node in classes if VAGUE_CLASSES.search(node.name)]
    fail_if_any("a name that could be anything's:", found)


def test_texts_say_who_they_mean():
    found: list[str] = []
    excused: dict[str, list[str]] = {}
    on_the_wire: set[str] = set()
    for name, _, tree in modules("src"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value in ARCHAIC_ON_THE_WIRE:
                on_the_wire.add(str(node.value))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                lines = [f"{name}:{node.lineno}: {word}" for word in ARCHAIC.findall(node.value)]
                (excused.setdefault(name, []) if name in PHRASES_OF_CALLERS else found).extend(lines)
    fail_if_any("name the person's role, or say they:", found)
    fail_if_any("exceptions:", unexcused({name: lines for name, lines in excused.items() if lines}, PHRASES_OF_CALLERS))
    fail_if_any("no longer on the wire:", sorted(ARCHAIC_ON_THE_WIRE.keys() - on_the_wire))


def test_identifiers_are_the_fields_words():
    found: list[str] = []
    for name, _, tree in modules("src"):
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef(name=given) | ast.AsyncFunctionDef(name=given) | ast.ClassDef(name=given):
                    named = given
                case ast.Name(id=given, ctx=ast.Store()) | ast.Attribute(attr=given, ctx=ast.Store()):
                    named = given
                case ast.arg(arg=given):
                    named = given
                case _:
                    continue
            if {word.lower() for word in re.findall(r"[A-Z]?[a-z]+", named)} & METAPHORS:
                found.append(f"{name}:{node.lineno}: {named}")
    fail_if_any("take the standard term:", found)


def test_few_files_lie_beside_the_folders_of_a_part():
    flat = [
        f"{part}: {len(found)} files"
        for part in PARTS
        if len(found := list((ROOT / "src" / "vox" / part).glob("*.py"))) > MOST_FILES_AT_A_PARTS_ROOT
    ]
    fail_if_any(f"more than {MOST_FILES_AT_A_PARTS_ROOT}; which folder do they belong to?", flat)


def test_every_pure_module_has_tests_of_its_own():
    """`make coverage` shows what they reach."""
    alone = {
        name: [f"{name}: no {branch_coverage.TESTS.relative_to(ROOT)}/…/test_{module.stem}.py"]
        for module in branch_coverage.pure_modules()
        if not branch_coverage.own_tests(module) and (name := module.relative_to(ROOT).as_posix())
    }
    fail_if_any("a pure module without a test file at its path:", unexcused(alone, NO_OWN_TESTS))


def test_time_and_chance_come_in_as_arguments():
    found = calls_matching(CLOCK_CALLS, "src")
    fail_if_any("take a Clock or a Random instead:", unexcused(found, MAY_READ_THE_CLOCK))


def test_only_settings_and_commands_read_the_environment():
    found: dict[str, list[str]] = {}
    for name, _, tree in modules("src"):
        if name.endswith("/settings.py") or name.startswith("src/vox/cli/"):
            continue
        set_for_a_library = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)
        }
        for node in set(ast.walk(tree)) - set_for_a_library:
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.environb"}:
                found.setdefault(name, []).append(f"{name}:{node.lineno}: {ast.unparse(node)}")
    fail_if_any("pass the value in:", unexcused(found, MAY_READ_THE_ENVIRONMENT))


def test_a_broad_except_gives_its_reason():
    found: list[str] = []
    for name, text, tree in modules("src"):
        lines = text.splitlines()
        for node in ast.walk(tree):
            if not isinstance(node, ast.ExceptHandler) or isinstance(node.body[-1], ast.Raise):
                continue  # what ends in a raise swallows nothing
            caught = (
                {ast.unparse(kind) for kind in ast.walk(node.type) if isinstance(kind, ast.Name)}
                if node.type
                else set()
            )
            if node.type is not None and not caught & {"Exception", "BaseException"}:
                continue
            around = " ".join(lines[max(0, node.lineno - 3) : node.lineno + 1])
            reason = re.sub(r"noqa: [A-Z0-9, ]+", "", " ".join(re.findall(r"#(.*)", around)))
            if len(re.findall(r"[a-z]{2,}", reason)) < 3:
                found.append(f"{name}:{node.lineno}: {lines[node.lineno - 1].strip()}")
    fail_if_any("only at a task's or connection's top, with a comment that says so:", found)


def test_tests_import_no_tests():
    """A test module that others import cannot be renamed, split or run in another order without them."""
    found = [
        f"{name}:{node.lineno}: {ast.unparse(node)}"
        for name, _, tree in modules("tests", "bench", "src")
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        if any(part.startswith("test_") for imported in imported_names(node) for part in imported.split("."))
    ]
    fail_if_any("move what is shared into a harness.py or helpers_*.py beside them:", found)


def test_unit_tests_do_not_wait():
    found: list[str] = []
    for name, _, tree in modules("tests/unit"):
        for node in virtual_time.on_real_time(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"asyncio.sleep", "time.sleep"}:
                value = node.args[0]
                if isinstance(value, ast.Constant) and value.value:
                    found.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
    fail_if_any("use tests.fakes.clock, or the fixture virtual_loop:", found)


def test_limits_on_real_time_are_scaled():
    """A number of seconds written down in a test is a guess about the machine; tests/time_limits.py makes all of them."""
    found: list[str] = []
    for name, _, tree in modules("tests/unit", "tests/contract", "tests/e2e", "tests/fakes"):
        for node in virtual_time.on_real_time(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                limits = [keyword.value for keyword in node.keywords if keyword.arg == "timeout"]
                limits += node.args[:1] if called == "asyncio.timeout" else []
                limits += node.args[1:2] if called == "asyncio.wait_for" else []
                if any(isinstance(limit, ast.Constant) and limit.value for limit in limits):
                    found.append(f"{name}:{node.lineno}: {ast.unparse(node)[:100]}")
    fail_if_any("use time_limit(), WAIT_S or scaled() of tests.time_limits:", found)
