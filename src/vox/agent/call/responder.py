"""One answer at a time: model → sentences → speech, cancellable at any point without losing what was heard.

The model's text is cut into sentences as it streams, and each is synthesised while the next is still being written. A cut
settles the conversation with what the caller heard. The tasks of an answer that was cut may need a while to end (a vendor's
stream wants closing): whatever they still say is of no consequence, because their run is over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from vox.agent.call.answer_run import Keys, Pieces, Run, Sentence, Unfinished, first_of, heard_in, report, unfinished
from vox.agent.call.checkpoint import SavedAnswer
from vox.agent.call.conversation import Answer, Conversation
from vox.agent.call.open_sentence import OpenSentence
from vox.agent.call.playout_ledger import Heard
from vox.agent.call.sentences import SentenceSplitter
from vox.agent.call.speakable import Speakable, SpeakableText
from vox.agent.call.speech_output import SpeechOutput
from vox.agent.call.stall_timer import StallTimer
from vox.agent.call.thoughts import ThoughtFilter
from vox.agent.call.tool_execution import Spawn, ToolCalls
from vox.agent.call.transport import CallTransport, TransfersCalls
from vox.agent.call.turn_latency import TurnLatency
from vox.agent.config.resources import Agent
from vox.agent.metrics import LLM_ERRORS, TTS_ERRORS, TTS_LATENCY
from vox.agent.tools.call_control import DONE, END_CALL, INTERRUPTED, CallActions
from vox.agent.tools.contract import error_result
from vox.agent.tools.settings import Transfer
from vox.errors import DependencyError, VoxError
from vox.media.dtmf import tone
from vox.protocols.agent_events import (
    AgentEvent,
    DigitsSent,
    ModelUsage,
    ResponseStarted,
    ResponseStopped,
    ResponseText,
    SentenceProgress,
    SpeakingChanged,
    SpeechStarted,
    SpeechStopped,
    TurnMetrics,
)
from vox.providers.llm.contract import LlmRequest, TextDelta, ToolCall, Usage
from vox.providers.tts.contract import TakesWords
from vox.runtime.logging import get_logger
from vox.runtime.tracing import tracer

log = get_logger(__name__)

trace = tracer(__name__)

MAX_PIECES_AHEAD = 16
TONE_RATE = 8000
RELEASE_BELOW_S = 0.2
"""Of audio still to be played: before that, waiting for the rest of the sentence costs nothing."""
PLAYED_CHECK_S = 0.05
LINE_DELAY_S = 0.3
"""Until what was sent last has been heard, on a line whose other end keeps a little in stock."""
MAX_ANNOUNCEMENT_S = 60.0


class Responder:
    """The agent's answers in one call.

    Args:
        agent: who answers.
        conversation: what the model sees.
        output: the agent's voice.
        transport: is told how the answer goes.
        times: is told when things happen.
        variables: of the session.
        on_said: takes the text of each answer that is over, as far as it was heard.

    Attributes:
        number: how many answers there were, also in other processes; clients know sentences by it.
        wants_end: why the call should end after the answer that was just played; None: it goes on.
    """

    def __init__(
        self,
        agent: Agent,
        conversation: Conversation,
        output: SpeechOutput,
        transport: CallTransport,
        times: TurnLatency,
        variables: Mapping[str, str],
        *,
        on_said: Callable[[str], None] | None = None,
    ) -> None:
        self._agent = agent
        self._conversation = conversation
        self._output = output
        self._transport = transport
        self._times = times
        self._variables = variables
        self._on_said = on_said
        self._tools = ToolCalls(
            agent.profile,
            agent.tools,
            conversation,
            transport.send_event,
            can_transfer=agent.realtime is None and isinstance(transport, TransfersCalls) and transport.can_transfer,
            clock=times.clock,
            metrics=times.metrics,
        )
        self._spawn: Spawn | None = None
        self._run: Run | None = None
        self.number = 0
        self.wants_end: str | None = None

    def open(self, spawn: Spawn) -> None:
        """Gives the way to start work that the call owns."""
        self._spawn = spawn
        self._tools.open(spawn)

    def use(self, agent: Agent) -> None:
        """Goes on as this agent from the next sentence on; its tools stay those of the one before."""
        self._agent = agent

    async def close(self, grace_s: float) -> None:
        """Cuts the present answer and lets running tools finish, at most `grace_s`."""
        self.cut()
        await self._tools.close(grace_s)

    def respond(self, *, silent: bool = False, preface: str = "") -> None:
        """Has the model answer the conversation as it stands; a silent answer is shown, not spoken. `preface` is said first."""
        self._begin(None, silent=silent, preface=preface)

    def say(self, text: str, *, then_end: str | None = None) -> None:
        """Speaks a text of our own as an answer; `then_end` is why the call ends once it was played."""
        self._times.unasked()
        self._begin(text, silent=False)
        if self._run is not None:
            self._run.end_reason = then_end

    def cut(self) -> None:
        """Ends the answer where it is: the conversation keeps what was heard. Nothing happens without one."""
        run = self._run
        if run is None or run.is_over:
            return
        run.is_over = True
        if run.task is not None:
            run.task.cancel()
        self._generated(run)
        parts = self._output.parts(self._output.cut())
        self._settle(run, parts)
        self._finish(run, parts)

    @property
    def is_written(self) -> bool:
        """Whether there is no answer under way of which anything is still to be made."""
        return self._run is None or self._run.is_over or self._run.is_written

    def unfinished(self) -> tuple[SavedAnswer | None, dict[int, str]]:
        """What another process needs to go on with the answer under way, and by `id` what was heard of its parts."""
        run = self._run
        if run is None or run.is_over:
            return None, {}
        return unfinished(run, self._output.parts(), has_open_tools=self._conversation.unanswered() is not None)

    def resume(self, saved: SavedAnswer) -> None:
        """Goes on with an answer that another process had under way."""
        self._begin(None, silent=False)
        if self._run is not None:  # its task has not run yet
            self._run.planned, self._run.is_resumed = saved, True
            self._run.end_reason, self._run.said_before = saved.end_reason, saved.said_before

    def abandon(self) -> None:
        """Ends the answer here without a word, because another process goes on with it."""
        run = self._run
        if run is not None and not run.is_over:
            run.is_over = True
            if run.task is not None:
                run.task.cancel()

    def audible(self) -> TurnMetrics:
        """The first audio of the answer went out; the numbers of the turn so far."""
        if self._run is not None:
            self._run.is_audible = True
        numbers = self._times.audible()
        self._transport.send_event(numbers)
        return numbers

    def held(self) -> None:
        """The output fell silent because of the caller's voice; it may go on."""
        run = self._run
        if run is not None and run.is_audible and not run.is_over and not run.is_held:
            run.is_held = True
            self._transport.send_event(SpeakingChanged("bot", is_speaking=False))

    def released(self) -> None:
        """The output goes on after `held`."""
        run = self._run
        if run is not None and run.is_held:
            run.is_held = False
            if not run.is_over:
                self._transport.send_event(SpeakingChanged("bot", is_speaking=True))

    def played(self) -> None:
        """The answer was played to its end."""
        run = self._run
        self.wants_end = None
        if run is None or run.is_over:
            return
        run.is_over = True
        self.wants_end = run.end_reason
        parts = self._output.all_parts()
        self._settle(run, parts)
        self._finish(run, parts)

    def progress(self, segment: int) -> None:
        """Tells a client that looks how far the sentences are, in their order, up to this one."""
        run = self._run
        if run is not None and self._transport.shows_progress:
            for part in self._output.parts()[: segment + 1]:
                is_known = part.segment in run.reported  # a sentence that is not whole is announced later
                if is_known and part.is_voiced and part.spoken and part.spoken != run.reported[part.segment]:
                    self._show(run, part, is_over=part.spoken == part.text)

    def client_tool_result(self, call_id: str, result: Any) -> None:
        """The client's answer to a tool that it runs."""
        self._tools.client_result(call_id, result)

    # The making of an answer

    def _begin(self, text: str | None, *, silent: bool, preface: str = "") -> None:
        self.cut()
        if self._spawn is None:
            return
        self.number += 1
        run = self._run = Run(self.number, self._output.begin(), is_silent=silent)
        run.planned = SavedAnswer(f"{preface} {text or ''}".strip(), is_owed=text is None)
        self._times.asked()
        run.task = self._spawn(self._make(run, text, preface), "answer")

    async def _make(self, run: Run, text: str | None, preface: str) -> None:
        """Makes the whole answer; whatever fails in it is told, apologised for, and ends it, not the call."""
        failure: Exception | None = None
        pieces: Pieces = asyncio.Queue(MAX_PIECES_AHEAD)
        try:
            with trace.span("answer"):
                async with asyncio.TaskGroup() as stages:
                    stages.create_task(self._speak_all(run, pieces), name="speak")
                    if preface:
                        await self._recite(run, preface, pieces)
                    if run.is_resumed:
                        await self._go_on(run, pieces)
                    elif text is None:
                        await self._generate(run, pieces)
                    else:
                        await self._recite(run, text, pieces)
                    run.is_written = True
                    await pieces.put(None)
        except* Exception as group:  # noqa: BLE001  a task's top: the caller is told, and the call goes on
            failure = first_of(group)
        if run.is_over:  # cut while it failed: the failure has swallowed the cancellation
            return
        if failure is not None:
            report(failure, self._transport.send_event)
            await self._apologise(run, is_recited=text is not None)
        self._output.end(run.voice)

    async def _go_on(self, run: Run, pieces: Pieces) -> None:
        """Says the rest of an answer, and has the model answer where it had not, or its tools were not done."""
        if run.planned.rest:
            answer = self._conversation.reopen()
            run.answers.append(answer)
            await self._recite(run, run.planned.rest, pieces, answer)
        if (unanswered := self._conversation.unanswered()) is not None:
            answer, calls = unanswered
            await self._tools.run_again(answer, calls, self._actions(run, answer, pieces))
        if run.planned.is_owed:
            await self._generate(run, pieces)

    async def _recite(self, run: Run, text: str, pieces: Pieces, answer: Answer | None = None) -> None:
        run.recited = f"{run.recited} {text}".strip()
        answer = answer or self._new_answer(run)
        splitter = SentenceSplitter(self._agent.profile.stt_language)
        for sentence in [*splitter.push(text), *splitter.flush()]:
            await pieces.put(Sentence(answer, sentence))

    async def _generate(self, run: Run, pieces: Pieces) -> None:
        is_asked_again = False
        for _ in range(self._agent.profile.max_tool_rounds):
            answer = self._new_answer(run)
            with trace.span("generate"):
                calls = await self._generate_round(run, answer, pieces)
            if not calls:
                if self._says_something(run, answer) or run.has_pressed or run.is_over:
                    return
                log.warning("the model answered nothing that reaches the caller", is_asked_again=is_asked_again)
                if is_asked_again:
                    raise DependencyError(
                        "the model answered nothing that reaches the caller, twice", code="empty_answer"
                    )
                is_asked_again = True
                continue
            is_asked_again = False
            if any(call.name == END_CALL.name for call in calls):
                run.end_reason = "agent_ended"
            await self._run_tools(run, answer, calls, pieces)
            if run.end_reason == "transferred" or self._tools.end_answer(calls):
                return
        log.warning("tool rounds exhausted", rounds=self._agent.profile.max_tool_rounds)
        if self._agent.profile.error_message:
            await self._recite(run, self._agent.profile.error_message, pieces)

    async def _run_tools(self, run: Run, answer: Answer, calls: list[ToolCall], pieces: Pieces) -> None:
        """Runs the tools, and says once that it takes a while where it does."""
        text = "" if run.is_silent or run.has_filled else self._tools.filler(calls)
        filler = self._spawn(self._fill(run, answer, text, pieces), "filler") if text and self._spawn else None
        try:
            await self._tools.run(answer, calls, self._actions(run, answer, pieces))
        finally:
            if filler is not None:
                filler.cancel()

    def _actions(self, run: Run, answer: Answer, pieces: Pieces) -> CallActions:
        return CallActions(
            press=lambda keys: self._press(run, answer, keys, pieces),
            transfer=lambda target: self._transfer(run, answer, target, pieces),
        )

    async def _fill(self, run: Run, answer: Answer, text: str, pieces: Pieces) -> None:
        await self._until_quiet(run, pieces)
        await asyncio.sleep(self._agent.profile.tool_filler_secs)
        if not run.is_over:
            run.has_filled = True
            await pieces.put(Sentence(answer, text))

    async def _until_quiet(self, run: Run, pieces: Pieces) -> None:
        """Returns once everything so far was sent, or the answer is over."""
        while not run.is_over and (run.is_speaking or not pieces.empty() or self._output.queued_s > 0):  # noqa: ASYNC110  a caller's voice may hold it
            await asyncio.sleep(max(PLAYED_CHECK_S, self._output.queued_s))

    async def _transfer(self, run: Run, answer: Answer, target: Transfer, pieces: Pieces) -> str:
        """Says the announcement and puts the caller through; a caller who cuts in before keeps the agent."""
        try:
            async with asyncio.timeout(MAX_ANNOUNCEMENT_S):
                splitter = SentenceSplitter(self._agent.profile.stt_language)
                for sentence in [*splitter.push(target.announcement), *splitter.flush()]:
                    await pieces.put(Sentence(answer, sentence))
                await self._until_quiet(run, pieces)
                await asyncio.sleep(LINE_DELAY_S)
        except TimeoutError:  # held, or no task takes pieces any more
            return error_result(INTERRUPTED)
        return error_result(INTERRUPTED) if run.is_over else await self._put_through(run, target)

    async def _put_through(self, run: Run, target: Transfer) -> str:
        """Has the carrier do it; the call then ends here."""
        line = self._transport
        if not isinstance(line, TransfersCalls):
            return error_result("this call cannot be put through")
        try:
            await line.transfer(target.to, caller_id=target.caller_id)
        except VoxError as error:
            log.warning("transfer failed", code=error.code, error=str(error))
            return error_result("the call could not be put through; say so, and offer something else")
        run.end_reason = "transferred"
        return DONE

    def _says_something(self, run: Run, answer: Answer) -> bool:
        """Whether the answer reaches the caller: emoji and code alone are seen, and by phone they are nothing."""
        text = answer.text.strip()
        if not text or run.is_silent or self._transport.shows_progress:
            return bool(text)
        stage = SpeakableText(self._agent.profile.stt_language)
        return any(stage.piece(line).spoken for line in text.splitlines())

    async def _generate_round(self, run: Run, answer: Answer, pieces: Pieces) -> list[ToolCall]:
        splitter = SentenceSplitter(self._agent.profile.stt_language)
        thoughts = ThoughtFilter()
        opening = OpenSentence() if self._may_open(run, pieces) else None
        release = StallTimer(lambda: self._release(run, answer, splitter, pieces, opening))
        calls: list[ToolCall] = []
        request = LlmRequest(
            messages=self._conversation.messages(), tools=self._tools.specs(), variables=self._variables
        )
        run.is_generating = True
        self._transport.send_event(ResponseStarted())
        stream = self._agent.llm.respond(request)
        try:
            async for event in stream:
                if run.is_over:
                    return []
                self._times.token()
                match event:
                    case TextDelta():
                        text = thoughts.push(event.text)
                        self._tell_text(answer, text)
                        for sentence in splitter.push(text):
                            if rest := self._after_opening(run, answer, sentence, opening):
                                await pieces.put(Sentence(answer, rest))
                        if opening is not None and opening.follow(splitter.pending):
                            await pieces.put(Unfinished(answer, opening))
                        release.arm()
                    case ToolCall():
                        calls.append(event)
                    case Usage():
                        log.debug("model usage", prompt=event.prompt_tokens, completion=event.completion_tokens)
                        self._transport.send_event(ModelUsage(event.prompt_tokens, event.completion_tokens))
            rest = thoughts.flush()
            self._tell_text(answer, rest)
        except Exception:
            self._times.metrics.counter(LLM_ERRORS, "provider_error", "", "llm", "").inc()
            self._times.generated(is_failed=True)
            raise
        finally:
            release.cancel()
            self._generated(run)
            await stream.aclose()
        self._times.generated()
        for sentence in [*splitter.push(rest), *splitter.flush()]:
            if left := self._after_opening(run, answer, sentence, opening):
                await pieces.put(Sentence(answer, left))
        return calls

    def _may_open(self, run: Run, pieces: Pieces) -> bool:
        """Whether the next sentence is the first to be heard, by a voice that takes words."""
        tts = self._agent.tts
        is_first = not (run.owners or run.is_silent or run.is_speaking) and pieces.empty()
        return is_first and isinstance(tts, TakesWords) and tts.takes_words

    def _after_opening(self, run: Run, answer: Answer, sentence: str, opening: OpenSentence | None) -> str:
        """What of a whole sentence still has to be spoken, where its beginning is being spoken."""
        if opening is None or opening.is_finished:
            return sentence
        if not opening.is_begun:
            opening.is_finished = True
            return sentence
        rest = opening.finish(sentence, self._stage(run, answer).piece(sentence))
        self._times.synthesis_began(len(opening.text.spoken))
        self._show_new(run, 0, opening.text)
        return rest

    def _release(
        self, run: Run, answer: Answer, splitter: SentenceSplitter, pieces: Pieces, opening: OpenSentence | None
    ) -> bool:
        """Speaks what is there of a sentence that the model does not go on with; False where there is or may be more."""
        if opening is not None and opening.is_begun and not opening.is_finished:
            for piece in splitter.release_words():
                if rest := self._after_opening(run, answer, piece, opening):
                    pieces.put_nowait(Sentence(answer, rest))
            return False
        if run.is_speaking or not pieces.empty() or self._output.queued_s > RELEASE_BELOW_S:
            return False
        released = splitter.release()
        for piece in released:
            pieces.put_nowait(Sentence(answer, piece))
        return not released

    def _tell_text(self, answer: Answer, text: str) -> None:
        if text:
            answer.text += text
            self._transport.send_event(ResponseText(text))

    async def _speak_all(self, run: Run, pieces: Pieces) -> None:
        while (piece := await pieces.get()) is not None:
            if run.is_over:
                return
            if isinstance(piece, Keys):
                self._own(run, piece.answer)
                await self._output.play(run.voice, tone(piece.keys, TONE_RATE), TONE_RATE)
                continue
            run.is_speaking = True
            try:
                if isinstance(piece, Sentence):
                    await self._speak(run, piece.answer, piece.text)
                else:
                    await self._speak_open(run, piece.answer, piece.sentence)
            finally:
                run.is_speaking = False

    async def _speak(self, run: Run, answer: Answer, sentence: str) -> None:
        text = self._stage(run, answer).piece(sentence)
        self._show_new(run, run.shown if run.is_silent else len(run.owners), text)
        if run.is_silent:
            return
        self._own(run, answer, is_voiced=bool(text.spoken))
        self._times.synthesis_began(len(text.spoken))
        tts = self._agent.tts
        voice, language = self._voice
        await self._voiced(len(text.spoken), self._output.speak(run.voice, tts, text, voice=voice, language=language))

    async def _speak_open(self, run: Run, answer: Answer, sentence: OpenSentence) -> None:
        self._own(run, answer)
        self._times.synthesis_began(0)
        tts = cast("TakesWords", self._agent.tts)
        voice, language = self._voice
        await self._voiced(1, self._output.speak_open(run.voice, tts, sentence, voice=voice, language=language))

    async def _voiced(self, characters: int, speaking: Awaitable[bool]) -> None:
        """Measures how a sentence is spoken."""
        metrics, began = self._times.metrics, self._times.clock.now()
        try:
            with trace.span("synthesize", characters=characters):
                is_spoken = await speaking
        except Exception:
            metrics.counter(TTS_ERRORS, "provider_error", "", "tts", "").inc()
            metrics.histogram(TTS_LATENCY, "", "tts", "error", "").observe(self._times.clock.now() - began)
            raise
        if is_spoken and characters:
            metrics.histogram(TTS_LATENCY, "", "tts", "success", "").observe(self._times.clock.now() - began)

    @property
    def _voice(self) -> tuple[str | None, str | None]:
        return self._agent.profile.tts_voice or None, self._agent.profile.stt_language or None

    def _stage(self, run: Run, answer: Answer) -> SpeakableText:
        """What makes the sentences of this answer speakable."""
        if run.spoken_answer is not answer:
            profile = self._agent.profile
            run.spoken_answer = answer
            run.speakable = SpeakableText(profile.stt_language, says_numbers=profile.text_normalization)
        return run.speakable

    def _show_new(self, run: Run, number: int, text: Speakable) -> None:
        self._show(run, Heard(number, text.shown, "", "", bool(text.spoken)), is_over=False)
        run.shown += 1

    def _own(self, run: Run, answer: Answer, *, is_voiced: bool = True) -> None:
        """Notes whose the next piece is, and that synthesis begins with the first that can be heard."""
        if is_voiced and not run.is_voiced:
            run.is_voiced = True
            self._transport.send_event(SpeechStarted())
        run.owners[len(run.owners)] = answer

    async def _apologise(self, run: Run, *, is_recited: bool) -> None:
        text = self._agent.profile.error_message
        if not text or is_recited:
            return
        try:
            await self._speak(run, self._new_answer(run), text)
        except Exception as error:  # noqa: BLE001  the synthesiser may be what failed, and that was reported
            log.debug("apology failed", error=repr(error))

    async def _press(self, run: Run, answer: Answer, keys: str, pieces: Pieces) -> bool:
        """Presses keys on the wire, or has them played as tones after what is said before."""
        if run.is_over:
            return False
        run.has_pressed = True
        self._transport.send_event(DigitsSent(keys))
        if self._transport.send_digits(keys):
            return True
        try:
            async with asyncio.timeout(self._agent.profile.tool_timeout_secs):
                await pieces.put(Keys(answer, keys))
        except TimeoutError:  # no task takes them any more
            return False
        return True

    def _new_answer(self, run: Run) -> Answer:
        answer = self._conversation.begin_answer()
        run.answers.append(answer)
        return answer

    # The end of an answer

    def _generated(self, run: Run) -> None:
        if run.is_generating:
            run.is_generating = False
            self._transport.send_event(ResponseStopped())

    def _settle(self, run: Run, parts: list[Heard]) -> None:
        for answer in run.answers:
            self._conversation.settle(answer, answer.text if run.is_silent else heard_in(run, answer, parts))
        if self._on_said is not None:
            self._on_said(" ".join(filter(None, [run.said_before, *(answer.text for answer in run.answers)])))

    def _finish(self, run: Run, parts: list[Heard]) -> None:
        for part in parts:
            is_shown = part.is_voiced and part.segment in run.owners
            if is_shown and part.text and run.reported.get(part.segment) != part.text:
                if part.segment not in run.reported:
                    self._show(run, replace(part, spoken="", voiced=""), is_over=False)
                self._show(run, part, is_over=True)
        if run.is_voiced:
            self._transport.send_event(SpeechStopped())
        if run.is_audible and not run.is_held:
            self._transport.send_event(SpeakingChanged("bot", is_speaking=False))

    def _show(self, run: Run, part: Heard, *, is_over: bool) -> None:
        status = "completed" if is_over else "in-progress" if part.spoken else "new"
        run.reported[part.segment] = part.spoken
        event: AgentEvent = SentenceProgress(
            f"{run.number}.{part.segment}",
            part.text,
            status,
            spoken=part.spoken,
            voiced=part.voiced,
            remaining=part.remaining,
            will_be_spoken=part.is_voiced and not run.is_silent,
        )
        self._transport.send_event(event)
