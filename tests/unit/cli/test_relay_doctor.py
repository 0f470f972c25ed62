from pathlib import Path
from typing import Any

import pytest

from vox.cli import relay_doctor
from vox.cli.doctor import Finding
from vox.relay.settings import RelaySettings, load

SECRET = "0123456789abcdef0123456789abcdef"


def settings(**overrides: Any) -> RelaySettings:
    return load(None, {"VOX_RELAY_API_KEY": "k", "VOX_RELAY_API_SECRET": SECRET}, overrides).settings


def by_check(environment: dict[str, str]) -> dict[str, Finding]:
    return {finding.check: finding for finding in relay_doctor.examine_relay(environment)}


def test_without_a_relay_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    found = by_check({})
    assert found["relay"].status == "off"
    assert found["media engine"].status in {"ok", "off"}


def test_settings_that_cannot_work_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    found = by_check({"VOX_RELAY_API_KEY": "k", "VOX_RELAY_API_SECRET": "short"})["relay"]
    assert found.status == "fail"
    assert "32 characters" in found.detail


def test_small_socket_buffers_are_said_with_the_remedy(tmp_path: Path):
    file = tmp_path / "rmem_max"
    file.write_text("212992\n")
    found = relay_doctor.check_socket_buffers(file)
    assert found.status == "warn"
    assert "sysctl" in found.remedy
    file.write_text("8388608\n")
    assert relay_doctor.check_socket_buffers(file).status == "ok"


def test_without_a_public_address_the_way_there_is_not_tried():
    [found] = relay_doctor.check_path(settings())
    assert found.status == "off"
