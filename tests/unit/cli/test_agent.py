import argparse
from collections.abc import Sequence
from pathlib import Path

import pytest

from vox.agent.config.settings import load
from vox.cli import agent
from vox.errors import UsageError


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
    assert _run() == 0
    assert (agent.NO_FILE in told) is not has_file


def _run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    agent.register(parser.add_subparsers(dest="command"))
    return agent.run(parser.parse_args(["agent", *argv]))


def test_a_configuration_to_begin_with_loads_without_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "my agent.json"
    assert _run("-init", "-config", str(file)) == 0
    assert f"vox agent --config '{file}'" in capsys.readouterr().out
    loaded = load(file, {})
    assert (list(loaded.warnings), loaded.settings.stage("llm")) == ([], "flow")


def test_a_configuration_that_is_there_is_never_overwritten(tmp_path: Path):
    file = tmp_path / "config.json"
    file.write_text("mine")
    with pytest.raises(UsageError) as caught:
        _run("--init", "--config", str(file))
    assert (caught.value.code, file.read_text()) == ("config_exists", "mine")
    with pytest.raises(UsageError) as caught:
        _run("--init", "--config", str(tmp_path / "missing" / "config.json"))
    assert caught.value.code == "config_unwritable"


def test_the_originals_flags_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    told: list[str] = []

    async def serve(_settings: object, _environment: object, *, warnings: Sequence[str]) -> int:
        told.extend(warnings)
        return 0

    monkeypatch.setattr(agent, "serve_agent", serve)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret")
    (tmp_path / "config.json").write_text("{}")
    config = str(tmp_path / "config.json")
    assert _run("-config", config, "-transport", "twilio", "-port", "0", "-proxy", "voice.example", "-dialin") == 0
    assert any(warning.startswith("dialin is set") for warning in told)
