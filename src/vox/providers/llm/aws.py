"""Every model of Amazon Bedrock that can hold a conversation, over ConverseStream (`_bedrock_wire`).

Requests are signed with the machine's AWS credentials, or carry a Bedrock API key where there is one.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import msgspec
from pydantic import Field

from vox.providers._aws_credentials import AwsChain
from vox.providers._aws_signature import Signer, hash_of
from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.llm._bedrock_wire import ConverseAssembly, ConverseDecoder, body
from vox.providers.llm._vendor_stream import Request, StreamOptions, VendorStream
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message
from vox.providers.stt.contract import SpeechHints

KEY: Final = Key("aws_access_key_id", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_BEARER_TOKEN_BEDROCK"))


class Config(StreamOptions):
    """Options of Bedrock."""

    model: str = Field(
        default="anthropic.claude-3-haiku-20240307-v1:0", description="A model's or an inference profile's id"
    )
    region: str = Field(default="", description="Empty: `api_keys.aws_region`, AWS_REGION, or us-east-1")
    temperature: float | None = Field(default=None, ge=0, le=1, description="Empty: the model's default")
    max_tokens: int | None = Field(default=None, gt=0, description="Longest answer; empty: the model's default")


class BedrockModel:
    """A model behind Bedrock."""

    speaks_first = False
    answers_inaudible = False

    def __init__(self, config: Config, deps: Deps) -> None:
        self._config = config
        self._clock = deps.clock
        self._chain = AwsChain(deps)
        self._token = deps.secret("aws_bedrock", "AWS_BEARER_TOKEN_BEDROCK")
        region = self._chain.region(config.region or deps.api_keys.get("aws_region", ""))
        self._signer = Signer(region, "bedrock")
        base_url = config.base_url or f"https://bedrock-runtime.{region}.amazonaws.com"
        self._url = f"{base_url.rstrip('/')}/model/{quote(config.model, safe='')}/converse-stream"
        self._stream = VendorStream("aws", KEY, config, deps)

    async def __aenter__(self) -> Self:
        if not self._token:
            await self._chain.credentials()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: the HTTP client is the caller's."""

    async def respond(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        """Streams one response. Closing the generator closes the HTTP stream."""
        asked = body(request)
        if settings := self._inference():
            asked["inferenceConfig"] = settings
        content = msgspec.json.encode(asked)

        async def made() -> Request:
            return Request(self._url, content, await self._headers(content))

        assembly = ConverseAssembly("aws", KEY)
        async with aclosing(self._stream.respond(made, assembly, lambda _: ConverseDecoder("aws"))) as events:
            async for event in events:
                yield event

    def hints(self, messages: tuple[Message, ...]) -> SpeechHints | None:
        """None: anything may be said to a model."""
        return None

    async def _headers(self, content: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/vnd.amazon.eventstream"}
        if self._token:
            return headers | {"Authorization": f"Bearer {self._token}"}
        credentials = await self._chain.credentials()
        now = self._clock.wall()
        return self._signer.headers(
            credentials, "POST", self._url, now=now, headers=headers, body_hash=hash_of(content)
        )

    def _inference(self) -> dict[str, Any]:
        settings = {"maxTokens": self._config.max_tokens, "temperature": self._config.temperature}
        return {name: value for name, value in settings.items() if value is not None}


def create(config: Config, deps: Deps) -> BedrockModel:
    """The driver; opening it raises `UsageError` (`missing_api_key`) where there are no credentials."""
    return BedrockModel(config, deps)
