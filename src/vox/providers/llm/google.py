"""Gemini over Google's Gemini API, with an API key; `google_vertex` is the same model in a project of one's own."""

from typing import Final
from urllib.parse import quote

from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.llm._gemini import GeminiModel, GeminiOptions

KEY: Final = Key("google", ("GOOGLE_API_KEY", "GEMINI_API_KEY"))
BASE_URL: Final = "https://generativelanguage.googleapis.com"


class Config(GeminiOptions):
    """Options of Gemini."""


def create(config: Config, deps: Deps) -> GeminiModel:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    headers = {"x-goog-api-key": KEY.required(deps, "google")}
    base_url = config.base_url or deps.environment.get("GOOGLE_GEMINI_BASE_URL", "") or BASE_URL
    url = f"{base_url.rstrip('/')}/v1beta/models/{quote(config.model, safe='')}:streamGenerateContent?alt=sse"

    async def authorise() -> dict[str, str]:
        return headers

    return GeminiModel("google", config, deps, url, authorise, key=KEY)
