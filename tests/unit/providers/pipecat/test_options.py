"""The options of hosted services, before there is a worker."""

from typing import Any

import httpx2
import pytest

from tests.fakes.clock import FakeClock
from vox.errors import UsageError
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.pipecat.interpreter import release
from vox.providers.pipecat.options import ServiceOptions, configuration


def deps(**given: Any) -> Deps:
    return Deps(FakeClock(), httpx2.AsyncClient(), **given)


def test_the_worker_is_told_of_keys_and_addresses():
    options = ServiceOptions(
        service="house.Voice", args={"speed": 2}, keys={"api_key": "house", "token": "HOUSE_TOKEN"}
    )
    given = deps(api_keys={"house": "k1"}, environment={"HOUSE_TOKEN": "t1", "house": "never"})
    configure = configuration("tts", options, given, model="m", base_url="http://house", sample_rate=8000)
    assert configure.args == {"speed": 2, "api_key": "k1", "token": "t1", "base_url": "http://house"}
    assert configure.secrets == ["api_key", "token"]
    assert (configure.model, configure.sample_rate) == ("m", 8000)


def test_an_address_among_the_arguments_wins():
    options = ServiceOptions(service="house.Voice", args={"base_url": "http://mine"})
    assert configuration("tts", options, deps(), base_url="http://house").args == {"base_url": "http://mine"}


def test_a_key_that_stands_nowhere_is_named():
    options = ServiceOptions(service="house.Voice", keys={"api_key": "HOUSE_KEY"})
    with pytest.raises(UsageError, match=r"api_keys\.HOUSE_KEY") as caught:
        configuration("tts", options, deps())
    assert caught.value.code == "missing_api_key"


@pytest.mark.parametrize("service", ["", "Voice", "house.", ".Voice", "house.my voice", "house/voice.Voice"])
@pytest.mark.parametrize("kind", ["stt", "tts", "llm"])
def test_a_service_is_a_module_and_a_class(kind, service):
    with pytest.raises(UsageError, match="module and the class") as caught:
        registry.create(kind, "pipecat", {"service": service}, deps())
    assert caught.value.code == "invalid_provider_option"


@pytest.mark.parametrize("kind", ["stt", "tts", "llm"])
def test_a_service_has_to_be_named(kind):
    with pytest.raises(UsageError, match="'service'"):
        registry.create(kind, "pipecat", {}, deps())


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("1.14.0", (1, 14)), ("2.0", (2, 0)), ("1.14rc1", (1, 14)), ("1", (1,)), ("1.x", (1,)), ("", ())],
)
def test_versions_compare_by_their_numbers(version, numbers):
    assert release(version) == numbers
