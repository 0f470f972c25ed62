"""What all calls of one agent server share: the clockwork, the detector, and each agent's opened providers."""

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Any, Self, cast

import httpx2
import msgspec

from vox.agent.config.languages import switch_tool
from vox.agent.config.profile import AgentProfile, with_changes
from vox.agent.config.settings import AgentSettings
from vox.agent.recording.recordings import Recordings
from vox.agent.recording.tools import RECORDING_TOOLS
from vox.agent.tools import message_tool
from vox.agent.tools.call_control import TRANSFER, transfer_spec
from vox.agent.tools.contract import Tool
from vox.agent.tools.python_tools import python_tool
from vox.agent.tools.remote_tools import RemoteTools
from vox.agent.transcripts.call_transcript import CallTranscript
from vox.agent.transcripts.rows import TranscriptRow
from vox.agent.transcripts.store import TranscriptStore
from vox.errors import DependencyError, UsageError
from vox.media.pacer import Pacer
from vox.media.ticker import Ticker
from vox.media.voice_activity import VoiceActivity
from vox.providers import registry
from vox.providers.carriers.contract import CallControl
from vox.providers.contract import Checkable, Deps, Limited, Switching
from vox.providers.failover.members import StageKind
from vox.providers.failover.wrap import options_of, wrap
from vox.providers.llm.contract import Declared, LanguageModel, ToolSpec
from vox.providers.realtime.contract import RealtimeModel
from vox.providers.realtime.stages import RealtimeStages
from vox.providers.stt.contract import SpeechToText
from vox.providers.tts.contract import TextToSpeech
from vox.providers.turns.contract import TurnEnd
from vox.runtime.clock import Clock
from vox.runtime.metrics import Metrics
from vox.security.digests import sha256_hex

OPEN_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
RECORDING_PATIENCE_S = 90.0
"""A recording without a writer is left to another server for longer than a call waits to be gone on with."""
MAX_CHANGED = 1_000
MAX_DRIVERS = 1_000
"""Open drivers; bots that others configure may each ask for one of their own."""
CONNECTIONS = httpx2.Limits(max_connections=2000, max_keepalive_connections=200, keepalive_expiry=60.0)
"""To all vendors together. A call has up to three requests at once; between two turns its connections stay open, because a new one
costs a TLS handshake before the first word."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One named agent, ready to take calls.

    `speaks_first` says that the model begins the conversation where there is no greeting. `not_understood` is said to speech
    that gave no transcript; without it the model answers that too.
    `title` and `suggestions` are the profile's or what the model brings along. `realtime` does all three stages where it is there.
    `turn_end` hears whether a caller has finished, where that is configured.
    """

    name: str
    profile: AgentProfile
    stt: SpeechToText
    llm: LanguageModel
    tts: TextToSpeech
    greeting: str
    not_understood: str
    speaks_first: bool = False
    tools: Mapping[str, Tool] = field(default_factory=dict[str, Tool])
    title: str = ""
    suggestions: tuple[str, ...] = ()
    realtime: RealtimeModel | None = None
    turn_end: TurnEnd | None = None


class Resources:
    """Opens everything that calls need, once; `async with` closes it again.

    Providers with the same name and options are opened once and shared between agents. `recordings`, where calls are recorded, are
    opened by the server, because they look after the files of earlier calls too.

    Attributes:
        on_spoken: is told, by the call's id, of each row of its transcript, stored or not; set before the first call.
    """

    def __init__(self, settings: AgentSettings, clock: Clock, metrics: Metrics, environment: Mapping[str, str]) -> None:
        self.settings = settings
        self.clock = clock
        self.metrics = metrics
        self.agents: dict[str, Agent] = {}
        self.recordings = self._recordings(settings, environment) if settings.recording.enable else None
        self._environment = environment
        self._drivers: dict[str, Any] = {}
        self._changed: dict[str, Agent] = {}
        self._changing = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._deps: Deps | None = None
        self._controls: dict[str, CallControl] = {}
        self._remote_tools = RemoteTools(settings.tool_private_networks, environment, settings.folder)
        self.ticker = Ticker(clock, metrics=metrics)
        self.pacer = Pacer(self.ticker, clock, metrics, lead_s=settings.playout_lead_ms / 1000)
        self.voice_activity = VoiceActivity(self.ticker, metrics)
        self.on_spoken: Callable[[str, TranscriptRow], None] | None = None
        self.transcripts: TranscriptStore | None = None
        if settings.transcripts.enable:
            self.transcripts = TranscriptStore(settings.transcripts, settings.folder, clock, metrics)

    async def __aenter__(self) -> Self:
        try:
            await self._stack.enter_async_context(self.voice_activity)
            if self.transcripts is not None:
                await self._stack.enter_async_context(self.transcripts)
            await self._stack.enter_async_context(self._remote_tools)
            timeout = httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
            http = await self._stack.enter_async_context(httpx2.AsyncClient(timeout=timeout, limits=CONNECTIONS))
            deps = self._deps = Deps(self.clock, http, self.settings.api_keys, self._environment, metrics=self.metrics)
            for name, profile in self.settings.profiles().items():
                self.agents[name] = await self._open(name, profile, deps)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def deps(self) -> Deps:
        """What drivers are given.

        Raises:
            UsageError: they are not open (not_open).
        """
        if self._deps is None:
            raise UsageError("resources are used before they are open", code="not_open")
        return self._deps

    async def check_voice_activity(self) -> None:
        """Returns once the voice detector has answered.

        Raises:
            DependencyError: it is closed.
        """
        await self.voice_activity.check()

    async def check_providers(self) -> None:
        """Asks every opened driver that can tell whether it still works.

        Raises:
            DependencyError: one does not.
        """
        for driver in tuple(self._drivers.values()):
            if isinstance(driver, Checkable):
                await driver.check()

    def begin_transcript(
        self, call_id: str, session_id: str, redact: Callable[[str], str], *, rows: int = 0
    ) -> CallTranscript | None:
        """The transcript of a call that begins; None where there is neither a store nor a listener.

        Args:
            call_id: of the call.
            session_id: that its rows are stored under; empty for the call's own id.
            redact: changes a text before it is kept.
            rows: so many the call has already, written by another process.
        """
        known_by = session_id or call_id
        made = self.transcripts.begin(known_by, redact, rows=rows) if self.transcripts is not None else None
        if self.on_spoken is not None:
            made = made or CallTranscript(known_by, _discard, self.clock, redact=redact, rows=rows)
            made.on_row = partial(self.on_spoken, call_id)
        return made

    def has_room(self) -> bool:
        """Whether every opened driver can serve one more call."""
        return all(driver.has_room for driver in self._drivers.values() if isinstance(driver, Limited))

    def speech_drivers(self, agent: Agent) -> dict[str, str]:
        """The names of the drivers that a new call of this agent would hear and speak with."""
        stt, tts = agent.stt, agent.tts
        return {
            "stt": stt.current if isinstance(stt, Switching) else agent.profile.stage("stt"),
            "tts": tts.current if isinstance(tts, Switching) else agent.profile.stage("tts"),
        }

    def agent_for(self, name: str = "", callee: str = "") -> Agent | None:
        """The agent of that name; else the one that answers the called number; else the default; None: no such name."""
        if name:
            return self.agents.get(name)
        number = plain_number(callee)
        for agent in self.agents.values():
            if number and number in map(plain_number, agent.profile.numbers):
                return agent
        return self.agents.get(self.settings.default_agent) or next(iter(self.agents.values()))

    async def changed_agent(
        self, name: str, profile: Mapping[str, Any], api_keys: Mapping[str, str] = MappingProxyType({})
    ) -> Agent:
        """An agent like the configured one, with other settings; opened once, and the last ones of them are kept.

        Args:
            name: of the configured agent; empty for the default one.
            profile: the keys that are different.
            api_keys: vendors' keys that hold for it alone, beside the configured ones.

        Raises:
            UsageError: there is no such agent (agent_not_found), a key has a wrong value (invalid_setting), or the drivers of all
                that were asked for are too many (too_many_drivers).
            DependencyError: a provider cannot be opened.
        """
        base = self.agent_for(name)
        if base is None:
            raise UsageError(f"no agent is named {name}", code="agent_not_found", hint="name one of the configuration")
        if not profile and not api_keys:
            return base
        key = sha256_hex(msgspec.json.encode([base.name, dict(profile), dict(api_keys)], order="sorted"))
        async with self._changing:
            agent = self._changed.pop(key, None)
            if agent is None:
                deps = replace(self.deps, api_keys={**self.deps.api_keys, **api_keys})
                changed = with_changes(base.profile, profile)
                agent = await self._open(base.name, changed, deps)
            self._changed[key] = agent
            if len(self._changed) > MAX_CHANGED:
                del self._changed[next(iter(self._changed))]
        return agent

    def call_control(self, carrier: str) -> CallControl:
        """The REST side of a carrier, made once."""
        if carrier not in self._controls:
            self._controls[carrier] = registry.create("carriers", carrier, {}, self.deps)
        return self._controls[carrier]

    async def _open(self, name: str, profile: AgentProfile, deps: Deps) -> Agent:
        if profile.realtime_provider:
            return await self._open_realtime(name, profile, deps)
        stt = cast("SpeechToText", await self._stage("stt", profile, profile.stt_options, profile.stt_model, deps))
        llm = cast("LanguageModel", await self._stage("llm", profile, self._llm_options(profile), profile.model, deps))
        tts = cast("TextToSpeech", await self._stage("tts", profile, profile.tts_options, profile.tts_model, deps))
        script = llm if isinstance(llm, Declared) else None
        tools = await self._tools(profile, script)
        return Agent(
            name=name,
            profile=profile,
            stt=stt,
            llm=llm,
            tts=tts,
            greeting=profile.greeting,
            not_understood="" if llm.answers_inaudible else profile.not_understood,
            speaks_first=llm.speaks_first,
            tools=tools,
            turn_end=await self._turn_end(profile, deps),
            title=profile.title or (script.title if script is not None else name),
            suggestions=tuple(profile.suggestions) or (script.suggestions if script is not None else ()),
        )

    async def _open_realtime(self, name: str, profile: AgentProfile, deps: Deps) -> Agent:
        """An agent whose one model hears, thinks and speaks."""
        options = dict(profile.realtime_options)
        if profile.realtime_model:
            options.setdefault("model", profile.realtime_model)
        model = await self._driver("realtime", profile.realtime_provider, options, deps)
        stages = RealtimeStages()
        return Agent(
            name=name,
            profile=profile,
            stt=stages,
            llm=stages,
            tts=stages,
            greeting=profile.greeting,
            not_understood=profile.not_understood,
            tools=await self._tools(profile, None),
            title=profile.title or name,
            suggestions=tuple(profile.suggestions),
            realtime=cast("RealtimeModel", model),
            turn_end=await self._turn_end(profile, deps),
        )

    async def _turn_end(self, profile: AgentProfile, deps: Deps) -> TurnEnd | None:
        if profile.turn_detection != "model":
            return None
        return cast("TurnEnd", await self._driver("turns", profile.turn_provider, profile.turn_options, deps))

    async def _tools(self, profile: AgentProfile, script: Declared | None) -> dict[str, Tool]:
        """The agent's tools by name: the operator's, and the built-in one where it is listed or the flow calls it.

        Raises:
            UsageError: one cannot be imported or used, two have one name, or the flow calls one that is not there.
            DependencyError: an MCP server cannot be reached.
        """
        folder = self.settings.folder
        tools = {
            tool.spec.name: tool
            for tool in (python_tool(path, folder) for path in profile.tools if path != message_tool.NAME)
        }
        remote = self._remote_tools
        tools = await remote.added(tools, profile.http_tools, profile.mcp, timeout_s=profile.tool_timeout_secs)
        client_tools = {tool.name: ToolSpec(tool.name, "", tool.parameters) for tool in profile.client_tools}
        is_called = message_tool.NAME in profile.tools or (script and message_tool.NAME in script.tool_names)
        if is_called and message_tool.NAME not in tools and message_tool.NAME not in client_tools:
            file = (folder / profile.messages_file).resolve()
            tools[message_tool.NAME] = message_tool.take_message_tool(file, self.clock)
        if script is not None:
            calls_own = {spec.name: spec for spec in RECORDING_TOOLS}
            if profile.transfers:
                calls_own[TRANSFER] = transfer_spec(profile.transfers)
            if (switch := switch_tool(profile)) is not None:
                calls_own[switch.name] = switch
            script.check_tools({**calls_own, **client_tools, **{name: tool.spec for name, tool in tools.items()}})
        return tools

    def _recordings(self, settings: AgentSettings, environment: Mapping[str, str]) -> Recordings:
        return Recordings(
            settings.recording,
            settings.folder,
            self.clock,
            self.metrics,
            environment,
            shutdown_timeout_s=settings.shutdown_upload_timeout_secs,
            patience_s=RECORDING_PATIENCE_S if settings.handover_store.get_secret_value() else 0.0,
        )

    def _llm_options(self, profile: AgentProfile) -> dict[str, Any]:
        options = dict(profile.llm_options)
        if profile.flow:
            options.setdefault("flow", str((self.settings.folder / profile.flow).resolve()))
        return options

    async def _stage(
        self, kind: StageKind, profile: AgentProfile, options: Mapping[str, Any], model: str, deps: Deps
    ) -> object:
        """The driver of a stage; of several one that fails over from each to the next."""
        each = options_of(kind, profile.providers(kind), options, model)
        drivers = [(name, await self._driver(kind, name, own, deps)) for name, own in each]
        if len(drivers) == 1:
            return drivers[0][1]
        return wrap(kind, drivers, profile.failover.policy(), self.clock, self.metrics)

    async def _driver(self, kind: registry.Kind, name: str, options: Mapping[str, Any], deps: Deps) -> object:
        key = f"{kind} {name} {msgspec.json.encode(dict(options), order='sorted').decode()}"
        if deps.api_keys != self.settings.api_keys:
            key += sha256_hex(msgspec.json.encode(dict(deps.api_keys), order="sorted"))
        if key not in self._drivers:
            if len(self._drivers) >= MAX_DRIVERS:
                raise UsageError(
                    f"{MAX_DRIVERS} drivers are open and another one is needed",
                    code="too_many_drivers",
                    hint="restart the server; give bots the same providers and options where you can",
                )
            driver = registry.create(kind, name, options, deps)
            try:
                async with asyncio.timeout(OPEN_TIMEOUT_S):
                    self._drivers[key] = await self._stack.enter_async_context(driver)
            except TimeoutError:
                raise DependencyError(
                    f"the {kind} provider {name!r} did not open within {OPEN_TIMEOUT_S:g} s",
                    code="provider_timeout",
                    hint="`vox doctor` says whether it works here",
                ) from None
        return self._drivers[key]


def _discard(row: TranscriptRow) -> None:
    """Stores nothing."""


def plain_number(text: str) -> str:
    """A called number as it compares: carriers write it with and without `+`, people with blanks and dashes."""
    return re.sub(r"[\s().-]", "", text).removeprefix("+").casefold()
