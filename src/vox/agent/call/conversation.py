"""The conversation as the language model sees it, with one writer: the call.

An answer enters as it is made and is settled once it was played or cut off: what stays is exactly what the caller
heard. Tool calls and their results always stay, also when the answer around them was cut off.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from vox.agent.call.checkpoint import SavedEntry, SavedTool
from vox.errors import UsageError
from vox.providers.llm.contract import MISSING_RESULT, Message, ToolCall

INAUDIBLE = "(inaudible)"
"""What stands for words that the recogniser made nothing of, for models that do not take an empty message for that."""
MAX_CHARACTERS = 400_000
"""Of all messages behind the system prompt: about 100,000 tokens, what the larger models take."""

_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


def fill(text: str, variables: Mapping[str, str]) -> str:
    """The text with each `{{name}}` replaced by that session variable; unknown names become empty."""
    return _VARIABLE.sub(lambda match: variables.get(match.group(1), ""), text)


@dataclass(slots=True)
class Answer:
    """One answer of the agent: text and tool calls of one model response. `Conversation.settle` ends it.

    `before` was heard of it before the call came to this process.
    """

    text: str = ""
    before: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list[ToolCall])
    results: dict[str, str] = field(default_factory=dict[str, str])
    is_settled: bool = False


@dataclass(slots=True)
class Conversation:
    """All messages of one call, bounded in number and characters: the oldest turns behind the system prompt go first.

    `speaker` is who is heard, where several people talk: their name then begins what they say.
    """

    system_prompt: str = ""
    speaker: str = ""
    max_messages: int = 400
    max_characters: int = MAX_CHARACTERS
    _entries: list[Message | Answer] = field(default_factory=list[Message | Answer])
    _last_speaker: str = ""

    def messages(self) -> tuple[Message, ...]:
        """The conversation in OpenAI's shape; answers not yet settled are left out, but for their tool calls."""
        shaped: list[Message] = [{"role": "system", "content": self.system_prompt}] if self.system_prompt else []
        for entry in self._entries:
            if isinstance(entry, Answer):
                shaped.extend(_answer_messages(entry))
            else:
                shaped.append(entry)
        return tuple(shaped)

    def hear(self, text: str, *, continues: bool = False) -> None:
        """Adds what the caller said; `continues` joins it to the caller's last words if nothing was answered since."""
        self._drop_silent_answers()
        last = self._entries[-1] if self._entries else None
        joins = continues and isinstance(last, dict) and last["role"] == "user"
        if self.speaker and not (joins and self.speaker == self._last_speaker):
            text = f"{self.speaker}: {text}"
        self._last_speaker = self.speaker
        if continues and isinstance(last, dict) and last["role"] == "user":
            last["content"] = f"{last['content']} {text}"
            self._forget_oldest()
            return
        self._append({"role": "user", "content": text})

    def reword(self, text: str, by: str) -> None:
        """Puts other words in place of what the caller was first taken to have said; nothing where it is gone."""
        for entry in reversed(self._entries):
            if not isinstance(entry, Answer) and entry["role"] == "user" and text in (entry["content"] or ""):
                entry["content"] = (entry["content"] or "").replace(text, by, 1).strip()
                return

    def begin_answer(self) -> Answer:
        """A new answer, written to by the response that makes it."""
        answer = Answer()
        self._append(answer)
        return answer

    def settle(self, answer: Answer, heard: str) -> None:
        """Ends an answer: `heard` is what the caller heard of it, all of it or the part before the interruption."""
        answer.text = f"{answer.before} {heard.strip()}".strip()
        answer.is_settled = True

    def saved(self, heard: Mapping[int, str]) -> tuple[SavedEntry, ...]:
        """All of it for another process; `heard` has by the `id` of each answer under way what was heard of it."""
        return tuple(_saved(entry, heard) for entry in self._entries)

    def restore(self, entries: Iterable[SavedEntry]) -> None:
        """Takes what `saved` gave, in place of what is here."""
        self._entries = [_restored(entry) for entry in entries]

    def reopen(self) -> Answer:
        """The last answer, to be gone on with; a new one where the caller has spoken since."""
        last = self._entries[-1] if self._entries else None
        if not isinstance(last, Answer):
            return self.begin_answer()
        last.before, last.text, last.is_settled = last.text, "", False
        return last

    def unanswered(self) -> tuple[Answer, list[ToolCall]] | None:
        """The last answer whose tools have not all given a result, with those calls."""
        for entry in reversed(self._entries):
            if isinstance(entry, Answer) and (
                open_calls := [one for one in entry.tool_calls if one.id not in entry.results]
            ):
                return entry, open_calls
        return None

    def add_tool_call(self, answer: Answer, call: ToolCall) -> None:
        """Records that the model asked for a tool, before it runs."""
        answer.tool_calls.append(call)

    def add_tool_result(self, answer: Answer, call_id: str, result: str) -> None:
        """Records a tool's result, whatever became of the answer meanwhile."""
        answer.results[call_id] = result

    def append(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """Adds an application's messages as they stand; raises UsageError where they have not the shape of a chat."""
        self._entries += [_checked(message) for message in messages]
        self._forget_oldest()

    def replace(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """Replaces everything behind the system prompt; a leading system message replaces that too."""
        checked = [_checked(message) for message in messages]
        if checked and checked[0]["role"] == "system":
            self.system_prompt = checked.pop(0)["content"] or ""
        self._entries = list(checked)
        self._forget_oldest()

    def rewrite(self, messages: Iterable[Mapping[str, Any]], *, replace: bool) -> None:
        """Does the one or the other."""
        if replace:
            self.replace(messages)
        else:
            self.append(messages)

    def _append(self, entry: Message | Answer) -> None:
        self._entries.append(entry)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Whole turns go, so that no tool's result stands without its call; the last entry always stays."""
        entries = self._entries
        overflow = max(0, len(entries) - self.max_messages)
        sizes = [_size(entry) for entry in entries]
        characters = sum(sizes[overflow:])
        while overflow < len(entries) - 1 and characters > self.max_characters:
            characters -= sizes[overflow]
            overflow += 1
        if overflow:
            while overflow < len(entries) - 1 and not _begins_turn(entries[overflow]):
                overflow += 1
            del entries[:overflow]

    def _drop_silent_answers(self) -> None:
        while self._entries:
            last = self._entries[-1]
            if not isinstance(last, Answer) or last.tool_calls or last.text or not last.is_settled:
                return
            self._entries.pop()


def _answer_messages(answer: Answer) -> list[Message]:
    text = answer.text if answer.is_settled or answer.tool_calls else ""
    if not answer.tool_calls:
        return [{"role": "assistant", "content": text}] if text else []
    spoken: Message = {
        "role": "assistant",
        "content": text or None,
        "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in answer.tool_calls
        ],
    }
    results: list[Message] = [
        {"role": "tool", "tool_call_id": call.id, "content": answer.results.get(call.id, MISSING_RESULT)}
        for call in answer.tool_calls
    ]
    return [spoken, *results]


def _saved(entry: Message | Answer, heard: Mapping[int, str]) -> SavedEntry:
    if not isinstance(entry, Answer):
        return SavedEntry(message=entry.copy())
    text = entry.text if entry.is_settled else f"{entry.before} {heard.get(id(entry), '')}".strip()
    return SavedEntry(
        heard=text,
        tools=tuple(SavedTool(one.id, one.name, one.arguments, entry.results.get(one.id)) for one in entry.tool_calls),
    )


def _restored(entry: SavedEntry) -> Message | Answer:
    if entry.message is not None:
        return entry.message
    calls = [ToolCall(one.id, one.name, one.arguments) for one in entry.tools]
    results = {one.id: one.result for one in entry.tools if one.result is not None}
    return Answer(entry.heard, "", calls, results, is_settled=True)


def _size(entry: Message | Answer) -> int:
    if not isinstance(entry, Answer):
        return len(entry["content"] or "")
    results = sum(map(len, entry.results.values()))
    return len(entry.text) + results + sum(len(call.arguments) for call in entry.tool_calls)


def _begins_turn(entry: Message | Answer) -> bool:
    return not isinstance(entry, Answer) and entry["role"] == "user"


def _checked(message: Mapping[str, Any]) -> Message:
    try:
        return msgspec.convert(dict(message), Message)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"a context message is not a chat message: {error}",
            code="invalid_context_message",
            hint="give each message a role (system, user, assistant, tool) and a text content",
        ) from error
