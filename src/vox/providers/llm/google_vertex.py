"""Gemini in a Google Cloud project of one's own (Vertex AI), with Google's application default credentials."""

from dataclasses import replace
from typing import Self
from urllib.parse import quote

from pydantic import Field

from vox.errors import UsageError
from vox.providers._google_credentials import GoogleCredentials
from vox.providers.contract import Deps
from vox.providers.llm._gemini import GeminiModel, GeminiOptions

VENDOR = "google_vertex"


class Config(GeminiOptions):
    """Options of Vertex AI."""

    project: str = Field(
        default="", description="Empty: `api_keys.google_cloud_project`, GOOGLE_CLOUD_PROJECT, or the credentials' own"
    )
    location: str = Field(
        default="", description="Empty: `api_keys.google_cloud_location`, GOOGLE_CLOUD_LOCATION, or us-central1"
    )


class VertexModel(GeminiModel):
    """A Gemini model of Vertex AI."""

    def __init__(self, config: Config, deps: Deps, credentials: GoogleCredentials) -> None:
        super().__init__(VENDOR, config, deps, "", credentials.headers, sends_ids=False)
        self._credentials = credentials
        self._deps = deps
        self._place = config

    async def __aenter__(self) -> Self:
        await self._credentials.open()
        deps, place = self._deps, self._place
        project = (
            place.project
            or deps.api_keys.get("google_project")
            or deps.secret("google_cloud_project", "GOOGLE_CLOUD_PROJECT")
            or self._credentials.project
        )
        if not project:
            raise UsageError(
                "Vertex AI needs a Google Cloud project",
                code="missing_google_project",
                hint="set GOOGLE_CLOUD_PROJECT, or api_keys.google_cloud_project in the configuration",
            )
        location = place.location or deps.secret("google_cloud_location", "GOOGLE_CLOUD_LOCATION") or "us-central1"
        host = "aiplatform.googleapis.com" if location == "global" else f"{location}-aiplatform.googleapis.com"
        model = f"projects/{project}/locations/{location}/publishers/google/models/{place.model}"
        base_url = (place.base_url or f"https://{host}").rstrip("/")
        self._url = f"{base_url}/v1/{quote(model)}:streamGenerateContent?alt=sse"
        return self


def create(config: Config, deps: Deps) -> VertexModel:
    """The driver; opening it raises `UsageError` (`missing_api_key`, `missing_google_project`)."""
    without_keys = {name: value for name, value in deps.api_keys.items() if name != "google"}
    environment = {name: value for name, value in deps.environment.items() if name != "GOOGLE_API_KEY"}
    accounts = replace(deps, api_keys=without_keys, environment=environment)
    return VertexModel(config, deps, GoogleCredentials(accounts, "Vertex AI"))
