"""The registry: names to drivers, options to configurations, and what it says to those who mistype."""

import importlib
import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import cast

import httpx2
import pytest

from tests.fakes.clock import FakeClock
from tests.time_limits import WAIT_S
from vox.errors import UsageError
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.tts import fake as fake_tts


@pytest.fixture
def deps() -> Deps:
    return Deps(FakeClock(), cast("httpx2.AsyncClient", None))


def test_a_file_is_a_name(deps):
    assert registry.load("tts", "fake") is fake_tts
    assert isinstance(registry.create("tts", "fake", {}, deps), fake_tts.FakeTextToSpeech)


def test_older_configurations_say_mock(deps):
    assert registry.load("tts", "mock") is fake_tts
    assert registry.load("stt", "mock") is registry.load("stt", "fake")
    assert registry.load("llm", "mock") is registry.load("llm", "fake")


def test_every_documented_name_of_a_compatible_vendor_is_known():
    chat = [
        "openai",
        "groq",
        "grok",
        "cerebras",
        "mistral",
        "deepseek",
        "qwen",
        "ollama",
        "openpipe",
        "asyncai",
        "fish",
        "inworld",
        "minimax",
        "moondream",
    ]
    assert set(chat) <= set(registry.names("llm"))
    assert {"openai", "groq", "whisper"} <= set(registry.names("stt"))
    assert {"openai", "groq"} <= set(registry.names("tts"))


def test_helpers_in_the_folders_are_no_providers():
    for kind in ("stt", "llm", "tts", "carriers"):
        assert not {name for name in registry.names(kind) if name.startswith("_") or name in {"contract", "markup"}}


def test_a_typing_error_gets_the_nearest_name_and_the_list():
    with pytest.raises(UsageError) as caught:
        registry.load("tts", "espaek")
    assert caught.value.code == "unknown_provider"
    assert "did you mean espeak?" in str(caught.value)
    assert "flite" in str(caught.value)


@pytest.mark.parametrize("name", ["", "../contract", "contract", "_wav", "fake.Config", "Fake", "os"])
def test_nothing_but_a_drivers_name_is_imported(name):
    with pytest.raises(UsageError) as caught:
        registry.load("tts", name)
    assert caught.value.code == "unknown_provider"


def test_an_unknown_option_is_named_with_the_nearest(deps):
    with pytest.raises(UsageError) as caught:
        registry.create("tts", "fake", {"duration": 1}, deps)
    assert caught.value.code == "invalid_provider_option"
    assert "'duration'" in str(caught.value)
    assert "did you mean duration_s?" in str(caught.value)


def test_a_wrong_value_is_named_and_not_repeated(deps):
    with pytest.raises(UsageError) as caught:
        registry.create("tts", "fake", {"block_s": "secret-value"}, deps)
    assert "'block_s'" in str(caught.value)
    assert "secret-value" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_model_is_not_forced_on_drivers_without_models(deps):
    assert registry.create("tts", "fake", {"model": "tts-1"}, deps)


def test_a_missing_library_is_named_with_the_remedy(monkeypatch):
    import_module = importlib.import_module

    def importing(name: str) -> ModuleType:
        if name.endswith(".fake"):
            raise ModuleNotFoundError(name="pocketsphinx")
        return import_module(name)

    monkeypatch.setattr("importlib.import_module", importing)
    with pytest.raises(UsageError) as caught:
        registry.load("stt", "fake")
    assert caught.value.code == "provider_not_installed"
    assert ".[offline]" in str(caught.value)


def test_an_installed_package_brings_a_driver_but_takes_no_name_of_ours(monkeypatch):
    ours = EntryPoint("tts.fake", "vox.providers.stt.fake", registry.GROUP)
    theirs = EntryPoint("tts.acme", "vox.providers.tts.flite", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda *, group: [ours, theirs])
    assert registry.load("tts", "acme") is registry.load("tts", "flite")
    assert registry.load("tts", "fake") is fake_tts
    assert "acme" in registry.names("tts")
    assert "acme" not in registry.names("stt")


def test_importing_the_registry_imports_no_vendor():
    code = (
        "import sys, vox.providers.registry as r; r.names('stt'); r.names('tts'); r.names('llm');"
        "print([m for m in ('openai', 'pocketsphinx', 'numpy', 'espeakng_loader') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=WAIT_S)
    assert printed.stdout.strip() == "[]"
