import re
from importlib.resources import files
from pathlib import Path

import pytest

from vox.clients.evals.loading import load_files, read_scenarios
from vox.clients.evals.scenario import ModelScenario, Scenario
from vox.errors import UsageError

FOLDER = Path("suite")
ONE = "name: a\nturns:\n  - say: hello\n"
DOCS = Path(__file__).parents[4] / "docs" / "how-to" / "test-your-agent.md"


def read(text: str, overrides=None):
    return read_scenarios(text, "s.yaml", FOLDER, overrides)


def refusal(text: str, overrides=None) -> str:
    with pytest.raises(UsageError) as error:
        read(text, overrides)
    assert error.value.code == "bad_scenario"
    return str(error.value)


def test_a_file_is_one_scenario_or_a_list_or_has_defaults():
    defaults = (
        "defaults: {agent: desk, timeout_s: 9}\nscenarios:\n  - name: b\n    timeout_s: 5\n    turns: [{press: 1}]\n"
    )
    assert [one.name for one in [*read(ONE), *read("- name: c\n  turns: [{say: x}]\n")]] == ["a", "c"]
    [one] = read(defaults)
    assert isinstance(one, Scenario)
    assert (one.agent, one.timeout_s, one.turns[0].press) == ("desk", 5.0, "1")


def test_texts_may_stand_alone_and_numbers_for_texts():
    [one] = read(
        "name: a\ntransport: ws\nturns:\n  - say: 12\n    expect: {contains: 9, not: [x, y]}\nexpect: {interruptions: 2}\n"
    )
    assert isinstance(one, Scenario)
    expect = one.turns[0].expect
    assert (one.turns[0].say, expect.contains, expect.excludes) == ("12", ("9",), ("x", "y"))
    assert one.expect.interruptions is not None
    assert (one.expect.interruptions.min, one.expect.interruptions.max) == (2, 2)


def test_recordings_are_looked_for_beside_the_file():
    [one] = read("name: a\ntransport: ws\nturns: [{audio: q.wav}, {audio: /srv/q.wav}]\n")
    assert isinstance(one, Scenario)
    assert [turn.audio for turn in one.turns] == [FOLDER / "q.wav", Path("/srv/q.wav")]


def test_an_entry_with_a_prompt_asks_the_model_alone():
    [one] = read('[{"name": "a", "prompt": "hi", "expected_pattern": "^a+$", "timeout_secs": 3}]')
    assert one == ModelScenario(name="a", prompt="hi", expected_pattern="^a+$", timeout_secs=3)
    assert read('{"scenarios": [{"name": "a", "prompt": "x"}]}', {"transport": "ws"}) != []


def test_an_override_wins_over_the_file():
    [one] = read(ONE + "transport: twilio\n", {"transport": "ws"})
    assert isinstance(one, Scenario)
    assert one.transport == "ws"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nturns:\n  - say: x\n    expcet: {}\n", "line 4: turns.0.expcet: this key is not known here; did you mean expect?"),
        ("turns: [{say: x}]\n", "line 1: name: this key is missing"),
        ("name: a\n", "line 1: a scenario has either turns or a caller"),
        ("name: a\nturns: [{say: x}]\ncaller: {goal: y}\n", "either turns or a caller"),
        ("name: a\nturns:\n  - say: x\n    press: 1\n", "line 3: turns.0: a turn has exactly one of"),
        ("name: a\nturns: [{press: 1a}]\n", "names keys that a telephone does not have"),
        ("name: a\nturns:\n- say: x\n  expect:\n    matches: '(('\n", "line 5: turns.0.expect.matches.0: is not a regular"),
        ("name: a\ntransport: pigeon\nturns: [{say: x}]\n", "line 2: transport: is not a transport"),
        ("name: a\nturns: [{say: x, barge_in_s: 1}]\n", "need a spoken call: set transport to ws"),
        ("name: a\ntransport: twilio\nturns: [{say: x}]\nexpect: {max_tokens: 5}\n", "shows neither tools nor tokens"),
        ("name: a\ntransport: telnyx\nturns: [{say: x, expect: {no_tools: t}}]\n", "shows neither tools nor tokens"),
        ("name: a\nturns: [{say: x}]\nexpect: {max_cost: 5}\n", "max_cost needs prices"),
        ("name: a\ntransport: ws\nturns: [{say: x, expect: {silenced_within_s: 1}}]\n", "of a turn with barge_in_s"),
        ("name: a\ntransport: ws\nturns: [{press: 1, barge_in_s: 1}]\n", "barge_in_s goes with say or audio"),
        ("name: a\ntimeout_s: 9999\nturns: [{say: x}]\n", "line 2: timeout_s: Input should be less than or equal to 600"),
        ("defaults: {agnet: x}\nscenarios:\n- name: a\n  turns: [{say: x}]\n", "line 1: agnet: this key is not known"),
        ("defaults: 3\nscenarios: []\n", "line 1: defaults is a mapping"),
        ("scenarios: []\nmore: 1\n", "line 2: beside scenarios there is only defaults"),
        ("scenarios: []\n", "there is no scenario here"),
        ("[]", "there is no scenario here"),
        ("hello", "there is no scenario here"),
        ("- 3\n", "line 1: a scenario is a mapping"),
        ("", "there is no scenario here"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_line_and_remedy(text: str, said: str):
    message = refusal(text)
    assert message.startswith("s.yaml, line ")
    assert said in message


def test_an_override_that_does_not_fit_is_refused_with_the_scenarios_line():
    text = "- name: a\n  transport: ws\n  turns: [{say: x}, {say: y, barge_in_s: 1}]\n"
    assert "line 1: audio, barge_in_s" in refusal(text, {"transport": "typed"})


def test_many_problems_are_counted():
    assert "and 2 more" in refusal(
        "name: a\n" + "".join(f"k{number}: 1\n" for number in range(7)) + "turns: [{say: x}]\n"
    )


def test_a_folder_stands_for_its_files_and_names_are_unique(tmp_path: Path):
    (tmp_path / "b.yml").write_text(ONE.replace("name: a", "name: b"))
    (tmp_path / "a.yaml").write_text(ONE)
    (tmp_path / "notes.txt").write_text("no scenario")
    assert [one.name for one in load_files([tmp_path])] == ["a", "b"]
    with pytest.raises(UsageError, match=r"a scenario named 'a' is in .* already"):
        load_files([tmp_path, tmp_path / "a.yaml"])


def test_what_cannot_be_opened_is_named(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff\n")
    for path, said in (
        ("none.yaml", "No such file"),
        ("latin.yaml", "not UTF-8"),
        ("empty", "there is no scenario file in"),
    ):
        with pytest.raises(UsageError, match=said):
            load_files([tmp_path / path])


def test_the_suites_of_the_demo_agents_and_the_examples_of_the_page_load(tmp_path: Path):
    suites = [Path(str(path)) for path in files("vox.agent.config").iterdir() if path.name.endswith(".evals.yaml")]
    assert {one.agent for one in load_files(suites) if isinstance(one, Scenario)} == {"bistro", "reception"}
    examples = re.findall(r"```(?:yaml|json)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len([one for text in examples for one in read(text)]) >= 5
