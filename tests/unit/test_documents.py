"""The documents agree with the tree: links, the index, numbers, paths, and the words they may use.

Each test lists all offenders at once. What the operators' reference must contain is tested in test_house_rules.py.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reference import ROOT

DOCS = ROOT / "docs"
RESULTS = ROOT / "bench" / "results"
SOURCE = ROOT / "src" / "vox"
PARTS = ("agent", "chat", "directory", "relay")
AT_THE_TOP = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
ANSWER_ON_TIME_MS = 15.0
"""Added latency (p99) up to which the README counts a call as answered on time."""
LARGEST_PICTURE = 60_000

UNWANTED_WORDS = re.compile(
    r"\b(nobody|somebody|everybody|anybody|whoever|whom|he|him|his|himself|she|her|hers|herself|anew|shall)\b",
    re.IGNORECASE,
)

Table = list[dict[str, str]]


def pages() -> list[Path]:
    """Every document that people read."""
    return [*(ROOT / name for name in AT_THE_TOP), *sorted(DOCS.rglob("*.md")), *sorted((ROOT / "bench").rglob("*.md"))]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def section(page: Path, heading: str) -> str:
    """What stands below a heading, up to the next one of the same or a higher level."""
    level = heading.partition(" ")[0]
    _, found, rest = text_of(page).partition(f"\n{heading}\n")
    assert found, f"{page.name} has no heading {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def tables(text: str) -> Iterator[Table]:
    """The Markdown tables of a text, a row as its cells by column name."""
    rows: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip().strip("*") for cell in line.strip().strip("|").split("|")])
        elif rows:
            columns, _, *body = rows
            yield [dict(zip(columns, cells, strict=True)) for cells in body]
            rows = []


def first_number(cell: str) -> str:
    return re.findall(r"\d[\d,]*(?:\.\d+)?", cell)[0]


def row(table: Table, **wanted: str) -> dict[str, str]:
    """The only row whose cells begin so; column names are given with `_` for a space."""
    columns = {name.replace("_", " "): value for name, value in wanted.items()}
    found = [one for one in table if all(one[name].startswith(value) for name, value in columns.items())]
    assert len(found) == 1, (columns, found)
    return found[0]


def fail_if_any(rule: str, offenders: list[str]) -> None:
    if offenders:
        pytest.fail("\n  ".join([rule, *offenders]), pytrace=False)


def test_every_page_is_in_the_index():
    index = DOCS / "README.md"
    linked = {(DOCS / target).resolve() for target in re.findall(r"\]\(([^)#]+)", text_of(index))}
    missing = [page.relative_to(DOCS).as_posix() for page in sorted(DOCS.rglob("*.md")) if page != index]
    fail_if_any("docs/README.md has no row for:", [name for name in missing if (DOCS / name).resolve() not in linked])


def test_every_link_leads_to_a_file_and_a_heading():
    broken: list[str] = []
    for page in pages():
        for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
            if "://" in target or target.startswith("mailto:"):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists() or (anchor and anchor not in anchors(file)):
                broken.append(f"{page.relative_to(ROOT)} → {target}")
    fail_if_any("links to nothing:", broken)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_no_heading_of_a_page_occurs_twice():
    doubled = [
        f"{page.relative_to(ROOT)}: {heading}"
        for page in sorted(DOCS.rglob("*.md"))
        for heading, times in Counter(re.findall(r"^#+ .+$", text_of(page), flags=re.MULTILINE)).items()
        if times > 1
    ]
    fail_if_any("links cannot tell these headings apart:", doubled)


def test_the_readme_says_what_was_measured():
    measured = next(tables(section(ROOT / "README.md", "## Measured")))
    said = {one["On one core"]: (first_number(one["Vox"]), first_number(one["Peer"])) for one in measured}
    calls = next(tables(section(RESULTS / "calls.md", "## 8 kHz µ-law, Twilio Media Streams JSON")))
    on_time = [one for one in calls if one["server"] == "Vox" and one["point"] == "responsive" and is_on_time(one)]
    most = max(on_time, key=lambda one: int(one["calls"]))
    pipecat = row(calls, server="Pipecat", point="clean maximum")
    rest = next(tables(text_of(RESULTS / "chat.md").partition("\n## REST")[2]))
    gateway = next(tables(text_of(RESULTS / "chat.md").partition("\n## Gateway")[2]))
    lists = next(tables(text_of(RESULTS / "directory.md")))
    vox, peer = "Vox, SQLite NORMAL", "FastAPI"
    sockets = ({"server": "Vox"}, {"server": "Starlette"})
    assert said == {
        "Telephone calls with voice detection, answered on time": (most["calls"], pipecat["calls"]),
        "Memory of one of these calls": (most["MB / call"], pipecat["MB / call"]),
        "Authenticated GETs a second": tuple(
            row(rest, Server=server, Request="GET /users")["per second"] for server in (vox, peer)
        ),
        "Messages stored a second": tuple(
            row(rest, Server=server, Request="POST")["per second"] for server in (vox, peer)
        ),
        "Events delivered a second to 1,000 sockets": tuple(
            row(gateway, Server=one["server"], Events_per_tick="1")["deliveries per second"] for one in sockets
        ),
        "Relay lists a second, nearest 10 of 10,000": (
            row(lists, server="Vox", load="16")["lists / s"],
            row(lists, server="full scan, numpy", load="16")["lists / s"],
        ),
    }


def is_on_time(point: dict[str, str]) -> bool:
    return float(point["added p50 / p99 (ms)"].rpartition("/")[2]) <= ANSWER_ON_TIME_MS


def test_the_readme_shows_every_folder_of_the_source_in_the_order_of_imports():
    shown = re.findall(r"^\| \[`src/vox/(\w+)/`\]", text_of(ROOT / "README.md"), flags=re.MULTILINE)
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    contracts = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(one for one in contracts if one["type"] == "layers" and one["containers"] == ["vox"])["layers"]
    level = {name.strip(): depth for depth, names in enumerate(layers) for name in names.split("|")}
    assert Counter(shown) == Counter(folders)
    assert shown == sorted(shown, key=lambda name: level[name])


def test_every_task_of_the_list_has_a_path_that_exists():
    found = next(tables(section(ROOT / "CONTRIBUTING.md", "## Where is it?")))
    assert len(found) >= 20
    paths = [(one["Question"], re.findall(r"`([^`]+)`", one["Path"])) for one in found]
    fail_if_any("CONTRIBUTING.md has no path for:", [question for question, named in paths if not named])
    missing = [f"{question} {path}" for question, named in paths for path in named if not (ROOT / path).exists()]
    fail_if_any("CONTRIBUTING.md names paths that do not exist:", missing)


def test_the_paths_of_the_security_page_exist():
    named = re.findall(r"`(src/vox/[^`]+)`", text_of(ROOT / "SECURITY.md"))
    fail_if_any("SECURITY.md names:", [path for path in named if not (ROOT / path).exists()])


def test_the_traces_name_files_that_exist():
    traces = text_of(ROOT / "ARCHITECTURE.md").partition("## Dependencies")[0]
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", traces)
    assert len(named) > 30
    fail_if_any("ARCHITECTURE.md names:", [path for path in named if not (SOURCE / path).exists()])


@pytest.mark.parametrize("part", PARTS)
def test_the_architecture_lists_the_folders_of_each_part(part: str):
    listed = next(tables(section(ROOT / "ARCHITECTURE.md", f"### {part}")))
    shown = {name.strip("/") for one in listed for name in re.findall(r"`([^`]+)`", one["Folder"])}
    inside = {path.name for path in (SOURCE / part).iterdir() if path.name not in {"__init__.py", "__pycache__"}}
    assert shown == inside


def test_the_changelog_is_grouped():
    groups = re.findall(r"^### (.+)$", section(ROOT / "CHANGELOG.md", "## Unreleased"), flags=re.MULTILINE)
    order = ["Added", "Changed", "Fixed", "Security"]
    assert groups == [group for group in order if group in groups]
    assert re.findall(r"^## .+$", text_of(ROOT / "CHANGELOG.md"), flags=re.MULTILINE)[0] == "## Unreleased"


def test_the_glossary_gives_one_meaning_to_each_word():
    terms = [one["Term"] for table in tables(text_of(DOCS / "glossary.md")) for one in table]
    assert [term for term, times in Counter(terms).items() if times > 1] == []
    for table in tables(text_of(DOCS / "glossary.md")):
        in_table = [one["Term"].lower() for one in table]
        assert in_table == sorted(in_table)


def test_the_documents_use_plain_and_neutral_words():
    found: list[str] = []
    for page in pages():
        prose = text_of(page)
        if page.name == "CONTRIBUTING.md":
            prose = prose.replace(section(page, "## Messages and prose"), "")  # it names the words to avoid
        prose = re.sub(r"^```.*?^```|`[^`\n]+`", "", prose, flags=re.MULTILINE | re.DOTALL)
        found += [f"{page.relative_to(ROOT)}: {word}" for word in UNWANTED_WORDS.findall(prose)]
    fail_if_any("write it plainly, see Messages and prose in CONTRIBUTING.md:", found)


def test_the_documents_cite_nothing_outside_the_tree():
    found = [
        f"{page.relative_to(ROOT)}: {match}"
        for page in pages()
        for match in re.findall(r"§ ?\d+|(?:the|our) specification|\bspecs?/\S+", text_of(page))
    ]
    fail_if_any("a reader has no such document:", found)


def test_nothing_tells_people_to_install_from_a_package_index():
    candidates = [*pages(), ROOT / "Makefile", *SOURCE.rglob("*.py")]
    candidates += [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in candidates
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if re.search(r"pip install .*vox-server", line)
    ]
    fail_if_any("Vox is on no package index; install from a checkout:", found)


def test_pictures_are_small():
    pictures = [path for path in DOCS.rglob("*") if path.suffix in {".png", ".webp", ".svg", ".gif", ".jpg"}]
    assert pictures
    fail_if_any(
        f"over {LARGEST_PICTURE} bytes:",
        [f"{path.relative_to(ROOT)}" for path in pictures if path.stat().st_size > LARGEST_PICTURE],
    )
