import argparse
from types import SimpleNamespace

import pytest

from vox.cli import bench
from vox.errors import UsageError


def parse(*argv):
    parser = argparse.ArgumentParser()
    bench.register(parser.add_subparsers(dest="command"))
    return parser.parse_args(["bench", "calls", *argv])


@pytest.mark.parametrize(
    "argv",
    [
        ["--calls", "0"],
        ["--seconds", "0"],
        ["--url", "http://localhost/"],
        ["--url", "ws://localhost/ws", "--find-capacity"],
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_starts(argv):
    with pytest.raises(UsageError):
        bench.run(parse(*argv))


def test_modes_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        parse("--find-capacity", "--overload", "2")
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("playout_lead_ms=40", ("playout_lead_ms", 40)),
        ("adaptive_limit=true", ("adaptive_limit", True)),
        ("vad_type=energy", ("vad_type", "energy")),
        ('llm_options={"delay_s": 0.1}', ("llm_options", {"delay_s": 0.1})),
    ],
)
def test_settings_keep_their_types(text, setting):
    assert bench._setting(text) == setting


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(UsageError):
        bench._setting("adaptive_limit")


@pytest.mark.parametrize(("doubts", "code"), [([], 0), (["the load generator itself was late"], 1)])
async def test_a_measurement_that_is_not_valid_is_no_success(monkeypatch, doubts, code):
    result = SimpleNamespace(is_clean=True, doubts=lambda: doubts)

    async def point(*_):
        return result

    monkeypatch.setattr(bench, "_point", point)
    monkeypatch.setattr(bench, "_print", lambda *_, **__: None)
    assert await bench._run(parse("--calls", "1")) == code
