"""The language models of `vox eval`: the one under test, of the agent's configuration, and those that play callers."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast

import msgspec

from vox.errors import UsageError

if TYPE_CHECKING:
    from vox.agent.config.profile import AgentProfile
    from vox.agent.config.settings import AgentSettings
    from vox.clients.evals.model_caller import ChatMessage, Complete
    from vox.clients.evals.scenario import CallerModel
    from vox.providers.contract import Deps
    from vox.providers.llm.contract import LanguageModel

DEFAULT_MODEL: Final = "gpt-4o-mini"
_READ_TIMEOUT_S: Final = 60.0
_CONNECT_TIMEOUT_S: Final = 5.0


class EvalModels:
    """Opens models when they are first asked; `async with` closes them.

    Args:
        config: the agent's configuration; None where there is none: then the model under test is OpenAI's default one.
        environment: the process environment.
    """

    def __init__(self, config: Path | None, environment: Mapping[str, str]) -> None:
        self._config = config
        self._environment = environment
        self._stack = AsyncExitStack()
        self._deps: Deps | None = None
        self._opened: dict[str, LanguageModel] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def under_test(self) -> "Complete":
        """The model that the agent's configuration names."""
        return _asking(await self._configured())

    async def caller(self, wish: "CallerModel | None") -> "Complete":
        """The model that plays a caller: the one that the scenario names, else the agent's own.

        Raises:
            UsageError: neither is there, or the agent's is a flow, which only plays agents (`no_caller_model`).
        """
        if wish is not None:
            options = {**wish.options, **({"model": wish.model} if wish.model else {})}
            return _asking(await self._open([(wish.provider, options)], self._settings()))
        settings = self._settings()
        profile = _default_profile(settings)
        if self._config is None or profile.stage("llm") == "flow":
            raise UsageError(
                "there is no model to play the caller",
                code="no_caller_model",
                hint="name one in the scenario, as in caller: {model: {provider: openai, model: gpt-4o-mini}}",
            )
        return _asking(await self._configured())

    async def _configured(self) -> "LanguageModel":
        from vox.providers.failover.wrap import options_of

        settings = self._settings()
        profile = _default_profile(settings)
        options = dict(profile.llm_options)
        if profile.flow:
            options.setdefault("flow", str((settings.folder / profile.flow).resolve()))
        return await self._open(options_of("llm", profile.providers("llm"), options, profile.model), settings)

    def _settings(self) -> "AgentSettings":
        from vox.agent.config.settings import load

        defaults = {"llm_provider": "openai", "model": DEFAULT_MODEL} if self._config is None else {}
        return load(self._config, self._environment, defaults).settings

    async def _open(self, each: Sequence[tuple[str, dict[str, Any]]], settings: "AgentSettings") -> "LanguageModel":
        """The first of these providers; a fail-over would hide what is to be tested."""
        import httpx2

        from vox.providers import registry
        from vox.providers.contract import Deps
        from vox.runtime.clock import SystemClock

        name, options = each[0]
        key = f"{name} {msgspec.json.encode(options, order='sorted').decode()}"
        if self._deps is None:
            timeout = httpx2.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
            http = await self._stack.enter_async_context(httpx2.AsyncClient(timeout=timeout))
            self._deps = Deps(SystemClock(), http, settings.api_keys, self._environment)
        if key not in self._opened:
            driver = registry.create("llm", name, options, self._deps)
            self._opened[key] = cast("LanguageModel", await self._stack.enter_async_context(driver))
        return self._opened[key]


def _default_profile(settings: "AgentSettings") -> "AgentProfile":
    profiles = settings.profiles()
    return profiles.get(settings.default_agent) or next(iter(profiles.values()))


def _asking(model: "LanguageModel") -> "Complete":
    from vox.providers.llm.contract import LlmRequest, Message, TextDelta

    async def ask(messages: "Sequence[ChatMessage]") -> str:
        request = LlmRequest(tuple(Message(role=one.role, content=one.content) for one in messages))
        stream = model.respond(request)
        try:
            return "".join([event.text async for event in stream if isinstance(event, TextDelta)])
        finally:
            await stream.aclose()

    return ask
