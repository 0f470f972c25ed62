"""The agent server's configuration: documented files load as they are printed, wrong ones say what is wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from vox.agent.config.settings import AgentSettings, load
from vox.errors import UsageError
from vox.runtime.settings import Loaded

# The configuration blocks of the operator's documentation, as they are printed there.
DOCUMENTED = [
    """{
  "host": "0.0.0.0",
  "port": 8443,
  "tls_enable": true,
  "tls_cert_file": "/etc/voxray/tls/server.crt",
  "tls_key_file": "/etc/voxray/tls/server.key"
}""",
    """{
  "host": "0.0.0.0",
  "port": 8080,
  "log_level": "info",
  "json_logs": true
}""",
    """{
  "session_store": "memory"
}""",
    """{
  "transcripts.enable": true,
  "transcripts.driver": "postgres",
  "transcripts.dsn": "postgres://user:pass@host:5432/db?sslmode=require",
  "transcripts.table": "call_transcripts"
}""",
]
# The example file of the compatible original, with its quirks.
EXAMPLE = {
    "_comment": "copy me",
    "port": 3042,
    "provider": "openai",
    "model": "gpt-4o-mini",
    "vad_threshold": 0.01,
    "vad_min_volume": 0.25,
    "turn_detection": "silence",
    "turn_max_duration_secs": 2,
    "interruption_strategy": "keyword",
    "plugins": ["echo"],
    "plugin_options": {"echo": {}},
    "metrics": {"audio_sample_rate": 16000},
    "mcp": {"command": "npx", "args": [], "tools_filter": []},
}
# Every variable of the specification with a value, and the key it sets.
VARIABLES: list[tuple[str, str, str, Any]] = [
    ("VOXRAY_HOST", "127.0.0.1", "host", "127.0.0.1"),
    ("HOST", "10.0.0.1", "host", "10.0.0.1"),
    ("VOXRAY_PORT", "9000", "port", 9000),
    ("PORT", "9001", "port", 9001),
    ("VOXRAY_RTC_MAX_DURATION_SECS", "12.5", "rtc_max_duration_secs", 12.5),
    ("VOXRAY_VAD_BATCH_SIZE", "32", "vad_batch_size", 32),
    ("VOXRAY_SESSION_STORE", "memory", "session_store", "memory"),
    ("VOXRAY_REDIS_URL", "redis://h:6379/0", "redis_url", "redis://h:6379/0"),
    ("VOXRAY_SESSION_TTL_SECS", "60", "session_ttl_secs", 60),
    ("VOXRAY_SESSION_TTL_SECS", "0", "session_ttl_secs", 3600),
    ("VOXRAY_MAX_STARTS_PER_MINUTE", "6", "max_starts_per_minute", 6),
    ("VOXRAY_PIPELINE_INPUT_QUEUE_CAP", "512", "pipeline_input_queue_cap", 512),
    ("VOXRAY_WS_WRITE_COALESCE_MS", "5", "ws_write_coalesce_ms", 5),
    ("VOXRAY_WS_WRITE_COALESCE_MAX_FRAMES", "20", "ws_write_coalesce_max_frames", 20),
    ("VOXRAY_LOG_LEVEL", " WARN ", "log_level", "warn"),
    ("VOXRAY_JSON_LOGS", "1", "json_logs", True),
    ("VOXRAY_JSON_LOGS", "yes", "json_logs", False),
    ("VOXRAY_CORS_ORIGINS", "https://a.example, ,https://b.example", "cors_allowed_origins", ["https://a.example", "https://b.example"]),
    ("VOXRAY_MAX_BODY_BYTES", "1000", "max_request_body_bytes", 1000),
    ("VOXRAY_RECORDING_ENABLE", "true", "recording.enable", True),
    ("VOXRAY_RECORDING_BUCKET", "b", "recording.bucket", "b"),
    ("VOXRAY_RECORDING_BASE_PATH", "p", "recording.base_path", "p"),
    ("VOXRAY_RECORDING_FORMAT", "wav", "recording.format", "wav"),
    ("VOXRAY_RECORDING_WORKER_COUNT", "4", "recording.worker_count", 4),
    ("VOXRAY_RECORDING_QUEUE_CAP", "64", "recording.queue_cap", 64),
    ("VOXRAY_RECORDING_MAX_RETRIES", "5", "recording.max_retries", 5),
    ("VOXRAY_TRANSCRIPTS_ENABLE", "true", "transcripts.enable", True),
    ("VOXRAY_TRANSCRIPTS_DRIVER", "mysql", "transcripts.driver", "mysql"),
    ("VOXRAY_TRANSCRIPTS_TABLE", "t", "transcripts.table_name", "t"),
    ("VOXRAY_TRANSCRIPTS_QUEUE_CAP", "7", "transcripts.queue_cap", 7),
    ("VOXRAY_TRANSCRIPTS_QUEUE_MAX_BYTES", "4096", "transcripts.queue_max_bytes", 4096),
    ("VOXRAY_TRANSCRIPTS_FLUSH_TIMEOUT_SECS", "3", "transcripts.flush_timeout_secs", 3.0),
    ("VOXRAY_MAX_CONCURRENT_CALLS", "5", "max_concurrent_calls", 5),
    ("MAX_CONCURRENT_CALLS", "6", "max_concurrent_calls", 6),
    ("VOXRAY_DRAIN_TIMEOUT_SECS", "90", "drain_timeout_secs", 90.0),
    ("VOXRAY_SYSTEM_PROMPT", "be brief", "system_prompt", "be brief"),
    ("VOXRAY_GREETING", "hello", "greeting", "hello"),
]  # fmt: skip


def loaded(tmp_path: Path, config: object, environment: dict[str, str] | None = None, **overrides: Any) -> Loaded[Any]:
    file = tmp_path / "config.json"
    file.write_text(config if isinstance(config, str) else json.dumps(config))
    return load(file, environment or {}, overrides)


def value_of(settings: AgentSettings, key: str) -> Any:
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value


def refusal(tmp_path: Path, config: object, environment: dict[str, str] | None = None, **overrides: Any) -> str:
    with pytest.raises(UsageError) as refused:
        loaded(tmp_path, config, environment, **overrides)
    assert refused.value.code in {"invalid_setting", "config_malformed"}
    return str(refused.value)


@pytest.mark.parametrize("block", DOCUMENTED)
def test_documented_blocks_load_as_they_are_printed(tmp_path: Path, block: str):
    result = loaded(tmp_path, block)
    assert not [warning for warning in result.warnings if "unknown key" in warning]
    flat = json.loads(block)
    for key in flat:
        actual = value_of(result.settings, key.replace("transcripts.table", "transcripts.table_name"))
        assert getattr(actual, "get_secret_value", lambda value=actual: value)() == flat[key]


def test_nested_and_dotted_keys_and_both_names_of_the_table_are_the_same(tmp_path: Path):
    for table in ("table", "table_name"):
        for config in ({"transcripts": {table: "calls"}}, {f"transcripts.{table}": "calls"}):
            assert loaded(tmp_path, config).settings.transcripts.table_name == "calls"


def test_livekit_is_refused_with_what_to_use_instead(tmp_path: Path):
    message = refusal(tmp_path, {"runner_transport": "livekit"})
    assert "livekit is not supported" in message
    assert "`webrtc`" in message


def test_an_agent_that_would_never_hear_its_caller_is_refused(tmp_path: Path):
    deaf = {
        "plugins": ["stt_mute_filter"],
        "plugin_options": {"stt_mute_filter": {"strategies": ["mute_until_first_bot_complete"]}},
    }
    agents = {"first": {"greeting": "Hello."}, "second": {}}
    assert "agent second would never hear its caller" in refusal(tmp_path, {**deaf, "agents": agents})
    assert loaded(tmp_path, {**deaf, "greeting": "Hello."}).settings.plugin_effects.mutes


def test_the_example_of_the_original_loads_and_says_what_is_not_there(tmp_path: Path):
    result = loaded(tmp_path, EXAMPLE)
    assert result.settings.port == 3042
    assert not [warning for warning in result.warnings if "unknown key" in warning]
    assert "plugin echo has no effect: the agent answers instead" in result.warnings


@pytest.mark.parametrize(("variable", "text", "key", "expected"), VARIABLES)
def test_every_variable_reaches_its_key_over_the_file(
    tmp_path: Path, variable: str, text: str, key: str, expected: Any
):
    config = {"transcripts": {"driver": "sqlite", "dsn": "t.db", "table": "others"}}
    actual = value_of(loaded(tmp_path, config, {variable: text}).settings, key)
    assert getattr(actual, "get_secret_value", lambda: actual)() == expected


def test_the_order_is_file_environment_command_line(tmp_path: Path):
    assert loaded(tmp_path, {"port": 1}).settings.port == 1
    assert loaded(tmp_path, {"port": 1}, {"VOXRAY_PORT": "2", "PORT": "3"}).settings.port == 2
    assert loaded(tmp_path, {"port": 1}, {"VOXRAY_PORT": "2"}, port=4).settings.port == 4
    assert loaded(tmp_path, {"port": 1}, {"VOXRAY_PORT": ""}, port=None).settings.port == 1


def test_three_tls_variables_are_enough(tmp_path: Path):
    environment = {"VOXRAY_TLS_ENABLE": "true", "VOXRAY_TLS_CERT_FILE": "c.pem", "VOXRAY_TLS_KEY_FILE": "k.pem"}
    settings = loaded(tmp_path, {}, environment).settings
    assert (settings.tls_enable, settings.tls_cert_file, settings.tls_key_file) == (True, "c.pem", "k.pem")


@pytest.mark.parametrize("given", [{"tls_cert_file": "c", "tls_key_file": "k"}, {"tls_key_file": "k"}])
def test_tls_files_without_tls_are_refused_unless_it_is_turned_off(tmp_path: Path, given: dict[str, Any]):
    assert "need tls_enable" in refusal(tmp_path, given)
    assert not loaded(tmp_path, {**given, "tls_enable": False}).settings.tls_enable


def test_a_port_for_no_runner_is_told(tmp_path: Path):
    assert any("runner_port" in warning for warning in loaded(tmp_path, {"runner_port": 9000}).warnings)


def test_an_agent_without_key_and_host_listens_on_loopback(tmp_path: Path):
    assert loaded(tmp_path, {}).settings.bind_host == "127.0.0.1"
    assert loaded(tmp_path, {"server_api_key": "k"}).settings.bind_host == ""
    assert loaded(tmp_path, {"host": "0.0.0.0"}).settings.bind_host == "0.0.0.0"


def test_a_phone_that_others_reach_needs_a_secret(tmp_path: Path):
    assert "TWILIO_AUTH_TOKEN" in refusal(tmp_path, {"runner_transport": "twilio", "host": "0.0.0.0"})


@pytest.mark.parametrize("given", [{}, {"tls_cert_file": "c"}, {"tls_key_file": "k"}])
def test_half_a_tls_is_refused(tmp_path: Path, given: dict[str, Any]):
    assert "tls_cert_file and tls_key_file" in refusal(tmp_path, {"tls_enable": True, **given})


def test_port_zero_is_a_free_one_on_the_command_line_and_in_the_environment(tmp_path: Path):
    assert loaded(tmp_path, {"port": 5}, port=0).settings.bind_port == 0
    for variable in ("VOXRAY_PORT", "PORT"):
        found = loaded(tmp_path, {"port": 5}, {variable: "0"})
        assert (found.settings.bind_port, [line for line in found.warnings if "port" in line]) == (0, [])


def test_port_zero_in_the_file_is_the_default_and_a_warning_says_how_to_get_a_free_one(tmp_path: Path):
    for environment in ({}, {"VOXRAY_PORT": " "}):
        found = loaded(tmp_path, {"port": 0}, environment)
        assert found.settings.bind_port == 8080
        [warning] = [line for line in found.warnings if "port 0" in line]
        assert "VOXRAY_PORT=0" in warning


def test_the_runners_port_counts_with_a_runner_and_never_against_the_command_line(tmp_path: Path):
    config = {"port": 1, "runner_port": 2}
    assert loaded(tmp_path, config).settings.bind_port == 1
    assert loaded(tmp_path, {**config, "runner_transport": "twilio"}).settings.bind_port == 2
    assert loaded(tmp_path, {**config, "runner_transport": "twilio"}, port=3).settings.bind_port == 3


@pytest.mark.parametrize("level", ["debug", "info", "warn", "error"])
def test_every_documented_log_level_is_one(tmp_path: Path, level: str):
    assert loaded(tmp_path, {"log_level": level}).settings.log_level == level


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"log_level": "verbose"}, "log_level"),
        ({"port": "http"}, "port"),
        ({"port": 70_000}, "port"),
        ({"transport": "carrier_pigeon"}, "transport"),
        ({"runner_transport": "carrier_pigeon"}, "runner_transport"),
        ({"session_store": "paper"}, "session_store"),
        ({"session_store": "redis"}, "redis_url"),
        ({"default_agent": "nobody"}, "default_agent"),
        ({"flow": "f.yaml", "llm_provider": "openai"}, "contradict"),
        ({"vad_type": "magic"}, "vad_type"),
        ({"turn_stop_secs": -1}, "turn_stop_secs"),
        ({"agents": {"sales": 5}}, "agents.sales"),
        ({"agents": {"sales": {"turn_stop_secs": "long"}}}, "agents.sales.turn_stop_secs"),
        ({"agents": {"sales": {"port": 1}}}, "agents.sales has keys of the server: port"),
        ({"agents": {"a b": {}}}, "agents.a b"),
        ({"agents": {"../x": {}}}, "agents.../x"),
        ({"agents": {"ws": {}}}, "agents.ws"),
        ({"agents": {"": {}}}, "letters"),
        ({"client_tools": [{"description": "nameless"}]}, "client_tools[0].name"),
        ({"agents": {"sales": {"client_tools": [{}]}}}, "agents.sales.client_tools.0.name"),
        ("{not json", "config.json is not a JSON object"),
        ("[]", "config.json is not a JSON object"),
        ('{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_a_wrong_value_names_its_key(tmp_path: Path, config: object, words: str):
    assert words in refusal(tmp_path, config)


def test_a_refusal_never_shows_a_secret(tmp_path: Path):
    words = [
        refusal(tmp_path, {"server_api_key": ["hunter2"]}),
        refusal(tmp_path, {"agents": {"a": {"llm_options": "hunter2"}}}),
        refusal(tmp_path, {"agents": {"a": {"tts_options": ["hunter2"], "min_words": "hunter2"}}}),
    ]
    assert "hunter2" not in "".join(words)


def test_unknown_keys_are_told_with_the_nearest_name(tmp_path: Path):
    config = {"_why": "a comment", "greting": "hi", "agents": {"_c": "comment", "a": {"_d": 1, "greting": "hi"}}}
    warnings = [warning for warning in loaded(tmp_path, config).warnings if "unknown key" in warning]
    assert len(warnings) == 2
    assert all("did you mean" in warning and "greeting?" in warning for warning in warnings)


def test_the_flat_form_is_one_agent(tmp_path: Path):
    profiles = loaded(tmp_path, {"greeting": "hi", "default_agent": "default"}).settings.profiles()
    assert {name: profile.greeting for name, profile in profiles.items()} == {"default": "hi"}


def test_agents_inherit_what_stands_outside_them(tmp_path: Path):
    config = {
        "provider": "openai",
        "greeting": "hello",
        "variables": {"shop": "Vox"},
        "flow": "common.yaml",
        "agents": {
            "sales": {"greeting": "buy!", "turn_stop_secs": 0.4},
            "support": {"greeting": None, "llm_provider": "groq"},
            "desk": {"llm_provider": "flow", "flow": "desk.yaml"},
        },
    }
    profiles = loaded(tmp_path, config).settings.profiles()
    assert [profiles[name].greeting for name in ("sales", "support", "desk")] == ["buy!", "hello", "hello"]
    assert [profiles[name].stage("llm") for name in ("sales", "support", "desk")] == ["flow", "groq", "flow"]
    assert [profiles[name].flow for name in ("sales", "support", "desk")] == ["common.yaml", "", "desk.yaml"]
    assert {profile.stage("tts") for profile in profiles.values()} == {"openai"}
    assert profiles["sales"].variables == {"shop": "Vox"}
    assert profiles["sales"].turn_policy().turn_stop_s == 0.0  # without turn_detection the detector's stop ends a turn


def test_an_agent_may_leave_the_common_model_for_a_flow(tmp_path: Path):
    config = {"llm_provider": "openai", "agents": {"desk": {"flow": "desk.yaml"}}}
    assert loaded(tmp_path, config).settings.profiles()["desk"].stage("llm") == "flow"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("vad_threshold", 0.02),
        ("vad_confidence", 0.7),
        ("vad_start_secs_vad", 0.2),
        ("vad_stop_secs", 0.2),
        ("vad_min_volume", 0.0),
        ("user_turn_stop_timeout_secs", 5.0),
        ("pipeline_input_queue_cap", 256),
        ("ws_write_coalesce_max_frames", 10),
    ],
)
@pytest.mark.parametrize("zero", [0, -1, 0.0])
def test_zero_and_less_mean_the_default_where_nothing_else_makes_sense(
    tmp_path: Path, key: str, expected: float, zero: float
):
    assert value_of(loaded(tmp_path, {key: zero}).settings, key) == expected


def test_what_the_original_takes_for_off_is_off_with_a_word(tmp_path: Path):
    result = loaded(tmp_path, {"turn_detection": "server_vad", "interruption_strategy": "telepathy"})
    assert result.settings.turn_policy().turn_stop_s == 0.0
    assert result.settings.turn_policy().min_words == 0
    told = [warning for warning in result.warnings if "treated as none" in warning]
    assert [re.match(r"\w+", warning)[0] for warning in told] == ["turn_detection", "interruption_strategy"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("config", "is_told"),
    [
        ({}, True),
        ({"host": "0.0.0.0"}, True),
        ({"host": "127.0.0.1"}, False),
        ({"host": "localhost"}, False),
        ({"server_api_key": "k"}, False),
    ],
)
def test_an_open_door_to_everybody_is_told(tmp_path: Path, config: dict[str, Any], is_told: bool):
    told = [warning for warning in loaded(tmp_path, config).warnings if "server_api_key" in warning]
    assert bool(told) is is_told


@pytest.mark.parametrize("value", ["inf", "nan", "1e999"])
def test_a_time_without_a_number_is_refused(value: str):
    with pytest.raises(UsageError, match="VOXRAY_RTC_MAX_DURATION_SECS"):
        load(None, {"VOXRAY_RTC_MAX_DURATION_SECS": value})


@pytest.mark.parametrize("variable", ["VOXRAY_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_a_collector_that_no_trace_could_reach_is_refused_at_start(variable: str):
    with pytest.raises(UsageError, match=f"{variable}.* http://HOST:4318"):
        load(None, {variable: "collector:4317"})


@pytest.mark.parametrize(
    ("config", "stages"),
    [
        ({"flow": "bakery.yaml"}, ("offline", "flow", "offline")),
        ({"llm_provider": "flow"}, ("offline", "flow", "offline")),
        ({"flow": "bakery.yaml", "stt_provider": "openai"}, ("openai", "flow", "offline")),
        ({"flow": "bakery.yaml", "provider": "groq"}, ("groq", "flow", "groq")),
        ({}, ("openai", "openai", "openai")),
    ],
)
def test_a_flow_needs_no_provider_beside_it(tmp_path: Path, config: dict[str, Any], stages: tuple[str, ...]):
    profile = loaded(tmp_path, config).settings
    assert (profile.stage("stt"), profile.stage("llm"), profile.stage("tts")) == stages


def test_a_stage_may_list_several_providers(tmp_path):
    config = {
        "stt_provider": ["deepgram", "openai", "deepgram"],
        "tts_provider": ["openai"],
        "llm_provider": [],
        "agents": {"desk": {"llm_provider": ["anthropic", "openai"], "failover": {"failures": 1}}, "sales": {}},
    }
    profiles = loaded(tmp_path, config).settings.profiles()
    assert profiles["desk"].providers("stt") == profiles["sales"].providers("stt") == ("deepgram", "openai")
    assert profiles["desk"].stage("stt") == "deepgram", "the preferred one"
    assert profiles["desk"].providers("tts") == ("openai",)
    assert [profiles[name].providers("llm") for name in ("desk", "sales")] == [("anthropic", "openai"), ("openai",)]
    assert profiles["desk"].failover.policy().breaker.failures == 1


@pytest.mark.parametrize("wrong", [{"stt_provider": [1]}, {"stt_provider": {"a": 1}}, {"failover": {"failures": 0}}])
def test_a_wrong_list_of_providers_is_named(tmp_path, wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        loaded(tmp_path, wrong)
