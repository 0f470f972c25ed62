"""Every compatible vendor of the table: its key, its variables, its model, and its place that can be moved."""

import httpx2
import pytest

from tests.fakes.openai_server import openai_server
from vox.errors import UsageError
from vox.providers import registry
from vox.providers._openai import CHAT
from vox.providers.contract import Deps
from vox.providers.llm.contract import LlmRequest, TextDelta
from vox.runtime.clock import SystemClock

REQUEST = LlmRequest(({"role": "user", "content": "Hi"},))
# name: key in api_keys, environment variables, base URL and the variable that moves it, default model
DOCUMENTED = {
    "openai": ("openai", ["OPENAI_API_KEY"], "https://api.openai.com/v1", "", "gpt-3.5-turbo"),
    "groq": ("groq", ["GROQ_API_KEY"], "https://api.groq.com/openai/v1", "", "llama-3.1-8b-instant"),
    "grok": ("xai", ["XAI_API_KEY"], "https://api.x.ai/v1", "", "grok-2"),
    "cerebras": ("cerebras", ["CEREBRAS_API_KEY"], "https://api.cerebras.ai/v1", "", "llama3.1-8b"),
    "mistral": ("mistral", ["MISTRAL_API_KEY"], "https://api.mistral.ai/v1", "", "mistral-small-latest"),
    "deepseek": ("deepseek", ["DEEPSEEK_API_KEY"], "https://api.deepseek.com/v1", "", "deepseek-chat"),
    "qwen": (
        "qwen",
        ["DASHSCOPE_API_KEY", "QWEN_API_KEY"],
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_BASE_URL",
        "qwen-plus",
    ),
    "ollama": ("ollama", ["OLLAMA_API_KEY"], "http://localhost:11434/v1", "OLLAMA_BASE_URL", "llama3.2"),
    "openpipe": ("openpipe", ["OPENPIPE_API_KEY"], "https://app.openpipe.ai/api/v1", "", "gpt-4.1"),
    "asyncai": ("asyncai", ["ASYNC_AI_API_KEY"], "https://api.async.ai/v1", "ASYNC_AI_BASE_URL", "gpt-4o"),
    "fish": ("fish", ["FISH_API_KEY"], "https://api.fish.audio/v1", "FISH_BASE_URL", "gpt-4o"),
    "inworld": ("inworld", ["INWORLD_API_KEY"], "https://api.inworld.ai/v1", "", "gpt-4o-mini"),
    "minimax": ("minimax", ["MINIMAX_API_KEY"], "https://api.minimax.io/v1", "MINIMAX_BASE_URL", "abab6.5s-chat"),
    "moondream": (
        "moondream",
        ["MOONDREAM_API_KEY"],
        "https://api.moondream.com/v1",
        "MOONDREAM_BASE_URL",
        "moondream-v1",
    ),
}


def test_the_table_is_the_documented_one():
    table = {
        name: (row.key, list(row.key_variables), row.base_url, row.base_url_variable, row.model)
        for name, row in CHAT.items()
    }
    assert table == DOCUMENTED


@pytest.mark.parametrize("name", DOCUMENTED)
async def test_a_row_answers_with_each_of_its_keys(name):
    key, variables, _, moved_by, model = DOCUMENTED[name]
    async with openai_server() as server, httpx2.AsyncClient() as http:
        move = {moved_by: server.base_url} if moved_by else {}
        options = {} if moved_by else {"base_url": server.base_url}
        places = [({key: "secret"}, {}), *(({}, {variable: "secret"}) for variable in variables)]
        for api_keys, environment in places:
            deps = Deps(SystemClock(), http, api_keys=api_keys, environment={**environment, **move})
            async with registry.create("llm", name, options, deps) as llm:
                events = [event async for event in llm.respond(REQUEST)]
            assert events[0] == TextDelta("Hello")
    assert {(seen.key, seen.json["model"]) for seen in server.seen} == {("secret", model)}
    assert len(server.seen) == len(places)


@pytest.mark.parametrize("name", sorted(DOCUMENTED.keys() - {"ollama"}))
async def test_a_row_without_a_key_says_where_to_put_it(name):
    key, variables, *_ = DOCUMENTED[name]
    async with httpx2.AsyncClient() as http:
        with pytest.raises(UsageError) as caught:
            registry.create("llm", name, {}, Deps(SystemClock(), http))
    assert f"api_keys.{key}" in caught.value.hint
    assert all(variable in caught.value.hint for variable in variables)
