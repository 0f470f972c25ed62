"""Gemini Live (BidiGenerateContent): its messages as a state machine without a socket.

The vendor's own turn detection is off: the call says where an utterance begins and ends. Unlike at OpenAI the end of an utterance
and the results of tools are answered by themselves; what comes before the call asks for it is held. An answer cannot be cancelled,
only interrupted by the next thing that is said, so the rest of one that is not wanted is skipped up to the end of its turn.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from vox.errors import DependencyError
from vox.providers import _failures
from vox.providers._failures import Key
from vox.providers.llm._alternating import GO_ON
from vox.providers.llm._answer import inner_object, inner_objects, result_object
from vox.providers.llm._gemini_wire import Signatures, contents, declarations
from vox.providers.llm.contract import Message
from vox.providers.realtime._codec import MIN_UTTERANCE_S, SAY, Json, Send, count, decoded_audio, nowhere
from vox.providers.realtime.contract import (
    AnswerAudio,
    AnswerCall,
    AnswerEnded,
    AnswerText,
    CallerText,
    RealtimeEvent,
    RealtimeSetup,
    SessionReady,
)

INPUT_RATE: Final = 16_000
OUTPUT_RATE: Final = 24_000
PIECE_BYTES: Final = INPUT_RATE // 10 * 2
"""Audio goes out in pieces of 100 ms."""
MAX_HELD: Final = 4096
"""Pieces of an answer that the call has not asked for yet."""
FLUSH: Final = "voxFlush"
"""The name of the message by which the codec wakes itself up."""
_REFUSALS: Final = frozenset(
    {"PROHIBITED_INPUT_CONTENT", "IMAGE_PROHIBITED_INPUT_CONTENT", "RESPONSE_REJECTED", "SAFETY"}
)

_Part = AnswerAudio | AnswerText | AnswerCall | AnswerEnded


class GeminiLiveCodec:
    """One session's messages.

    Args:
        setup: what the session begins with.
        model: the vendor's name of it.
        generation: further generation settings.
        key: where the vendor's key stands.
    """

    def __init__(self, setup: RealtimeSetup, model: str, generation: Mapping[str, Any], key: Key | None = None) -> None:
        self.send: Send = nowhere
        self.post: Send = nowhere
        self._setup = setup
        self._model = model
        self._generation = generation
        self._key = key
        self._signatures = Signatures()
        self._audio = bytearray()
        self._uttered = 0
        self._is_uttering = False
        self._utterance = 0
        self._said = ""
        self._results: list[dict[str, Any]] = []
        self._answers = 0
        self._answer: int | None = None
        self._is_unclaimed = False
        self._held: list[_Part] = []
        self._due: list[RealtimeEvent] = []
        self._is_running = False  # the vendor's turn has not ended
        self._is_stale = False  # what comes belongs to a turn that was interrupted
        self._awaits_old_end = False  # the end of the interrupted turn follows its interruption
        self._is_ended = False
        self._tokens = (0, 0)

    # Towards the vendor

    def begin(self) -> None:
        """The setup goes out."""
        setup = self._setup
        spoken: dict[str, Any] = {}
        if setup.voice:
            spoken["voiceConfig"] = {"prebuiltVoiceConfig": {"voiceName": setup.voice}}
        generation: dict[str, Any] = {"responseModalities": ["AUDIO"], **self._generation}
        if spoken:
            generation["speechConfig"] = spoken
        asked: dict[str, Any] = {
            "model": f"models/{self._model}",
            "generationConfig": generation,
            "realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}},
            "inputAudioTranscription": {},
            "outputAudioTranscription": {},
        }
        if setup.instructions:
            asked["systemInstruction"] = {"parts": [{"text": setup.instructions}]}
        if setup.tools:
            asked["tools"] = [{"functionDeclarations": declarations(setup.tools)}]
        self.send({"setup": asked})

    def resume(self) -> None:
        """The conversation so far goes out."""
        if self._setup.messages:
            turns = contents(self._setup.messages, self._signatures, sends_ids=True)
            if turns[-1]["parts"] == [{"text": GO_ON}]:
                turns.pop()
            self.send({"clientContent": {"turns": turns, "turnComplete": False}})

    def push(self, pcm: bytes) -> None:
        """Audio of the utterance."""
        self._audio += pcm
        self._uttered += len(pcm)
        if len(self._audio) >= PIECE_BYTES:
            self._append()

    def commit(self) -> int:
        """The utterance is over, and the vendor answers it."""
        self._utterance += 1
        self._said = ""
        if self._uttered < MIN_UTTERANCE_S * INPUT_RATE * 2:
            self.clear()
            return self._utterance
        self._append()
        self._end_utterance()
        self._begin_answer(None, is_unclaimed=True)
        return self._utterance

    def clear(self) -> None:
        """The utterance is thrown away: the vendor has heard what was sent, and its answer is skipped."""
        self._audio.clear()
        self._uttered = 0
        if self._is_uttering:
            self._end_utterance()
            self._begin_answer(None, is_unclaimed=False)

    def respond(self, *, say: str | None = None, is_silent: bool = False) -> int:
        """Asks for an answer, or takes the one that is coming by itself."""
        self._answers += 1
        if say is not None:
            self._ask([{"role": "user", "parts": [{"text": SAY.format(say)}]}])
        elif self._results:
            self.send({"toolResponse": {"functionResponses": self._results}})
            self._results = []
            self._begin_answer(self._answers, is_unclaimed=False)
        elif self._is_unclaimed:
            self._answer, self._is_unclaimed = self._answers, False
            if self._held:
                self.post({FLUSH: True})
        else:
            self._ask([])
        return self._answers

    def cancel(self) -> None:
        """What comes of the answer under way is skipped; one that comes by itself may still be asked for."""
        self._answer = None

    def truncate(self, item: str, played_ms: int) -> None:
        """Nothing: this vendor cannot be told how much was heard."""

    def add(self, message: Message) -> None:
        """A text enters the conversation."""
        if text := (message["content"] or "").strip():
            role = "model" if message["role"] == "assistant" else "user"
            turns = [{"role": role, "parts": [{"text": text}]}]
            self.send({"clientContent": {"turns": turns, "turnComplete": False}})

    def add_result(self, call_id: str, name: str, result: str) -> None:
        """A tool's result, sent with the others when an answer to them is asked for."""
        self._results.append({"id": call_id, "name": name, "response": result_object(result)})

    # From the vendor

    def receive(self, message: Json) -> Iterator[RealtimeEvent]:
        """What a message means; unknown ones mean nothing."""
        if "setupComplete" in message:
            yield SessionReady()
        if FLUSH in message:
            yield from self._release()
        if problem := message.get("error"):
            raise _failures.reported(problem, "google", self._key)
        usage = inner_object(message.get("usageMetadata"))
        if usage:
            self._tokens = (count(usage.get("promptTokenCount")), count(usage.get("responseTokenCount")))
        content = inner_object(message.get("serverContent"))
        yield from self._heard(inner_object(content.get("inputTranscription")))
        for part in self._content(content, inner_object(message.get("toolCall"))):
            if self._answer is not None:
                yield from self._release()
                yield replace(part, answer=self._answer)
            elif self._is_unclaimed and len(self._held) < MAX_HELD:
                self._held.append(part)

    def _content(self, content: Json, tool_call: Json) -> Iterator[_Part]:
        if self._is_stale:
            self._skip(content)
            return
        if self._is_ended and not content.get("turnComplete"):
            return
        item = str(self._answers)
        for part in inner_objects(inner_object(content.get("modelTurn")).get("parts")):
            if pcm := decoded_audio(inner_object(part.get("inlineData")).get("data")):
                yield AnswerAudio(0, item, pcm)
        text = inner_object(content.get("outputTranscription")).get("text")
        if isinstance(text, str) and text:
            yield AnswerText(0, item, text)
        calls = inner_objects(tool_call.get("functionCalls"))
        for call in calls:
            arguments = msgspec.json.encode(call.get("args") or {}).decode()
            call_id = str(call.get("id") or self._signatures.new_id())
            yield AnswerCall(0, call_id, str(call.get("name") or ""), arguments)
        reason = str(content.get("turnCompleteReason") or "")
        if calls:
            self._is_running = False  # the vendor waits for the results
            yield from self._end(None)
        elif content.get("turnComplete") and self._awaits_old_end and not self._is_ended:
            self._awaits_old_end = False
        elif content.get("turnComplete"):
            self._is_running = self._awaits_old_end = False
            yield from self._end(_withheld(reason) if reason in _REFUSALS else None)
        elif content.get("generationComplete"):
            yield from self._end(None)

    def _skip(self, content: Json) -> None:
        """What is left of an interrupted turn; its end may follow its interruption in a message of its own."""
        if content.get("turnComplete"):
            self._is_stale = False
        elif content.get("interrupted"):
            self._is_stale, self._awaits_old_end = False, True

    def _end(self, error: DependencyError | None) -> Iterator[AnswerEnded]:
        if not self._is_ended:
            self._is_ended = True
            prompt, completion = self._tokens
            yield AnswerEnded(0, error, prompt_tokens=prompt, completion_tokens=completion)

    def _heard(self, said: Json) -> Iterator[CallerText]:
        """The text of an utterance comes in pieces, of which only sometimes one says that it is the last."""
        text = said.get("text")
        if isinstance(text, str) and text:
            self._said += text
            yield CallerText(self._utterance, self._said.strip(), is_final=said.get("finished") is True)
        elif said.get("finished") is True:
            yield CallerText(self._utterance, self._said.strip())

    def _release(self) -> Iterator[RealtimeEvent]:
        """What was held until the call asked for it, and the ends of answers that were interrupted."""
        due, self._due = self._due, []
        yield from due
        held, self._held = self._held, []
        if self._answer is not None:
            for part in held:
                yield replace(part, answer=self._answer)

    # Helpers

    def _append(self) -> None:
        if not self._is_uttering:
            self._is_uttering = True
            self.send({"realtimeInput": {"activityStart": {}}})
            self._speak_over()
        if self._audio:
            data = base64.b64encode(self._audio).decode()
            self.send({"realtimeInput": {"audio": {"data": data, "mimeType": f"audio/pcm;rate={INPUT_RATE}"}}})
            self._audio.clear()

    def _end_utterance(self) -> None:
        self._is_uttering, self._uttered = False, 0
        self.send({"realtimeInput": {"activityEnd": {}}})

    def _ask(self, turns: list[dict[str, Any]]) -> None:
        self.send({"clientContent": {"turns": turns, "turnComplete": True}})
        self._interrupt()
        self._begin_answer(self._answers, is_unclaimed=False)

    def _speak_over(self) -> None:
        """The caller's voice ends the vendor's turn: what there is of the answer is all of it."""
        if self._is_running and self._answer is not None and not self._is_ended:
            self._is_ended = True
            self._due.append(AnswerEnded(self._answer))
            self.post({FLUSH: True})
        self._interrupt()

    def _interrupt(self) -> None:
        """The vendor's turn, if there is one, is over by what was just sent."""
        self._is_stale = self._is_stale or self._is_running
        self._is_running = False

    def _begin_answer(self, answer: int | None, *, is_unclaimed: bool) -> None:
        self._answer, self._is_unclaimed = answer, is_unclaimed
        self._held.clear()
        self._is_running, self._is_ended = True, False


def _withheld(reason: str) -> DependencyError:
    return DependencyError(
        f"google withheld its answer ({reason})",
        code="provider_answer_filtered",
        hint="the vendor's content filter objected to the conversation or to the answer",
    )
