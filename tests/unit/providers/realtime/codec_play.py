"""A realtime codec under test: what it sent, and what may happen to it."""

from typing import Any

from hypothesis import strategies as st

from vox.errors import DependencyError
from vox.providers.llm.contract import Message, ToolSpec
from vox.providers.realtime._codec import Codec
from vox.providers.realtime._gemini_live_wire import FLUSH
from vox.providers.realtime.contract import RealtimeEvent, RealtimeSetup

SETUP = RealtimeSetup("Be brief.", (ToolSpec("book", "Books.", {"type": "object"}),), voice="marin", language="en-GB")
SECOND_24K = bytes(48_000)
SECOND_16K = bytes(32_000)

NAMES = (
    "type", "serverContent", "modelTurn", "parts", "inlineData", "data", "outputTranscription", "inputTranscription", "text",
    "finished", "toolCall", "functionCalls", "id", "name", "args", "turnComplete", "generationComplete", "interrupted",
    "setupComplete", "usageMetadata", "promptTokenCount", "delta", "item_id", "response_id", "response", "metadata", "vox_answer",
    "status", "status_details", "error", "code", "message", "item", "call_id", "arguments", "transcript", "usage", FLUSH,
)  # fmt: skip
WORDS = (
    "session.updated", "response.created", "response.output_audio.delta", "response.output_audio_transcript.delta",
    "response.output_item.done", "function_call", "response.done", "input_audio_buffer.committed", "error", "failed",
    "conversation.item.input_audio_transcription.completed", "incomplete", "content_filter", "1", "AAAA", "not base64!",
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 99) | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=16,
)
messages = st.dictionaries(st.sampled_from(NAMES), values, max_size=8)
steps = st.sampled_from(["push", "commit", "clear", "respond", "say", "cancel", "truncate", "add", "result"])


class Play:
    """A codec and what it sent."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.sent: list[Any] = []
        self.posted: list[Any] = []
        codec.send = self.sent.append
        codec.post = self.posted.append

    def receive(self, *received: Any) -> list[RealtimeEvent]:
        return [event for message in received for event in self.codec.receive(message)]

    def go(self, happenings: list[Any]) -> None:
        """Everything happens, in this order; nothing but `DependencyError` may come of it, which ends the session."""
        self.codec.begin()
        self.codec.resume()
        for happening in happenings:
            if isinstance(happening, str):
                self.step(happening)
                continue
            try:
                self.receive(happening)
            except DependencyError:
                return

    def step(self, step: str) -> None:
        said: Message = {"role": "user", "content": "Hi"}
        codec = self.codec
        match step:
            case "push":
                codec.push(SECOND_24K)
            case "commit":
                codec.commit()
            case "clear":
                codec.clear()
            case "respond":
                codec.respond()
            case "say":
                codec.respond(say="Hi")
            case "cancel":
                codec.cancel()
            case "truncate":
                codec.truncate("item", 5)
            case "add":
                codec.add(said)
            case _:
                codec.add_result("c", "book", "{}")


happenings = st.lists(messages | steps, max_size=12)
