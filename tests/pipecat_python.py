"""The Python with Pipecat that `.ci/pipecat` installs, and the services that are hosted with it."""

import os
from pathlib import Path
from typing import Any

from tests.reference import ROOT
from tests.require import require
from tests.time_limits import scaled

SERVICES = ROOT / "tests" / "fakes" / "pipecat_services"
PYTHON = Path(os.environ.get("VOX_TEST_PIPECAT_PYTHON") or ROOT / ".make" / "pipecat" / "bin" / "python")


def hosted(service: str, **options: Any) -> dict[str, Any]:
    """The options of a driver that hosts one of the played services; skips where there is no Pipecat."""
    require(PYTHON.exists(), "Pipecat in an environment of its own", "run .ci/pipecat")
    return {
        "service": f"played_services.{service}",
        "python": str(PYTHON),
        "folder": str(SERVICES),
        "open_timeout_s": scaled(60.0),
        **options,
    }
