from typing import Any

import pytest
from pydantic import ValidationError

from vox.agent.config.plugins import ALWAYS_ON, CARRIED_OUT, NO_PLUGINS, REFUSED, parse_plugins, plugins_without_effect
from vox.agent.config.profile import AgentProfile

DOCUMENTED = [
    "rtvi",
    "external_chain",
    "interruption_controller",
    "vad",
    "audio_buffer",
    "audio_filter",
    "frame_filter",
    "function_filter",
    "identity_filter",
    "null_filter",
    "stt_mute_filter",
    "wake_check_filter",
    "wake_notifier_filter",
    "echo",
    "logger",
    "aggregator",
    "dtmf_aggregator",
    "gated",
    "llmfullresponse",
    "llmtext",
    "userresponse",
    "gated_llm_context",
    "llmcontextsummarizer",
]


def test_every_documented_name_is_always_on_carried_out_or_refused():
    assert {*ALWAYS_ON, *CARRIED_OUT, *REFUSED} == set(DOCUMENTED)
    assert len(ALWAYS_ON) + len(CARRIED_OUT) + len(REFUSED) == len(DOCUMENTED)


def test_what_is_always_on_changes_nothing():
    assert parse_plugins(list(ALWAYS_ON), {"rtvi": {"protocol_version": "1.2.0"}, "vad": {}}) == NO_PLUGINS
    assert not NO_PLUGINS.changes_hearing


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_there_is_refused_with_what_to_do(name: str):
    with pytest.raises(ValueError, match=f"plugin {name} is not available: .*(leave it out|http_tools)"):
        parse_plugins([name], {})


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean stt_mute_filter"):
        parse_plugins(["stt_mute_filtre"], {})
    with pytest.raises(ValueError, match="write one of aggregator, audio_buffer"):
        parse_plugins(["zzz"], {})


def test_gains_are_multiplied():
    gains = {"audio_filter": {"filters": [{"type": "gain", "gain": 2}, {"type": "gain", "gain": 0.25}]}}
    effects = parse_plugins(["audio_filter"], gains)
    assert effects.gain == 0.5
    assert effects.changes_hearing
    assert parse_plugins([], gains) == NO_PLUGINS, "options of a plugin that is not named do nothing"


@pytest.mark.parametrize(
    ("name", "options", "part"),
    [
        ("stt_mute_filter", {}, "plugin_options.stt_mute_filter.strategies: Field required"),
        ("stt_mute_filter", {"strategies": ["custom"]}, "custom needs code: choose first_speech"),
        ("wake_check_filter", {"wake_phrases": []}, "plugin_options.wake_check_filter.wake_phrases"),
        ("wake_check_filter", {"wake_phrases": ["!"]}, "plugin_options.wake_check_filter.wake_phrases.0"),
        ("audio_filter", {"filters": [{"type": "reverb"}]}, "plugin_options.audio_filter.filters.0.type"),
        ("audio_filter", {"filters": [{"type": "gain", "gain": -1}]}, "plugin_options.audio_filter.filters.0.gain"),
    ],
)
def test_a_wrong_option_is_named(name: str, options: dict[str, Any], part: str):
    with pytest.raises(ValueError, match=part):
        parse_plugins([name], {name: options})


def test_the_interruption_controller_gives_what_the_settings_leave_open():
    plugin = {
        "plugins": ["interruption_controller"],
        "plugin_options": {"interruption_controller": {"strategy": "min_words", "min_words": 3}},
    }
    assert AgentProfile.model_validate(plugin).turn_policy().min_words == 3
    own = {**plugin, "interruption_strategy": "min_words", "min_words": 2}
    assert AgentProfile.model_validate(own).turn_policy().min_words == 2


def test_a_wake_phrase_needs_words():
    wake = {"plugins": ["wake_check_filter"], "plugin_options": {"wake_check_filter": {"wake_phrases": ["hey vox"]}}}
    with pytest.raises(ValidationError, match="wake_check_filter needs words"):
        AgentProfile.model_validate({**wake, "realtime_provider": "openai"})


def test_who_may_expect_something_is_told_that_nothing_comes():
    assert plugins_without_effect(["rtvi", "echo"]) == ["plugin echo has no effect: the agent answers instead"]
