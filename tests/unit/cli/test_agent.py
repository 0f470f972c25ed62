import argparse
from collections.abc import Sequence
from pathlib import Path

import pytest

from vox.cli import agent


@pytest.mark.parametrize("has_file", [True, False])
def test_who_starts_without_a_configuration_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has_file: bool):
    told: list[str] = []

    async def serve(_settings: object, _environment: object, *, warnings: Sequence[str]) -> int:
        told.extend(warnings)
        return 0

    monkeypatch.setattr(agent, "serve_agent", serve)
    monkeypatch.delenv("VOXRAY_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    if has_file:
        (tmp_path / "config.json").write_text("{}")
    parser = argparse.ArgumentParser()
    agent.register(parser.add_subparsers(dest="command"))
    assert agent.run(parser.parse_args(["agent"])) == 0
    assert (agent.NO_FILE in told) is not has_file
