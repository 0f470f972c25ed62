"""Every answer, frame and metric name of chat, agent and directory is what was recorded.

How a recording is taken, and what is not compared, stands in `tests/e2e/wire_recording/__main__.py` and `comparison.py`.
"""

import copy
import re
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.wire_recording.comparison import differences
from tests.e2e.wire_recording.recording import FOLDER, MAX_BYTES, Recording, load
from tests.e2e.wire_recording.scenes import SCENES
from tests.e2e.wire_recording.values import Values

VOX = Path(sys.executable).parent / "vox"
SCENES_AT_ONCE = 2
NO_SUCCESS = {
    "POST /api/v1/embeds/resolve": "asks the network",
    "GET /api/v1/gifs/search": "asks the network",
    "GET /api/v1/gifs/trending": "asks the network",
}
"""Chat routes whose success cannot be recorded without a network."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "Future[list[Recording]]"]]:
    """The scenes that are tested, run a few at a time while the first is waited for."""
    names = {item.callspec.params["scene"] for item in request.session.items if hasattr(item, "callspec") and "scene" in item.callspec.params}  # type: ignore[attr-defined]
    with ThreadPoolExecutor(SCENES_AT_ONCE) as pool:
        yield {
            name: pool.submit(run, VOX, tmp_path_factory.mktemp(name)) for name, run in SCENES.items() if name in names
        }


@pytest.mark.parametrize("scene", SCENES)
def test_everything_on_the_wire_is_as_recorded(scene: str, runs: dict[str, "Future[list[Recording]]"]) -> None:
    found = [
        one
        for recording in runs[scene].result()
        for one in differences(recording.name, load(recording.name), recording.entries)
    ]
    assert not found, "\n".join(map(str, found))
