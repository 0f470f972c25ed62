import json
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.e2e.certificates import certificate
from vox.agent.config.settings import AgentSettings
from vox.agent.config.settings import load as load_agent
from vox.cli import doctor
from vox.cli.doctor import Finding

STRANGERS = {"VOXRAY_CONFIG": "", "PATH": ""}


def test_each_extra_of_the_package_is_looked_for():
    extras = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    of_another_environment = {"pipecat"}
    assert {extra for _, _, extra in doctor.OPTIONAL_PACKAGES} == set(extras) - of_another_environment


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def test_without_a_configuration_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    settings, findings = doctor.check_configuration(None, STRANGERS)
    assert settings is None
    assert [finding.status for finding in findings] == ["off"]


def test_a_missing_file_that_was_asked_for_fails(tmp_path: Path):
    _, findings = doctor.check_configuration(tmp_path / "nowhere.json", STRANGERS)
    assert [finding.status for finding in findings] == ["fail"]
    assert "nowhere.json" in findings[0].detail


def test_a_wrong_value_is_named_with_its_remedy(tmp_path: Path):
    file = tmp_path / "config.json"
    file.write_text('{"port": "eighty"}')
    settings, [finding] = doctor.check_configuration(file, STRANGERS)
    assert settings is None
    assert finding.status == "fail"
    assert "port" in finding.detail
    assert "invalid_setting" in finding.detail
    assert finding.remedy


def test_the_environment_names_the_file_and_wins(tmp_path: Path):
    file = tmp_path / "other.json"
    file.write_text('{"port": 8081}')
    settings, findings = doctor.check_configuration(None, {"VOXRAY_CONFIG": str(file), "VOXRAY_PORT": "9000"})
    assert settings is not None
    assert settings.port == 9000
    assert findings[0] == Finding("configuration", "ok", str(file))


def test_each_warning_is_a_finding(tmp_path: Path):
    file = tmp_path / "config.json"
    file.write_text('{"gretting": "Hello", "host": "localhost"}')
    _, findings = doctor.check_configuration(file, STRANGERS)
    assert [finding.status for finding in findings] == ["ok", "warn"]
    assert "greeting" in findings[1].detail


def test_a_certificate_that_is_none_fails(tmp_path: Path):
    pem = tmp_path / "server.pem"
    pem.write_text("not a certificate")
    finding = doctor.check_certificate(str(pem), str(pem))
    assert finding.status == "fail"
    assert str(pem) in finding.detail


@pytest.mark.parametrize(("days", "status"), [(60, "ok"), (5, "warn"), (-1, "fail")])
def test_a_certificate_is_judged_by_what_is_left_of_it(days: int, status: str, tmp_path: Path):
    pair = certificate(tmp_path, begins_in_days=-90, ends_in_days=days)
    finding = doctor.check_certificate(str(pair.cert), str(pair.key))
    assert finding.status == status
    assert bool(finding.remedy) == (status != "ok")
    assert str(pair.cert) in finding.detail


@pytest.mark.parametrize(("limit", "calls", "status"), [(1024, 100, "ok"), (1024, 1000, "warn"), (256, 0, "warn")])
def test_the_limit_of_open_files_must_carry_the_calls(
    limit: int, calls: int, status: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("resource.getrlimit", lambda _: (limit, 1 << 20))
    finding = doctor.check_open_files(calls)
    assert finding.status == status
    assert bool(finding.remedy) == (status == "warn")


def test_what_is_not_installed_is_off_and_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "OPTIONAL_PACKAGES", (("no_such.package", "miracles", "wonder"), ("json", "text", "x")))
    monkeypatch.setattr("shutil.which", lambda _: None)
    found = by_check(list(doctor.check_optional_parts()))
    assert found["miracles"].status == "off"
    assert ".[wonder]" in found["miracles"].remedy
    assert found["text"].status == "ok"
    assert found["speech by flite"].status == "off"


def test_the_table_puts_the_remedy_below_and_counts():
    table = doctor.as_table([Finding("port", "fail", "in use", "stop it"), Finding("python", "ok", "3.11")])
    assert table.splitlines() == [
        "fail  port    in use",
        "              → stop it",
        "ok    python  3.11",
        "",
        "1 fail",
    ]
    assert doctor.as_table([Finding("python", "ok", "3.11")]).endswith("nothing to complain about")


def test_json_is_one_array_of_objects():
    assert json.loads(doctor.as_json([Finding("port", "fail", "in use", "stop it")])) == [
        {"check": "port", "status": "fail", "detail": "in use", "remedy": "stop it"}
    ]


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("off", 0), ("fail", 1)])
def test_only_a_failure_is_an_exit_code(status, code: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "examine", lambda *_: iter([Finding("port", status, "…")]))
    assert doctor.run(SimpleNamespace(config=None, json=False)) == code  # pyright: ignore[reportArgumentType]  a namespace


def settings_with(tmp_path: Path, **transcripts: object) -> AgentSettings:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"transcripts": {"enable": True, "driver": "sqlite", **transcripts}}))
    settings, _ = doctor.check_configuration(file, STRANGERS)
    assert settings is not None
    return settings


def test_the_database_of_transcripts_is_tried(tmp_path: Path):
    finding = doctor.check_transcripts(settings_with(tmp_path, dsn="t.db"))
    assert (finding.status, finding.detail) == ("ok", f"SQLite file {tmp_path / 't.db'}")


def test_a_database_of_transcripts_that_cannot_be_opened_fails(tmp_path: Path):
    (tmp_path / "folder.db").mkdir()
    finding = doctor.check_transcripts(settings_with(tmp_path, dsn="folder.db"))
    assert finding.status == "fail"
    assert "transcript_database_refused" in finding.detail


def test_where_recordings_go_is_checked_and_nothing_else_is_done(tmp_path: Path):
    settings = load_agent(None, {"VOXRAY_RECORDING_ENABLE": "true"}, {"folder": tmp_path}).settings
    assert doctor.check_recordings(settings, STRANGERS) == Finding(
        "recordings", "ok", f"stored in {tmp_path / 'recordings'}"
    )
    assert list((tmp_path / "recordings").iterdir()) == []
    (tmp_path / "recordings").rmdir()
    (tmp_path / "recordings").write_text("in the way")
    finding = doctor.check_recordings(settings, STRANGERS)
    assert finding.status == "fail"
    assert "recording.folder" in finding.remedy
    off = load_agent(None, {}).settings
    assert doctor.check_recordings(off, STRANGERS).status == "off"


@pytest.mark.parametrize(
    ("config", "status"),
    [({}, "ok"), ({"webrtc_udp_ports": "40000-40999"}, "ok"), ({"webrtc_udp_ports": "40000-40099"}, "warn")],
)
def test_webrtc_has_its_packages_and_ports_for_the_calls(config: dict[str, str], status: str):
    finding = doctor.check_webrtc(AgentSettings.model_validate({"transport": "both", **config}))
    assert (finding.status, bool(finding.remedy)) == (status, status == "warn")


def test_a_configuration_that_asks_for_webrtc_without_its_packages_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "config.json"
    file.write_text('{"transport": "both"}')
    fine = Finding("other", "ok", "")
    for check in ("check_port", "check_local_models", "check_models"):
        monkeypatch.setattr(doctor, check, lambda *_, **__: fine)
    monkeypatch.setattr(doctor, "check_providers", lambda *_: [])
    missing = ("vox.media.webrtc.no_such_driver", "Peer", "no_such_package")
    for driver in ("_NATIVE", "_AIORTC"):
        monkeypatch.setattr(f"vox.media.webrtc.contract.{driver}", missing)
    found = by_check(list(doctor.examine(file, STRANGERS)))
    assert found["webrtc"].status == "fail"
    assert "webrtc_not_installed" in found["webrtc"].detail
    file.write_text("{}")
    assert "webrtc" not in by_check(list(doctor.examine(file, STRANGERS)))
