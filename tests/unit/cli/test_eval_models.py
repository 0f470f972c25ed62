import json
from pathlib import Path
from typing import Any

import pytest

from vox.cli.eval_models import EvalModels
from vox.clients.evals.model_caller import ChatMessage
from vox.clients.evals.scenario import CallerModel
from vox.errors import UsageError

HELLO = [ChatMessage("user", "hello")]


def config(folder: Path, **settings: Any) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps({"stt_provider": "fake", "tts_provider": "fake", "llm_provider": "fake", **settings}))
    return file


async def test_the_model_under_test_is_the_default_agents(tmp_path: Path):
    agents = {"a": {"llm_options": {"responses": ["from a"]}}, "b": {"llm_options": {"responses": ["from b"]}}}
    async with EvalModels(config(tmp_path, agents=agents, default_agent="b"), {}) as models:
        assert await (await models.under_test())(HELLO) == "from b"


async def test_a_scenario_names_the_model_that_plays_its_caller(tmp_path: Path):
    wish = CallerModel(provider="fake", options={"responses": ["from the caller"]})
    async with EvalModels(config(tmp_path, llm_options={"responses": ["from the agent"]}), {}) as models:
        assert await (await models.caller(wish))(HELLO) == "from the caller"
        assert await (await models.caller(None))(HELLO) == "from the agent"


@pytest.mark.parametrize("settings", [None, {"llm_provider": "flow"}])
async def test_without_a_model_there_is_no_caller(tmp_path: Path, settings: dict[str, str] | None):
    file = None if settings is None else config(tmp_path, **settings)
    async with EvalModels(file, {}) as models:
        with pytest.raises(UsageError) as error:
            await models.caller(None)
    assert error.value.code == "no_caller_model"


async def test_without_a_configuration_openai_is_asked_and_needs_its_key():
    async with EvalModels(None, {}) as models:
        with pytest.raises(UsageError) as error:
            await models.under_test()
    assert error.value.code == "missing_api_key"
