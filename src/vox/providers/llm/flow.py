"""A conversation written down in a small YAML, in the place of a language model: no key, no network, no surprise.

The driver keeps nothing of a call. Where a call stands is folded from its user messages by `flows/machine.py` each time;
a bounded memory of prefixes only saves work. A user message without a word counts as not understood. How to write a flow:
docs/how-to/write-a-flow.md.
"""

import asyncio
import importlib.util
import json
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from importlib.resources import files as resources
from pathlib import Path
from types import TracebackType
from typing import Self, cast
from zoneinfo import ZoneInfo

from vox.errors import UsageError
from vox.providers.contract import Deps, DriverConfig
from vox.providers.flows.choice import MOST_CANDIDATES, SURE, Candidate, choose, is_trusted
from vox.providers.flows.fixed_texts import fixed_texts
from vox.providers.flows.grammar import Grammars, unknown_words
from vox.providers.flows.loading import read_script
from vox.providers.flows.machine import Machine
from vox.providers.flows.rendering import fill
from vox.providers.flows.schema import Script, tool_places
from vox.providers.flows.state import Reply, State
from vox.providers.flows.topics import Similarities, Topic
from vox.providers.flows.wording import heard_words
from vox.providers.llm._flow_tools import check_tools
from vox.providers.llm._sentence_vectors import MODEL_FILE, ExampleVectors, SentenceVectors
from vox.providers.llm.contract import MISSING_RESULT, LlmEvent, LlmRequest, Message, TextDelta, ToolCall, ToolSpec
from vox.providers.models.store import ModelStore, models_folder
from vox.providers.stt.contract import SpeechHints, Transcript
from vox.runtime.logging import get_logger

logger = get_logger(__name__)

_REMEMBERED_PREFIXES = 4096
_REMEMBERED_MEANINGS = 4096
_MEANING_TIMEOUT_S = 1.0
_MOST_WAITING = 32
_MODEL = "minilm"
_LONGEST_COMPARED = 400
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


class Config(DriverConfig):
    """Options of the flow agent.

    `flow` is the YAML file; without it the demo restaurant answers. `grammar` is whether hints carry a JSGF grammar; it
    makes every word of the flow be looked up in the recogniser's dictionary at start. `dictionary` is that dictionary
    (CMU format); without it the one that comes with pocketsphinx, and no check where that is not installed.
    `sentence_model` is a folder with `model.onnx` and `vocab.txt` of all-MiniLM-L6-v2; without it the installed model
    `minilm`, as soon as it is there, and until then what is said is compared by its words alone.
    """

    flow: Path | None = None
    grammar: bool = True
    dictionary: Path | None = None
    sentence_model: Path | None = None


class Flow:
    """A scripted agent with the interface of a language model."""

    speaks_first = True
    answers_inaudible = True

    def __init__(self, config: Config, deps: Deps) -> None:
        self._config = config
        self._clock = deps.clock
        self._models = ModelStore(models_folder(deps.environment))
        self._opened: tuple[Machine, Grammars, ZoneInfo | None] | None = None
        self._folds: OrderedDict[tuple[date, tuple[str, ...]], tuple[State, Reply]] = OrderedDict()
        self._meanings: OrderedDict[str, Similarities | None] = OrderedDict()
        self._examples: ExampleVectors[Topic] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def __aenter__(self) -> Self:
        """Reads the flow and checks its words; raises `UsageError` that names place and remedy."""
        script = await asyncio.to_thread(load_script, self._config)
        zone = ZoneInfo(script.timezone) if script.timezone else None
        machine = await asyncio.to_thread(Machine, script)
        self._opened = machine, Grammars(script), zone
        if self._config.sentence_model is not None:
            self._learn(await asyncio.to_thread(SentenceVectors.shared, self._config.sentence_model))
        else:
            await self._learn_installed()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened = None
        self._examples = None
        self._folds.clear()
        self._meanings.clear()
        if self._thread is not None:
            thread, self._thread = self._thread, None
            await asyncio.to_thread(thread.shutdown, cancel_futures=True)

    @property
    def title(self) -> str:
        """What the flow is called."""
        machine, _, _ = self._parts()
        return machine.script.name

    @property
    def suggestions(self) -> tuple[str, ...]:
        """What callers may ask: the flow's own `suggestions`, else one way of asking for each intent."""
        machine, _, _ = self._parts()
        script = machine.script
        if script.suggestions:
            return script.suggestions
        asked = (machine.topics.examples.get(Topic("intent", name), ()) for name in script.intents)
        return tuple(texts[0] for texts in asked if texts)

    @property
    def tool_names(self) -> frozenset[str]:
        """The tools that the flow calls."""
        machine, _, _ = self._parts()
        return frozenset(tool_places(machine.script))

    def check_tools(self, tools: Mapping[str, ToolSpec]) -> None:
        """Raises `UsageError` (code `unknown_flow_tool`) that names each tool the agent lacks, its place and the remedy."""
        machine, _, _ = self._parts()
        check_tools(machine.script, tools, str(self._config.flow or "of the demo"))

    async def respond(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        """Answers the last user message, or announces what a tool has brought, sentence by sentence."""
        machine, _, _ = self._parts()
        if texts := _user_texts(request.messages):
            await self._compare(texts)
        else:
            await self._learn_installed()
        sentences: list[str] = []
        calls: list[ToolCall] = []
        for reply, places in self._replies(request):
            call = reply.call
            texts = reply.say
            if call is not None and all(tool.name != call.tool for tool in request.tools):
                logger.warning("flow_tool_unknown", tool=call.tool)
                texts += machine.outcome(call, "tool not found").say
                call = None
            parts = (part for text in texts for part in _SENTENCE_END.split(fill(text, places)) if part)
            sentences += [part[0].upper() + part[1:] for part in parts]
            if call is not None:
                calls.append(ToolCall(call.id, call.tool, json.dumps(dict(call.arguments))))
            if reply.is_last:
                calls.append(ToolCall(f"end_{len(request.messages)}", "end_call", "{}"))
        for number, sentence in enumerate(sentences, 1):
            yield TextDelta(sentence if number == len(sentences) else sentence + " ")
        for tool_call in calls:
            yield tool_call

    def hints(self, messages: tuple[Message, ...]) -> SpeechHints | None:
        """The grammar and the phrases for what the caller may say next."""
        _, grammars, _ = self._parts()
        state, _ = self._fold(_user_texts(messages), self._today({}))
        has_task = state.phase in {"filling", "confirming", "changing"}
        phase = "open" if state.phase == "closed" else state.phase
        situation = (phase, state.intent if has_task else None, state.asking if phase == "filling" else None)
        return SpeechHints(grammars.grammar(situation) if self._config.grammar else None, grammars.phrases(situation))

    async def choose(self, messages: tuple[Message, ...], transcript: Transcript) -> str:
        """The text that the flow understands best among those that sound alike; the likeliest where that one is clear.

        Empty where what was heard is too doubtful to be answered.
        """
        machine, _, _ = self._parts()
        today = self._today({})
        state, _ = self._fold(_user_texts(messages), today)

        async def candidate(text: str, confidence: float) -> Candidate:
            await self._compare([text])
            return Candidate(confidence, machine.understanding(state, text, today, self._meanings.get(text)))

        texts, candidates = [transcript.text], [await candidate(transcript.text, transcript.confidence or 0.0)]
        if candidates[0].understanding.sureness >= SURE:
            return transcript.text
        for other in transcript.alternatives[: MOST_CANDIDATES - 1]:
            texts.append(other.text)
            candidates.append(await candidate(other.text, other.confidence))
        best = choose(candidates)
        has_confidence = transcript.confidence is not None
        return texts[best] if is_trusted(candidates[best]) or not has_confidence else ""

    def fixed_texts(self) -> list[str]:
        """What the script says word for word, as `respond` writes it."""
        machine, _, _ = self._parts()
        return [text[0].upper() + text[1:] for text in fixed_texts(machine.script)]

    def _replies(self, request: LlmRequest) -> Iterator[tuple[Reply, Mapping[str, str]]]:
        """What is still to be said: outcomes of tools that were not spoken yet, then the answer to the last user message."""
        machine, _, _ = self._parts()
        texts = _user_texts(request.messages)
        places = {f"vars.{name}": value for name, value in request.variables.items()}
        if not texts:
            yield machine.greet(), places
            return
        state, reply = self._fold(texts, self._today(request.variables))
        since = _last_answered(request.messages)
        is_answered = False
        turn = 0
        for index, message in enumerate(request.messages):
            turn += message["role"] == "user"
            call = state.calls.get(turn)
            result = message["content"] or ""
            if message["role"] != "tool" or index < since or call is None or result == MISSING_RESULT:
                continue
            yield machine.outcome(call, result), places | _result_places(result)
            is_answered = is_answered or turn == len(texts)
        if not is_answered:
            yield reply, places

    def _fold(self, texts: tuple[str, ...], today: date) -> tuple[State, Reply]:
        """The state after these user messages, from the longest prefix that is remembered."""
        machine, _, _ = self._parts()
        known = len(texts)
        while known and (today, texts[:known]) not in self._folds:
            known -= 1
        folded = self._folds[today, texts[:known]] if known else (State(said=machine.greet().say), Reply())
        for length in range(known + 1, len(texts) + 1):
            text = texts[length - 1]
            folded = machine.step(folded[0], text, today, self._meanings.get(text))
            self._folds[today, texts[:length]] = folded
        if texts:
            self._folds.move_to_end((today, texts))
        while len(self._folds) > _REMEMBERED_PREFIXES:
            self._folds.popitem(last=False)
        return folded

    async def _learn_installed(self) -> None:
        """Begins to use the installed model, once; it may have been installed since the last call."""
        if self._thread is not None or (files := self._models.files(_MODEL)) is None:
            return
        try:
            self._learn(await asyncio.to_thread(SentenceVectors.shared, files[MODEL_FILE].parent))
        except UsageError as error:
            logger.warning("flow_meaning_unavailable", error=str(error))

    def _learn(self, model: SentenceVectors) -> None:
        if self._thread is None:
            machine, _, _ = self._parts()
            self._thread = ThreadPoolExecutor(1, "vox-meaning")
            self._thread.submit(self._compare_with, model, machine.topics.examples)

    def _compare_with(self, model: SentenceVectors, examples: Mapping[Topic, Sequence[str]]) -> None:
        """Makes the vectors of all examples, in the thread: calls that come in meanwhile are compared by words."""
        self._examples = ExampleVectors(model, examples)
        logger.info("flow understands meanings", topics=len(examples))

    async def _compare(self, texts: Sequence[str]) -> None:
        """Finds out what each of the texts that are new is about; where that takes too long, its words have to do."""
        for text in dict.fromkeys(texts):
            if self._examples is None or text in self._meanings or not heard_words(text):
                continue
            self._meanings[text] = await self._similarities(self._examples, text)
        while len(self._meanings) > _REMEMBERED_MEANINGS:
            self._meanings.popitem(last=False)

    async def _similarities(self, examples: ExampleVectors[Topic], text: str) -> Similarities | None:
        if self._thread is None or self._waiting >= _MOST_WAITING:
            return None
        self._waiting += 1
        try:
            async with asyncio.timeout(_MEANING_TIMEOUT_S):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._thread, examples.similarities, text[:_LONGEST_COMPARED])
        except TimeoutError:
            logger.warning("flow_meaning_late")
            return None
        finally:
            self._waiting -= 1

    def _today(self, variables: Mapping[str, str]) -> date:
        """The session's `today` (ISO) where it has one, so that midnight moves no booking; else the clock's."""
        try:
            return date.fromisoformat(variables["today"])
        except (KeyError, ValueError):
            _, _, zone = self._parts()
            return self._clock.wall().astimezone(zone).date()

    def _parts(self) -> tuple[Machine, Grammars, ZoneInfo | None]:
        if self._opened is None:
            raise UsageError("The flow is not open", code="flow_not_open", hint="use it inside `async with`")
        return self._opened


def create(config: Config, deps: Deps) -> Flow:
    """The driver for these options."""
    return Flow(config, deps)


def load_script(config: Config) -> Script:
    """Reads and checks a flow (blocking); raises `UsageError` with code `invalid_flow`, `flow_unreadable` or `unknown_word`."""
    path = config.flow or resources("vox").joinpath("agent", "config", "demo.yaml")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The flow {path} cannot be read: {error}", code="flow_unreadable", hint="set `flow` to a UTF-8 YAML file"
        ) from error
    script = read_script(text, str(path))
    dictionary = config.dictionary or _pocketsphinx_dictionary()
    if config.grammar and dictionary is not None:
        _check_words(script, dictionary, str(path))
    return script


def _check_words(script: Script, dictionary: Path, source: str) -> None:
    try:
        with dictionary.open(encoding="utf-8") as lines:
            unknown = unknown_words(script, lines)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The dictionary {dictionary} cannot be read: {error}", code="flow_unreadable", hint="correct `dictionary`"
        ) from error
    if unknown:
        listed = ", ".join(f"'{found.word}' at {found.place}" for found in unknown)
        raise UsageError(
            f"The recogniser's dictionary lacks words of the flow {source}: {listed}",
            code="unknown_word",
            hint=f"write them differently, or add `pronounce: {{{unknown[0].word}: P R AH N}}`, or set `grammar: false`",
        )


def _pocketsphinx_dictionary() -> Path | None:
    """The dictionary in pocketsphinx's wheel, found without loading the recogniser into this process."""
    found = importlib.util.find_spec("pocketsphinx")
    folders = found.submodule_search_locations if found is not None else None
    path = Path(folders[0], "model", "en-us", "cmudict-en-us.dict") if folders else None
    return path if path is not None and path.is_file() else None


def _user_texts(messages: Sequence[Message]) -> tuple[str, ...]:
    return tuple(message["content"] or "" for message in messages if message["role"] == "user")


def _last_answered(messages: Sequence[Message]) -> int:
    """The index behind the last words of the agent: tools that reported after it were not announced yet."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if message["role"] == "assistant" and message["content"]:
            called = {call["function"]["name"] for call in message.get("tool_calls", ())}
            if called <= {"end_call"}:
                return index + 1
    return 0


def _result_places(result: str) -> dict[str, str]:
    try:
        data: object = json.loads(result)
    except ValueError:
        return {"result": result}
    if not isinstance(data, dict):
        return {"result": str(data)}
    return {"result": result, **{f"result.{key}": str(value) for key, value in cast("dict[str, object]", data).items()}}
