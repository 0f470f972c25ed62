"""The configuration of a bot: asked once for each call, and anything but a clear yes rejects it."""

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fleet.worker.bridge import PlayedBridge
from vox.errors import DependencyError, UsageError
from vox.fleet.worker.bots import BotDirectory, read_config
from vox.runtime.metrics import Metrics

CONFIG = {
    "session_id": "s-1",
    "webhook_url": "https://bridge.example/results",
    "system_prompt": "You sell tea.",
    "opening_message": "Tea?",
    "min_words_interruption": 3,
    "max_call_duration_seconds": 600,
    "transfer_numbers": {"sales": "+15550100"},
    "stt": {"provider": "deepgram", "api_key": "key-1", "model": "nova-3", "language": "en", "extra": {"a": 1}},
    "llm": {"provider": "google", "api_key": "key-2", "model": "gemini", "temperature": 0.7, "max_tokens": 256},
    "tts": {"provider": "cartesia", "voice_id": "v-1", "extra": {}},
    "something_new": True,
}


SECRET = "shared"


def directory(bridge, *, secret=SECRET, is_suffixed=True):
    metrics = Metrics()
    bots = BotDirectory(bridge.http, "http://bridge/v1/bots", is_suffixed=is_suffixed, secret=secret, metrics=metrics)
    return bots, metrics


async def find(bots, bot_id="bot 1/2"):
    return await bots.find(bot_id, caller="+15550100", stream_id="MZ1", connected_event='{"crm":"7"}')


async def test_a_bot_is_asked_for_as_documented():
    bridge = PlayedBridge(config=CONFIG)
    bots, _ = directory(bridge)
    config = await find(bots)
    (request,) = bridge.requests
    assert request.url.raw_path.decode().partition("?")[0] == "/v1/bots/bot%201%2F2/config"
    assert dict(request.url.params) == {
        "caller_id": "+15550100",
        "stream_id": "MZ1",
        "connected_event": '{"crm":"7"}',
    }
    assert request.headers["x-voxcore-secret"] == SECRET
    assert config.session_id == "s-1"


async def test_elsewhere_the_bot_follows_the_configured_address():
    bridge = PlayedBridge(bots=CONFIG)
    bots, _ = directory(bridge, is_suffixed=False, secret="")
    await find(bots, "b")
    assert bridge.requests[0].url.path == "/v1/bots/b"
    assert "x-voxcore-secret" not in bridge.requests[0].headers


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (httpx2.Response(404), UsageError, "bot_not_found"),
        (httpx2.Response(503), UsageError, "bot_closed"),
        (httpx2.Response(403), DependencyError, "bot_unavailable"),
        (httpx2.Response(500), DependencyError, "bot_unavailable"),
        (httpx2.Response(302, headers={"location": "http://x"}), DependencyError, "bot_unavailable"),
        (httpx2.Response(200, content=b"<html>"), DependencyError, "bot_unavailable"),
        (httpx2.Response(200, content=b"[]"), DependencyError, "bot_unavailable"),
        (httpx2.Response(200, content=b'{"a":"' + b"x" * (1 << 20) + b'"}'), DependencyError, "bot_unavailable"),
        (httpx2.ConnectError("http://user:pw@bridge"), DependencyError, "bot_unavailable"),
    ],
)
async def test_anything_else_rejects_the_call(answer, kind, code):
    bots, metrics = directory(PlayedBridge(config=answer))
    with pytest.raises(kind) as caught:
        await find(bots)
    assert caught.value.code == code
    assert "pw" not in str(caught.value)
    assert "vox_worker_bot_requests_total{outcome=" in metrics.render().decode()


def test_a_configuration_in_the_documented_form():
    config = read_config(CONFIG)
    assert config.profile == {
        "system_prompt": "You sell tea.",
        "greeting": "Tea?",
        "interruption_strategy": "min_words",
        "min_words": 3,
        "max_call_secs": 600,
        "transfers": {"sales": {"to": "+15550100"}},
        "stt_provider": "deepgram",
        "stt_model": "nova-3",
        "stt_language": "en",
        "stt_options": {"a": 1},
        "llm_provider": "google",
        "model": "gemini",
        "llm_options": {"temperature": 0.7, "max_tokens": 256},
        "tts_provider": "cartesia",
        "tts_voice": "v-1",
    }
    assert config.api_keys == {"deepgram": "key-1", "google": "key-2"}
    assert config.webhook_url == "https://bridge.example/results"
    assert "key-1" not in repr(config)


def test_a_configuration_in_the_words_of_an_agent():
    config = read_config({"agent": "front", "profile": {"greeting": "Hi", "turn_stop_secs": 1}, "variables": {"a": 1}})
    assert (config.agent, config.profile, config.variables) == (
        "front",
        {"greeting": "Hi", "turn_stop_secs": 1},
        {"a": "1"},
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*CONFIG, "profile", "variables", "agent"]), VALUES))
def test_any_object_is_read(raw):
    read_config(raw)
