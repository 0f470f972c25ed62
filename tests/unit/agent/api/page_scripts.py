"""The talk page's modules outside a browser: a script is run by node beside them and prints JSON."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import vox.agent
from tests.time_limits import WAIT_S

PAGE = Path(vox.agent.__file__).parent / "api" / "page"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")


def run_node(folder: Path, script: str) -> Any:
    """What the script prints, run in a copy of the page's folder."""
    assert NODE is not None
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    (folder / "package.json").write_text('{"type":"module"}')
    (folder / "script.js").write_text(script)
    done = subprocess.run([NODE, "script.js"], cwd=folder, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
