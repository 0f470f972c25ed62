"""The blocks of the documents that describe how agents and call workers are deployed and scaled, each in a file as it is printed."""

import json
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent


def text(name: str) -> str:
    """A block as it is printed."""
    return (FOLDER / name).read_text(encoding="utf-8")


def configuration(name: str) -> dict[str, Any]:
    """A block of JSON."""
    found: dict[str, Any] = json.loads(text(name))
    return found


def variables(name: str) -> dict[str, str]:
    """A block of variables of the environment."""
    return dict(line.split("=", 1) for line in text(name).splitlines())


def manifests(name: str) -> list[dict[str, Any]]:
    """A block of YAML: its documents."""
    return [*yaml.safe_load_all(text(name))]
