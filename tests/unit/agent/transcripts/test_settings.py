"""The keys of transcripts in every spelling of the documents, and what ends the start."""

import json
from pathlib import Path
from typing import Any

import pytest

from vox.agent.config.settings import load
from vox.errors import UsageError

DSN = "postgres://user:hunter2@host:5432/db?sslmode=require"


def loaded(folder: Path, config: dict[str, Any], environment: dict[str, str] | None = None) -> Any:
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    return load(file, environment or {})


@pytest.mark.parametrize(
    ("config", "environment"),
    [
        (
            {
                "transcripts.enable": True,
                "transcripts.driver": "postgres",
                "transcripts.dsn": DSN,
                "transcripts.table": "calls",
            },
            {},
        ),
        ({"transcripts": {"enable": True, "driver": "postgres", "dsn": DSN, "table_name": "calls"}}, {}),
        (
            {
                "transcripts": {"enable": True, "table": "calls"},
                "transcripts.driver": "postgres",
                "transcripts.dsn": DSN,
            },
            {},
        ),
        (
            {},
            {
                "VOXRAY_TRANSCRIPTS_ENABLE": "true",
                "VOXRAY_TRANSCRIPTS_DRIVER": "postgres",
                "VOXRAY_TRANSCRIPTS_DSN": DSN,
                "VOXRAY_TRANSCRIPTS_TABLE": "calls",
            },
        ),
    ],
)
def test_every_spelling_means_the_same(tmp_path: Path, config: dict[str, Any], environment: dict[str, str]):
    found = loaded(tmp_path, {"host": "localhost", **config}, environment)
    transcripts = found.settings.transcripts
    assert (transcripts.enable, transcripts.driver, transcripts.table_name) == (True, "postgres", "calls")
    assert transcripts.address(tmp_path).arguments["host"] == "host"
    assert found.warnings == []
    assert "hunter2" not in repr(found.settings)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"table": "calls; DROP TABLE users"}, "letters, digits and underscores"),
        ({"driver": "postgre"}, "did you mean postgres?"),
        ({"driver": ""}, "transcripts"),
        ({"dsn": ""}, "transcripts.dsn is empty"),
        ({"dsn": f"{DSN}&sslrootcrt=x"}, "did you mean sslrootcert?"),
        ({"dsn": DSN.replace("5432", "54x32")}, "port"),
        ({"queue_cap": 0}, "queue_cap"),
    ],
)
def test_a_mistake_ends_the_start_by_its_key_and_without_the_password(tmp_path: Path, wrong: dict[str, Any], told: str):
    config = {"enable": True, "driver": "postgres", "dsn": DSN, **wrong}
    if wrong == {"driver": ""}:
        config["dsn"] = "host=h password=hunter2"
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, {"transcripts": config})
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_what_is_off_may_be_wrong(tmp_path: Path):
    assert not loaded(tmp_path, {"transcripts": {"driver": "oracle", "dsn": "x"}}).settings.transcripts.enable
