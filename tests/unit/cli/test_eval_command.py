import json
from pathlib import Path

import pytest

from vox.cli.eval import DEMO_SUITES
from vox.cli.main import main

SCENARIO = "name: a\nturns: [{say: hello}]\n"
CONFIG = {
    "stt_provider": "fake",
    "llm_provider": "fake",
    "tts_provider": "fake",
    "llm_options": {"responses": ["Paris"]},
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agent.json").write_text(json.dumps(CONFIG))
    (tmp_path / "a.yaml").write_text(SCENARIO)
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        ([], "bad_eval_arguments"),
        (["a.yaml", "--jobs", "0"], "bad_eval_arguments"),
        (["a.yaml", "--jobs", "65"], "bad_eval_arguments"),
        (["a.yaml", "--scenario", "b"], "bad_eval_arguments"),
        (["a.yaml"], "bad_eval_arguments"),
        (["a.yaml", "--url", "http://h", "--header", "x"], "bad_header"),
        (["none.yaml"], "bad_scenario"),
        (["a.yaml", "--transport", "pigeon"], "bad_scenario"),
        (["a.yaml", "--url", "http://h", "--out-dir", "a.yaml"], "eval_unwritable"),
    ],
    ids=" ".join,
)
def test_wrong_input_is_refused_before_anything_runs(argv: list[str], code: str, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", *argv]) == 2
    assert f"[{code}]" in capsys.readouterr().err


def questions(folder: Path, *entries: dict[str, str]) -> list[str]:
    (folder / "questions.json").write_text(json.dumps(entries))
    return ["eval", "-config", "questions.json", "-voxray-config", "agent.json", "-out-dir", "out"]


def test_the_model_alone_is_asked_and_the_reports_are_there(here: Path, capsys: pytest.CaptureFixture[str]):
    argv = questions(here, {"name": "capital", "prompt": "p", "expected_contains": "paris"})
    assert main([*argv, "-v"]) == 0
    assert "1 of 1 scenarios passed" in capsys.readouterr().out
    [result] = json.loads((here / "out" / "results.json").read_text())
    assert (result["name"], result["pass"], result["output"]) == ("capital", True, "Paris")
    assert sorted(path.name for path in (here / "out").iterdir()) == ["junit.xml", "report.html", "results.json"]


def test_one_that_fails_makes_the_exit_code(here: Path, capsys: pytest.CaptureFixture[str]):
    argv = questions(
        here,
        {"name": "capital", "prompt": "p", "expected_contains": "rome"},
        {"name": "other", "prompt": "p", "expected_pattern": "^PARIS$"},
    )
    assert main(argv) == 1
    assert main([*argv, "-scenario", "other"]) == 0
    assert "FAILED  capital" in capsys.readouterr().out


def test_the_demo_agents_have_suites(here: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", "--demo", "--scenario", "there is none"]) == 2
    said = capsys.readouterr().err
    assert len(DEMO_SUITES) == 2
    assert "book a table" in said
    assert "leave a message" in said
