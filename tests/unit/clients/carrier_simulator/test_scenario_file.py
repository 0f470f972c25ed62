import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.clients.carrier_simulator.behaviour import (
    AfterStream,
    AnsweredBy,
    ApiFault,
    Beep,
    Behaviour,
    CallbackFaults,
    EndCall,
    Listen,
    Outcome,
    PlayFile,
    PressKeys,
    SayText,
    Silence,
    StreamFaults,
)
from vox.clients.carrier_simulator.carriers.exotel import Flow
from vox.clients.carrier_simulator.scenario import Rule, Scenario
from vox.clients.carrier_simulator.scenario_file import MAX_BYTES, load_scenario, parse_rule, parse_scenario
from vox.errors import UsageError

WHOLE = """\
calls_per_second: {twilio: 1}
calls_per_minute: {exotel: 200}
telnyx_webhook_url: http://127.0.0.1:8100/telnyx
exotel_flows:
  "42": {url: ws://127.0.0.1/media, loops: true}
default: {ring_secs: 1}
rules:
  - to: "+1555*1"
    outcome: busy
    transfer: no_answer
    transfer_secs: 3
  - to: "+1555*2"
    answered_by: machine
    detection_secs: 0.2
    greeting_secs: 4
    hangs_up_after_secs: 30
    api: timeout_after_dialling
    api_delay_secs: 5
    callee:
      - say: you have reached the bakery
      - beep
      - beep: 0.2
      - wait: 1
      - listen: 2
      - listen: {silence_secs: 1, timeout_secs: 20}
      - play: bye.wav
      - press: "12#"
      - press: 3
      - hang_up
    callbacks: {delay_secs: 1, copies: 2, reversed: true, retries: 1, retry_secs: 2}
    stream: {cut_after_secs: 3, after_refused: end, after_lost: end, keeps_buffer: true}
"""


def test_every_key_of_a_scenario_is_read():
    scenario = parse_scenario(WHOLE.encode(), "s.yaml", folder=Path("sounds"))
    assert scenario == Scenario(
        [
            Rule("+1555*1", Behaviour(Outcome.BUSY, transfer=Outcome.NO_ANSWER, transfer_s=3.0)),
            Rule(
                "+1555*2",
                Behaviour(
                    answered_by=AnsweredBy.MACHINE,
                    detection_s=0.2,
                    greeting_s=4.0,
                    hangs_up_after_s=30.0,
                    api=ApiFault.TIMEOUT_AFTER_DIALLING,
                    api_delay_s=5.0,
                    callee=[
                        SayText("you have reached the bakery"),
                        Beep(),
                        Beep(0.2),
                        Silence(1.0),
                        Listen(2.0),
                        Listen(1.0, 20.0),
                        PlayFile(Path("sounds/bye.wav")),
                        PressKeys("12#"),
                        PressKeys("3"),
                        EndCall(),
                    ],
                    callbacks=CallbackFaults(1.0, 2, is_reversed=True, retries=1, retry_s=2.0),
                    stream=StreamFaults(3.0, AfterStream.END, AfterStream.END, keeps_buffer=True),
                ),
            ),
        ],
        Behaviour(ring_s=1.0),
        {"twilio": 1.0},
        {"exotel": 200},
        "http://127.0.0.1:8100/telnyx",
        {"42": Flow("ws://127.0.0.1/media", loops=True)},
    )


def test_a_scenario_may_be_json_and_empty_ones_are_the_default():
    rules = json.dumps({"rules": [{"to": "*", "outcome": "busy"}]}, indent="\t")
    assert parse_scenario(rules.encode(), "s.json").behaviour_of("+1").outcome is Outcome.BUSY
    for empty in ("", "{}", "rules:\ndefault:\n"):
        assert parse_scenario(empty.encode(), "s.yaml") == Scenario([])
    assert parse_rule(b'{"to": "+1", "outcome": "busy"}', "rule") == Rule("+1", Behaviour(Outcome.BUSY))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules:\n  - to: '*'\n    rng_secs: 3", "s.yaml, line 3: unknown key 'rng_secs'; did you mean ring_secs?"),
        ("nothing_like_it: 1", "line 1: unknown key 'nothing_like_it'; it may be default, rules"),
        ("rules:\n  - outcome: busy", "line 2: a rule needs `to`"),
        ("rules:\n  - to: 15550100", "line 2: expected text, not 15550100; put it in quotes"),
        ("rules: 3", "line 1: expected a list"),
        ("rules:\n - 3", "line 2: expected keys and values"),
        ("default:\n  outcome: bussy", "line 2: 'bussy' is none of answer, busy"),
        ("default:\n  outcome: bussy", "did you mean busy?"),
        ("default:\n  answered_by: 7", "line 2: 7 is none of human, machine, screening, fax"),
        ("default:\n  ring_secs: soon", "line 2: expected seconds from 0 to 86400, not 'soon'"),
        ("default:\n  ring_secs: -1", "line 2: expected seconds"),
        ("default:\n  ring_secs: true", "line 2: expected seconds"),
        ("default:\n  ring_secs: .nan", "line 2: expected seconds"),
        ("default:\n  callee:\n    - sing: la", "line 3: unknown key 'sing'"),
        ("default:\n  callee:\n    - {say: a, wait: 1}", "line 3: a step is one of"),
        ("default:\n  callee:\n    - press: x", "line 3: 'x' contains keys that telephones do not have"),
        ("default:\n  callee:\n    - press: [1]", "line 3: [1] contains keys"),
        ("default:\n  callee:\n    - play: a.wav", "line 3: files can be played from a scenario file only"),
        ("default:\n  callbacks: {copies: 11}", "line 2: expected a whole number from 0 to 10, not 11"),
        ("default:\n  callbacks: {copies: true}", "line 2: expected a whole number"),
        ("default:\n  callbacks: {reversed: 1}", "line 2: expected true or false, not 1"),
        ("calls_per_second: {twilio: 0}", "line 1: expected a number above 0, not 0"),
        ("calls_per_second: {twilio: fast}", "line 1: expected a number above 0"),
        ("calls_per_second: {vonage: 1}", "line 1: unknown key 'vonage'"),
        ("exotel_flows: {a: {url: ftp}}", "line 1: an Exotel flow needs `url`"),
        ("default: {}\ndefault: {}", "line 2: the key 'default' is given twice"),
        ("rules: [", "s.yaml, line 1"),
        ("a: &a [*a]", "too deeply nested"),
        ("default: !!python/object:os.system x", "s.yaml, line 1: expected keys and values"),
        ("a: \x01", "s.yaml"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text, said):
    with pytest.raises(UsageError) as caught:
        parse_scenario(text.encode(), "s.yaml")
    assert caught.value.code == "bad_scenario"
    assert said in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        load_scenario(tmp_path / "none.yaml")
    file = tmp_path / "s.yaml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_scenario(file)
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(UsageError, match="longer than"):
        load_scenario(file)
    file.write_text("default: {callee: [{play: a.wav}]}")
    assert load_scenario(file).default.callee == [PlayFile(tmp_path / "a.wav")]


KEYS = st.sampled_from(["default", "rules", "to", "callee", "stream", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(KEYS, one, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_a_scenario_or_refused(value):
    with suppress(UsageError):
        parse_scenario(json.dumps(value).encode(), "s.json")
