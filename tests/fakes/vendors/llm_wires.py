"""How each model vendor writes an answer, for `llm_server`: from the vendors' public documentation."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from vox.providers._aws_event_stream import EventMessage, encode


@dataclass(frozen=True)
class Call:
    """A tool call that the vendor's model asks for."""

    id: str
    name: str
    arguments: str


class Wire(Protocol):
    """One vendor: how its driver is opened, and how it writes what.

    Attributes:
        name: the driver's.
        environment: that opens the driver.
        secret: the key that may stand in no error.
        key_place: what an error about a missing key names; `refused_place`: one about a refused key.
        bare_environment: that holds no key.
        gives_ids: whether the vendor names its calls.
        content_type: of its answers.
        pulse: its sign of life; empty where it has none.
    """

    name: str
    environment: Mapping[str, str]
    options: Mapping[str, Any]
    secret: str
    key_place: str
    refused_place: str
    bare_environment: Mapping[str, str]
    gives_ids: bool
    content_type: str
    pulse: bytes

    def prepare(self, folder: Path, base_url: str) -> None:
        """Writes what the driver needs on the disk."""
        ...

    def text(self, *pieces: str) -> list[bytes]:
        """Pieces of text, without the end."""
        ...

    def thought(self, text: str) -> list[bytes]:
        """A thought, which is not to be spoken."""
        ...

    def calls(self, *calls: Call) -> list[bytes]:
        """Tool calls, streamed in pieces where the vendor does so."""
        ...

    def end(self, reason: str = "stop") -> list[bytes]:
        """The end, with 7 tokens read and 2 written; `reason`: stop, tools, length, filter."""
        ...

    def problem(self) -> list[bytes]:
        """An error inside a stream that began well: the vendor is overloaded."""
        ...

    def refusal(self, words: str) -> bytes:
        """The body of an error."""
        ...

    def is_authorised(self, headers: Mapping[str, str]) -> bool:
        """Whether the request carried the key the way the vendor wants it."""
        ...

    def results(self, asked: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The results of tools in a request, each with what it names the call by."""
        ...


def sse(data: object, name: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


class Anthropic:
    """https://docs.anthropic.com/en/api/messages-streaming"""

    name = "anthropic"
    environment: Mapping[str, str] = {"ANTHROPIC_API_KEY": "sk-ant-1"}
    options: Mapping[str, Any] = {}
    secret = "sk-ant-1"
    key_place = refused_place = "ANTHROPIC_API_KEY"
    bare_environment: Mapping[str, str] = {}
    gives_ids = True
    content_type = "text/event-stream"
    pulse = sse({"type": "ping"}, "ping")

    def __init__(self) -> None:
        self._index = 0

    def prepare(self, folder: Path, base_url: str) -> None:
        """Nothing."""

    def _event(self, kind: str, **fields: Any) -> bytes:
        return sse({"type": kind, **fields}, kind)

    def _begin(self) -> bytes:
        self._index = 0
        usage = {"input_tokens": 3, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "usage": usage}
        return self._event("message_start", message=message)

    def _block(self, block: dict[str, Any], deltas: Sequence[dict[str, Any]]) -> list[bytes]:
        index, self._index = self._index, self._index + 1
        return [
            self._event("content_block_start", index=index, content_block=block),
            self.pulse,
            *(self._event("content_block_delta", index=index, delta=delta) for delta in deltas),
            self._event("content_block_stop", index=index),
        ]

    def text(self, *pieces: str) -> list[bytes]:
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
        return [self._begin(), *self._block({"type": "text", "text": ""}, deltas)]

    def thought(self, text: str) -> list[bytes]:
        deltas = [{"type": "thinking_delta", "thinking": text}, {"type": "signature_delta", "signature": "c2ln"}]
        return self._block({"type": "thinking", "thinking": ""}, deltas)

    def calls(self, *calls: Call) -> list[bytes]:
        pieces: list[bytes] = []
        for call in calls:
            half = len(call.arguments) // 2
            deltas = [
                {"type": "input_json_delta", "partial_json": part}
                for part in ("", call.arguments[:half], call.arguments[half:])
            ]
            pieces += self._block({"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, deltas)
        return pieces

    def end(self, reason: str = "stop") -> list[bytes]:
        word = {"stop": "end_turn", "tools": "tool_use", "length": "max_tokens", "filter": "refusal"}[reason]
        delta = {"stop_reason": word, "stop_sequence": None}
        return [self._event("message_delta", delta=delta, usage={"output_tokens": 2}), self._event("message_stop")]

    def problem(self) -> list[bytes]:
        return [self._event("error", error={"type": "overloaded_error", "message": "Overloaded"})]

    def refusal(self, words: str) -> bytes:
        return json.dumps({"type": "error", "error": {"type": "some_error", "message": words}}).encode()

    def is_authorised(self, headers: Mapping[str, str]) -> bool:
        return headers.get("x-api-key") == self.secret and headers.get("anthropic-version") == "2023-06-01"

    def results(self, asked: Mapping[str, Any]) -> list[tuple[str, str]]:
        blocks = [block for message in asked["messages"] for block in message["content"]]
        return [(block["tool_use_id"], block["content"]) for block in blocks if block["type"] == "tool_result"]


class Gemini:
    """https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent"""

    name = "google"
    environment: Mapping[str, str] = {"GEMINI_API_KEY": "AIza-1"}
    options: Mapping[str, Any] = {}
    secret = "AIza-1"
    key_place = refused_place = "GEMINI_API_KEY"
    bare_environment: Mapping[str, str] = {}
    gives_ids = False
    content_type = "text/event-stream"
    pulse = b""

    def prepare(self, folder: Path, base_url: str) -> None:
        """Nothing."""

    def _chunk(self, *parts: dict[str, Any], **fields: Any) -> bytes:
        candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **fields}
        return sse({"candidates": [candidate], "modelVersion": "gemini-2.5-flash", "responseId": "r1"})

    def text(self, *pieces: str) -> list[bytes]:
        return [self._chunk({"text": piece}) for piece in pieces]

    def thought(self, text: str) -> list[bytes]:
        return [self._chunk({"text": text, "thought": True})]

    def calls(self, *calls: Call) -> list[bytes]:
        return [
            self._chunk(
                {"functionCall": {"name": call.name, "args": json.loads(call.arguments)}, "thoughtSignature": "c2ln"}
            )
            for call in calls
        ]

    def end(self, reason: str = "stop") -> list[bytes]:
        word = {"stop": "STOP", "tools": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY"}[reason]
        usage = {"promptTokenCount": 7, "candidatesTokenCount": 1, "thoughtsTokenCount": 1, "totalTokenCount": 9}
        candidate = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": word, "index": 0}
        return [sse({"candidates": [candidate], "usageMetadata": usage})]

    def problem(self) -> list[bytes]:
        return [sse({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}})]

    def refusal(self, words: str) -> bytes:
        return json.dumps({"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}).encode()

    def is_authorised(self, headers: Mapping[str, str]) -> bool:
        return headers.get("x-goog-api-key") == self.secret

    def results(self, asked: Mapping[str, Any]) -> list[tuple[str, str]]:
        parts = [part for content in asked["contents"] for part in content["parts"]]
        answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
        return [(answer["name"], json.dumps(answer["response"])) for answer in answers]


class Vertex(Gemini):
    """https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference"""

    name = "google_vertex"
    secret = "ya29.token"
    key_place = "GOOGLE_APPLICATION_CREDENTIALS"
    refused_place = "permissions"
    bare_environment: Mapping[str, str] = {"GCE_METADATA_HOST": "127.0.0.1:9"}

    def prepare(self, folder: Path, base_url: str) -> None:
        """The key of a service account, whose tokens this server gives."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        account = {
            "type": "service_account",
            "project_id": "p1",
            "client_email": "vox@p1.iam.gserviceaccount.com",
            "private_key": pem,
            "private_key_id": "k1",
            "token_uri": f"{base_url}/token",
        }
        file = folder / "account.json"
        file.write_text(json.dumps(account))
        self.environment = {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}

    def is_authorised(self, headers: Mapping[str, str]) -> bool:
        return headers.get("authorization") == f"Bearer {self.secret}"


class Bedrock:
    """https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html"""

    name = "aws"
    environment: Mapping[str, str] = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "aws-secret-1"}
    options: Mapping[str, Any] = {"region": "eu-central-1"}
    secret = "aws-secret-1"
    key_place = refused_place = "AWS_SECRET_ACCESS_KEY"
    bare_environment: Mapping[str, str] = {"AWS_EC2_METADATA_DISABLED": "true"}
    gives_ids = True
    content_type = "application/vnd.amazon.eventstream"
    pulse = b""

    def __init__(self) -> None:
        self._index = 0

    def prepare(self, folder: Path, base_url: str) -> None:
        """Nothing."""

    def _event(self, kind: str, **fields: Any) -> bytes:
        headers = {":message-type": "event", ":event-type": kind, ":content-type": "application/json"}
        return encode(EventMessage(json.dumps({**fields, "p": "abcd"}).encode(), headers))

    def _block(self, deltas: list[dict[str, Any]], start: dict[str, Any] | None = None) -> list[bytes]:
        index, self._index = self._index, self._index + 1
        begin = [self._event("contentBlockStart", contentBlockIndex=index, start=start)] if start else []
        return [
            *begin,
            *(self._event("contentBlockDelta", contentBlockIndex=index, delta=delta) for delta in deltas),
            self._event("contentBlockStop", contentBlockIndex=index),
        ]

    def text(self, *pieces: str) -> list[bytes]:
        self._index = 0
        return [self._event("messageStart", role="assistant"), *self._block([{"text": piece} for piece in pieces])]

    def thought(self, text: str) -> list[bytes]:
        return self._block([{"reasoningContent": {"text": text}}, {"reasoningContent": {"signature": "c2ln"}}])

    def calls(self, *calls: Call) -> list[bytes]:
        pieces: list[bytes] = []
        for call in calls:
            half = len(call.arguments) // 2
            deltas = [{"toolUse": {"input": part}} for part in (call.arguments[:half], call.arguments[half:])]
            pieces += self._block(deltas, {"toolUse": {"toolUseId": call.id, "name": call.name}})
        return pieces

    def end(self, reason: str = "stop") -> list[bytes]:
        words = {"stop": "end_turn", "tools": "tool_use", "length": "max_tokens", "filter": "content_filtered"}
        usage = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 9, "cacheReadInputTokens": 4}
        return [
            self._event("messageStop", stopReason=words[reason]),
            self._event("metadata", usage=usage, metrics={"latencyMs": 5}),
        ]

    def problem(self) -> list[bytes]:
        headers = {":message-type": "exception", ":exception-type": "serviceUnavailableException"}
        return [encode(EventMessage(b'{"message": "Bedrock is unable to process your request."}', headers))]

    def refusal(self, words: str) -> bytes:
        return json.dumps({"message": words}).encode()

    def is_authorised(self, headers: Mapping[str, str]) -> bool:
        return "AWS4-HMAC-SHA256 Credential=AKIA1/" in headers.get("authorization", "")

    def results(self, asked: Mapping[str, Any]) -> list[tuple[str, str]]:
        blocks = [block for message in asked["messages"] for block in message["content"]]
        answers = [block["toolResult"] for block in blocks if "toolResult" in block]
        return [(answer["toolUseId"], answer["content"][0]["text"]) for answer in answers]


class ChatCompletions:
    """https://platform.openai.com/docs/api-reference/chat-streaming"""

    name = "openai"
    environment: Mapping[str, str] = {"OPENAI_API_KEY": "sk-openai-1"}
    options: Mapping[str, Any] = {}
    secret = "sk-openai-1"
    key_place = refused_place = "OPENAI_API_KEY"
    bare_environment: Mapping[str, str] = {}
    gives_ids = True
    content_type = "text/event-stream"
    pulse = b": keep-alive\n\n"

    def prepare(self, folder: Path, base_url: str) -> None:
        """Nothing."""

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return sse({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]})

    def text(self, *pieces: str) -> list[bytes]:
        return [self._chunk({"role": "assistant", "content": ""}), *(self._chunk({"content": each}) for each in pieces)]

    def thought(self, text: str) -> list[bytes]:
        return [self._chunk({"reasoning_content": text})]

    def calls(self, *calls: Call) -> list[bytes]:
        pieces: list[bytes] = []
        for index, call in enumerate(calls):
            half = len(call.arguments) // 2
            head = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
            pieces.append(self._chunk({"tool_calls": [head]}))
            pieces += [
                self._chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
                for part in (call.arguments[:half], call.arguments[half:])
            ]
        return pieces

    def end(self, reason: str = "stop") -> list[bytes]:
        word = {"stop": "stop", "tools": "tool_calls", "length": "length", "filter": "content_filter"}[reason]
        usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
        return [self._chunk({}, word), sse({"id": "c1", "choices": [], "usage": usage}), b"data: [DONE]\n\n"]

    def problem(self) -> list[bytes]:
        return [sse({"error": {"message": "The server is overloaded", "type": "server_error", "code": None}})]

    def refusal(self, words: str) -> bytes:
        return json.dumps({"error": {"message": words, "type": "invalid_request_error", "code": None}}).encode()

    def is_authorised(self, headers: Mapping[str, str]) -> bool:
        return headers.get("authorization") == f"Bearer {self.secret}"

    def results(self, asked: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(each["tool_call_id"], each["content"]) for each in asked["messages"] if each["role"] == "tool"]


class Responses(ChatCompletions):
    """https://platform.openai.com/docs/api-reference/responses-streaming"""

    options: Mapping[str, Any] = {"api": "responses"}

    def __init__(self) -> None:
        self._index = 0

    def _event(self, kind: str, **fields: Any) -> bytes:
        return sse({"type": kind, "sequence_number": 1, **fields}, kind)

    def text(self, *pieces: str) -> list[bytes]:
        self._index = 1
        item = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
        deltas = [
            self._event("response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta=piece)
            for piece in pieces
        ]
        return [
            self._event("response.created", response={"id": "resp_1", "status": "in_progress"}),
            self._event("response.output_item.added", output_index=0, item=item),
            *deltas,
        ]

    def thought(self, text: str) -> list[bytes]:
        return [self._event("response.reasoning_summary_text.delta", output_index=9, delta=text)]

    def calls(self, *calls: Call) -> list[bytes]:
        pieces: list[bytes] = []
        for call in calls:
            index, self._index = self._index, self._index + 1
            half = len(call.arguments) // 2
            item = {
                "id": f"fc_{index}",
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": "",
            }
            pieces.append(self._event("response.output_item.added", output_index=index, item=item))
            pieces += [
                self._event("response.function_call_arguments.delta", output_index=index, delta=part)
                for part in (call.arguments[:half], call.arguments[half:])
            ]
            done = {**item, "arguments": call.arguments}
            pieces.append(self._event("response.output_item.done", output_index=index, item=done))
        return pieces

    def end(self, reason: str = "stop") -> list[bytes]:
        usage = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
        if reason in {"stop", "tools"}:
            return [self._event("response.completed", response={"status": "completed", "usage": usage})]
        details = {"reason": "max_output_tokens" if reason == "length" else "content_filter"}
        response = {"status": "incomplete", "incomplete_details": details, "usage": usage}
        return [self._event("response.incomplete", response=response)]

    def problem(self) -> list[bytes]:
        error = {"code": "server_error", "message": "The server had an error"}
        return [self._event("response.failed", response={"status": "failed", "error": error})]

    def results(self, asked: Mapping[str, Any]) -> list[tuple[str, str]]:
        outputs = [item for item in asked["input"] if item.get("type") == "function_call_output"]
        return [(item["call_id"], item["output"]) for item in outputs]


WIRES: tuple[type[Wire], ...] = (Anthropic, Gemini, Vertex, Bedrock, ChatCompletions, Responses)
"""Every wire that a driver speaks."""
