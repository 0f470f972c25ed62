"""Settings: layers, wrong values, unknown keys, secrets."""

import json
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AliasChoices, Field, SecretStr, model_validator

from vox.errors import UsageError
from vox.runtime.settings import Env, Loaded, Settings, describe, load_settings


class Transcripts(Settings):
    enable: Annotated[bool, Env("T_ENABLE")] = False
    table_name: Annotated[str, Field(validation_alias=AliasChoices("table"))] = "call_transcripts"


class Voice(Settings):
    name: str = "anna"
    speed: float = 1.0


class Example(Settings):
    host: Annotated[str, Env("X_HOST", "HOST")] = ""
    port: Annotated[int, Field(ge=0, le=65535), Env("X_PORT", "PORT")] = 8080
    """Where to listen."""
    turn_stop_secs: Annotated[float, Env("X_TURN")] = 3.0
    json_logs: Annotated[bool, Env("X_JSON")] = False
    origins: Annotated[list[str] | None, Env("X_ORIGINS")] = None
    mode: Literal["a", "b"] = "a"
    server_api_key: Annotated[SecretStr | None, Env("X_KEY")] = None
    pin: Annotated[SecretStr | None, Field(min_length=4), Env("X_PIN")] = None
    api_keys: dict[str, str] = Field(default_factory=dict[str, str])
    transcripts: Transcripts = Transcripts()
    voices: list[Voice] = Field(default_factory=list[Voice])
    agents: dict[str, Voice] = Field(default_factory=dict[str, Voice])

    @model_validator(mode="after")
    def _consistent(self):
        if self.mode == "b" and self.port == 1:
            raise ValueError("mode b cannot use port 1; choose another port")
        return self


def load(tmp_path: Path, data=None, environment=None, overrides=None) -> Loaded[Example]:
    file = None
    if data is not None:
        file = tmp_path / "config.json"
        file.write_text(data if isinstance(data, str) else json.dumps(data))
    return load_settings(Example, file=file, environment=environment or {}, overrides=overrides or {})


def test_file_yields_to_environment_and_environment_to_the_command_line(tmp_path):
    data = {"port": 1, "host": "file", "turn_stop_secs": 1}
    settings = load(tmp_path, data, {"X_PORT": "2", "X_TURN": "2"}, {"port": 3}).settings
    assert (settings.port, settings.turn_stop_secs, settings.host) == (3, 2.0, "file")


def test_the_first_variable_that_is_set_wins_and_empty_ones_do_not_count(tmp_path):
    assert load(tmp_path, {}, {"X_PORT": "", "PORT": "9"}).settings.port == 9
    assert load(tmp_path, {}, {"X_PORT": " 7 ", "PORT": "9"}).settings.port == 7
    assert load(tmp_path, {"port": 5}, {"X_PORT": " "}).settings.port == 5


@pytest.mark.parametrize(("text", "value"), [("true", True), ("TRUE", True), ("1", True), ("yes", False), ("0", False)])
def test_a_variable_is_true_only_when_it_says_true_or_1(tmp_path, text, value):
    assert load(tmp_path, {"json_logs": not value}, {"X_JSON": text}).settings.json_logs is value


def test_an_empty_boolean_variable_leaves_the_file(tmp_path):
    assert load(tmp_path, {"json_logs": True}, {"X_JSON": ""}).settings.json_logs is True


def test_a_list_variable_is_split_at_commas(tmp_path):
    assert load(tmp_path, {}, {"X_ORIGINS": " a, b ,,"}).settings.origins == ["a", "b"]
    assert load(tmp_path, {}).settings.origins is None


def test_nested_and_dotted_keys_mean_the_same_and_the_environment_reaches_inside(tmp_path):
    assert load(tmp_path, {"transcripts": {"enable": True}}).settings.transcripts.enable
    both = load(tmp_path, {"transcripts.enable": True, "transcripts": {"table": "calls"}}, {}, {"api_keys.x": "k"})
    assert both.settings.transcripts.enable
    assert both.settings.transcripts.table_name == "calls"
    assert both.settings.api_keys == {"x": "k"}
    assert both.warnings == []
    mixed = load(tmp_path, {"transcripts": {"table_name": "c"}}, {"T_ENABLE": "1"}).settings.transcripts
    assert (mixed.enable, mixed.table_name) == (True, "c")


def test_null_means_not_set(tmp_path):
    assert load(tmp_path, {"port": None}, {}, {"host": None}).settings.port == 8080


def test_yaml_is_read_by_suffix(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("port: 4\nvoices:\n  - name: bob\n    speed: 2\n")
    settings = load_settings(Example, file=file, environment={}, overrides={}).settings
    assert settings.port == 4
    assert settings.voices == [Voice(name="bob", speed=2.0)]


def test_an_unknown_key_warns_with_the_nearest_spelling_and_comments_do_not(tmp_path):
    data = {"prot": 1, "_comment": "x", "zzz": 1, "transcripts": {"enabel": True}, "agents": {"a": {"nam": 1}}}
    warnings = load(tmp_path, data).warnings
    assert len(warnings) == 4
    assert "prot" in warnings[0]
    assert "did you mean port?" in warnings[0]
    assert "did you mean" not in warnings[1]
    assert "did you mean transcripts.enable?" in warnings[2]
    assert "agents.a.nam" in warnings[3]


@pytest.mark.parametrize(
    ("data", "environment", "parts"),
    [
        ({"port": "abc"}, {}, ["port in", "'abc'", "integer"]),
        ({"port": 70000}, {}, ["port", "70000", "65535"]),
        ({}, {"PORT": "abc"}, ["PORT (port)", "'abc'"]),
        ({}, {"X_TURN": "1,5"}, ["X_TURN", "number"]),
        ({"mode": "c"}, {}, ["mode", "'a' or 'b'"]),
        ({"mode": "b", "port": 1}, {}, ["mode b cannot use port 1; choose another port"]),
        ({"voices": [{"speed": "x"}]}, {}, ["voices[0].speed"]),
        ({"agents": {"front": {"speed": "x"}}}, {}, ["agents.front.speed"]),
        ({"transcripts": 3}, {}, ["transcripts"]),
    ],
)
def test_a_wrong_value_names_key_source_and_problem(tmp_path, data, environment, parts):
    with pytest.raises(UsageError) as caught:
        load(tmp_path, data, environment)
    assert caught.value.code == "invalid_setting"
    assert caught.value.hint
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("data", "environment"),
    [
        ({"server_api_key": {"s3cret": 1}}, {}),
        ({"pin": "s3c"}, {}),
        ({}, {"X_PIN": "s3c"}),
        ({"api_keys": {"openai": ["s3cret"]}}, {}),
    ],
)
def test_a_wrong_secret_is_never_shown(tmp_path, data, environment):
    with pytest.raises(UsageError) as caught:
        load(tmp_path, data, environment)
    assert "s3c" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_unreadable_and_malformed_files_are_told_apart(tmp_path):
    with pytest.raises(UsageError) as caught:
        load_settings(Example, file=tmp_path / "none.json", environment={}, overrides={})
    assert caught.value.code == "config_unreadable"
    for text in ("{", "[1]", "null"):
        with pytest.raises(UsageError) as caught:
            load(tmp_path, text)
        assert caught.value.code == "config_malformed"
    (tmp_path / "c.yml").write_text("a: [")
    with pytest.raises(UsageError) as caught:
        load_settings(Example, file=tmp_path / "c.yml", environment={}, overrides={})
    assert "line" in str(caught.value)


def test_settings_cannot_be_changed(tmp_path):
    with pytest.raises(ValueError, match="frozen"):
        load(tmp_path).settings.port = 1


def test_describe_lists_each_setting_with_type_default_and_variables():
    docs = {doc.key: doc for doc in describe(Example)}
    port = docs["port"]
    assert (port.type, port.default, port.env, port.description) == (
        "int",
        "8080",
        ("X_PORT", "PORT"),
        "Where to listen.",
    )
    assert docs["transcripts.enable"].env == ("T_ENABLE",)
    assert docs["origins"].type == "list of string"
    assert docs["mode"].type == "a | b"
    assert docs["voices[].speed"].default == "1.0"
    assert docs["agents.*.name"].default == '"anna"'
    assert docs["server_api_key"].is_secret
    assert docs["api_keys"].is_secret
    assert not port.is_secret


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["port", "host", "voices", "agents", "transcripts", "transcripts.enable", "api_keys", "a.b"])


@given(st.dictionaries(KEYS | st.text(max_size=6), JSON, max_size=5))
def test_any_file_either_loads_or_is_a_usage_error(data):
    codes = {"invalid_setting"}
    try:
        load_settings(Example, file=None, environment={}, overrides=data)
    except UsageError as error:
        codes.add(error.code)
    assert codes == {"invalid_setting"}
