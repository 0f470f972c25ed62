"""OpenAI's Realtime API (the generally available form): its messages as a state machine without a socket.

The vendor's own turn detection is off: an utterance is what the call commits. One answer runs at a time there, so the next is
asked for when the one before is over or has confirmed its cancellation. Answers are told apart by a number in their metadata.
"""

import base64
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vox.errors import DependencyError
from vox.providers import _failures
from vox.providers._failures import Key
from vox.providers.llm._answer import inner_object
from vox.providers.llm.contract import Message, ToolSpec
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

RATE: Final = 24_000
PIECE_BYTES: Final = RATE // 10 * 2
"""Audio goes out in pieces of 100 ms."""

_EMPTY_COMMIT = "input_audio_buffer_commit_empty"
_HARMLESS = frozenset({_EMPTY_COMMIT, "response_cancel_not_active", "conversation_already_has_active_response"})
_NUMBER = "vox_answer"


class OpenAiRealtimeCodec:
    """One session's messages.

    Args:
        setup: what the session begins with.
        options: further fields of the session: the model for transcripts, noise reduction, the longest answer.
        key: where the vendor's key stands.
    """

    def __init__(self, setup: RealtimeSetup, options: Mapping[str, Any], key: Key | None = None) -> None:
        self.send: Send = nowhere
        self.post: Send = nowhere
        self._setup = setup
        self._options = options
        self._key = key
        self._audio = bytearray()
        self._uttered = 0
        self._utterances = 0
        self._commits: deque[int] = deque()
        self._utterance_of: dict[str, int] = {}
        self._said: dict[str, str] = {}
        self._answers = 0
        self._active: int | None = None
        self._is_cancelled = False
        self._next: Json | None = None
        self._answer_of: dict[str, int] = {}
        self._is_ready = False

    # Towards the vendor

    def begin(self) -> None:
        """The setup goes out."""
        self.send({"type": "session.update", "session": self._session()})

    def resume(self) -> None:
        """The conversation so far goes out."""
        for message in self._setup.messages:
            self.add(message)

    def push(self, pcm: bytes) -> None:
        """Audio of the utterance."""
        self._audio += pcm
        self._uttered += len(pcm)
        if len(self._audio) >= PIECE_BYTES:
            self._append()

    def commit(self) -> int:
        """The utterance is over; one too short for the vendor is thrown away."""
        self._utterances += 1
        if self._uttered < MIN_UTTERANCE_S * RATE * 2:
            self.clear()
            return self._utterances
        self._append()
        self._uttered = 0
        self._commits.append(self._utterances)
        self.send({"type": "input_audio_buffer.commit"})
        return self._utterances

    def clear(self) -> None:
        """The utterance so far is thrown away."""
        self._audio.clear()
        self._uttered = 0
        self.send({"type": "input_audio_buffer.clear"})

    def respond(self, *, say: str | None = None, is_silent: bool = False) -> int:
        """Asks for an answer."""
        self._answers += 1
        response: dict[str, Any] = {"metadata": {_NUMBER: str(self._answers)}}
        if is_silent:
            response["output_modalities"] = ["text"]
        if say is not None:
            response |= {"instructions": SAY.format(say), "tool_choice": "none"}
        asked: Json = {"type": "response.create", "event_id": _event_id(self._answers), "response": response}
        if self._active is not None:
            self.cancel()
            self._next = asked
        else:
            self._ask(asked)
        return self._answers

    def cancel(self) -> None:
        """The answer under way is not wanted any more."""
        self._next = None
        if self._active is not None and not self._is_cancelled:
            self._is_cancelled = True
            self.send({"type": "response.cancel"})

    def truncate(self, item: str, played_ms: int) -> None:
        """So much of an item was heard."""
        self.send(
            {"type": "conversation.item.truncate", "item_id": item, "content_index": 0, "audio_end_ms": played_ms}
        )

    def add(self, message: Message) -> None:
        """A text enters the conversation."""
        text, role = (message["content"] or "").strip(), message["role"]
        if role == "tool":
            self.add_result(message.get("tool_call_id", ""), "", text)
        elif text:
            kind = "output_text" if role == "assistant" else "input_text"
            self._item({"type": "message", "role": role, "content": [{"type": kind, "text": text}]})
        for call in message.get("tool_calls", ()):
            function = call["function"]
            self._item(
                {
                    "type": "function_call",
                    "call_id": call["id"],
                    "name": function["name"],
                    "arguments": function["arguments"],
                }
            )

    def add_result(self, call_id: str, name: str, result: str) -> None:
        """A tool's result."""
        self._item({"type": "function_call_output", "call_id": call_id, "output": result})

    # From the vendor

    def receive(self, message: Json) -> Iterator[RealtimeEvent]:
        """What a message means; unknown ones mean nothing."""
        match message.get("type"):
            case "session.updated":
                if not self._is_ready:
                    self._is_ready = True
                    yield SessionReady()
            case "input_audio_buffer.committed":
                if self._commits:
                    self._utterance_of[str(message.get("item_id"))] = self._commits.popleft()
            case "conversation.item.input_audio_transcription.delta":
                yield from self._heard(message, str(message.get("delta") or ""), is_final=False)
            case "conversation.item.input_audio_transcription.completed":
                yield from self._heard(message, str(message.get("transcript") or ""), is_final=True)
            case "conversation.item.input_audio_transcription.failed":
                yield from self._heard(message, "", is_final=True)
            case "response.created":
                self._created(inner_object(message.get("response")))
            case "response.output_audio.delta":
                if (answer := self._answer_number(message)) is not None and (
                    pcm := decoded_audio(message.get("delta"))
                ):
                    yield AnswerAudio(answer, str(message.get("item_id")), pcm)
            case "response.output_audio_transcript.delta" | "response.output_text.delta":
                text = message.get("delta")
                if (answer := self._answer_number(message)) is not None and isinstance(text, str) and text:
                    yield AnswerText(answer, str(message.get("item_id")), text)
            case "response.output_item.done":
                item = inner_object(message.get("item"))
                if item.get("type") == "function_call" and (answer := self._answer_number(message)) is not None:
                    name, arguments = str(item.get("name") or ""), str(item.get("arguments") or "{}")
                    yield AnswerCall(answer, str(item.get("call_id") or item.get("id") or ""), name, arguments)
            case "response.done":
                yield from self._done(inner_object(message.get("response")))
            case "error":
                yield from self._failed(inner_object(message.get("error")))
            case _:
                pass

    def _heard(self, message: Json, text: str, *, is_final: bool) -> Iterator[CallerText]:
        item = str(message.get("item_id"))
        number = self._utterance_of.get(item)
        if number is None:
            return
        if is_final:
            del self._utterance_of[item]
            self._said.pop(item, None)
            yield CallerText(number, text.strip())
        elif text:
            self._said[item] = self._said.get(item, "") + text
            yield CallerText(number, self._said[item].strip(), is_final=False)

    def _created(self, response: Json) -> None:
        number = str(inner_object(response.get("metadata")).get(_NUMBER) or "")
        if number.isdecimal():
            self._answer_of[str(response.get("id"))] = int(number)

    def _answer_number(self, message: Json) -> int | None:
        """The answer that a message belongs to; None for one that is not wanted any more."""
        number = self._answer_of.get(str(message.get("response_id")))
        return number if number == self._active and not self._is_cancelled else None

    def _done(self, response: Json) -> Iterator[AnswerEnded]:
        number = self._answer_of.pop(str(response.get("id")), None)
        if number is None:
            number = self._active
        if number is None or number != self._active:
            return
        was_cancelled, self._active, self._is_cancelled = self._is_cancelled, None, False
        if not was_cancelled:
            usage = inner_object(response.get("usage"))
            yield AnswerEnded(
                number,
                self._problem(response),
                prompt_tokens=count(usage.get("input_tokens")),
                completion_tokens=count(usage.get("output_tokens")),
            )
        self._ask_next()

    def _problem(self, response: Json) -> DependencyError | None:
        details = inner_object(response.get("status_details"))
        if response.get("status") == "failed":
            return _failures.reported(
                inner_object(details.get("error")) or "it gave its answer up", "openai", self._key
            )
        if response.get("status") == "incomplete" and details.get("reason") == "content_filter":
            return DependencyError(
                "openai withheld its answer (content_filter)",
                code="provider_answer_filtered",
                hint="the vendor's content filter objected to the conversation or to the answer",
            )
        return None

    def _failed(self, problem: Json) -> Iterator[RealtimeEvent]:
        """An error ends the session before it has begun, else only the answer that could not begin."""
        word = str(problem.get("code"))
        if word == _EMPTY_COMMIT and self._commits:
            yield CallerText(self._commits.popleft(), "")
        if word in _HARMLESS:
            return
        failed = _failures.reported(problem, "openai", self._key)
        if not self._is_ready or failed.code == "provider_refused_key" or word == "session_expired":
            raise failed
        if self._active is not None and problem.get("event_id") == _event_id(self._active):
            number, self._active, self._is_cancelled = self._active, None, False
            yield AnswerEnded(number, failed)
            self._ask_next()

    # Helpers

    def _session(self) -> dict[str, Any]:
        setup, options = self._setup, self._options
        transcription: dict[str, Any] = {"model": options.get("transcription_model")}
        if setup.language:
            transcription["language"] = setup.language.partition("-")[0].lower()
        audio_format = {"type": "audio/pcm", "rate": RATE}
        heard: dict[str, Any] = {"format": audio_format, "turn_detection": None, "transcription": transcription}
        if options.get("noise_reduction"):
            heard["noise_reduction"] = {"type": options["noise_reduction"]}
        spoken: dict[str, Any] = {"format": audio_format}
        if setup.voice:
            spoken["voice"] = setup.voice
        session: dict[str, Any] = {
            "type": "realtime",
            "instructions": setup.instructions,
            "output_modalities": ["audio"],
            "audio": {"input": heard, "output": spoken},
            "tools": [_tool(tool) for tool in setup.tools],
            "tool_choice": "auto",
        }
        if options.get("max_tokens"):
            session["max_output_tokens"] = options["max_tokens"]
        return session

    def _append(self) -> None:
        if self._audio:
            self.send({"type": "input_audio_buffer.append", "audio": base64.b64encode(self._audio).decode()})
            self._audio.clear()

    def _item(self, item: dict[str, Any]) -> None:
        self.send({"type": "conversation.item.create", "item": item})

    def _ask(self, asked: Json) -> None:
        self._active = int(asked["response"]["metadata"][_NUMBER])
        self._is_cancelled = False
        self.send(asked)

    def _ask_next(self) -> None:
        asked, self._next = self._next, None
        if asked is not None:
            self._ask(asked)


def _event_id(answer: int) -> str:
    return f"answer_{answer}"


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
