"""The list of other programs' vulnerabilities names tests that exist, and the pinned packages have the versions that were mended."""

import re

import pytest

from tests.structure import ROOT

CHECKLIST = ROOT / "docs" / "contributing" / "security-checklist.md"
MENDED = {"h11": "0.16.0", "pillow": "10.0.1", "python-multipart": "0.0.18", "starlette": "0.49.1"}
"""The first versions without CVE-2025-43859, CVE-2023-4863, CVE-2024-53981, CVE-2025-62727 and CVE-2025-54121."""


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def test_every_row_names_tests_that_exist():
    rows = [row for row in CHECKLIST.read_text().splitlines() if row.startswith("| ") and "| Vulnerability" not in row]
    assert len(rows) > 25
    there = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, row
        assert [name for name in named if f"def {name}(" not in there] == []


@pytest.mark.parametrize("file", ["run.txt", "dev.txt"])
def test_pinned_packages_have_the_mended_versions(file: str):
    pinned = dict(re.findall(r"^([\w.-]+)==([\d.]+)", (ROOT / "requirements" / file).read_text(), re.MULTILINE))
    assert {name for name, first in MENDED.items() if version(pinned[name]) < version(first)} == set()
