"""How vendors write a streamed chat answer: each row is a dialect, its events, and what is to be made of them.

Events are chunks as objects, or raw lines as text. The result lists texts (joined), tool calls as (name, arguments), and an
error as its code.
"""

import json
from dataclasses import dataclass
from typing import Any

DONE = "data: [DONE]\n\n"
OSLO = '{"city":"Oslo"}'
ROME = '{"city":"Rome"}'
CALL = ("get_weather", OSLO)


@dataclass(frozen=True)
class Dialect:
    """One way to write an answer."""

    name: str
    events: tuple[Any, ...]
    expected: tuple[Any, ...]


def chunk(delta: Any = None, finish: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def text(*pieces: Any, finish: Any = "stop") -> tuple[Any, ...]:
    return (*(chunk({"content": piece}) for piece in pieces), chunk({}, finish), DONE)


def call(name: Any = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return chunk({"tool_calls": [{"function": function, **more}]})


def calls(*pieces: Any, finish: Any = "tool_calls") -> tuple[Any, ...]:
    return (*pieces, chunk({}, finish), DONE)


def wire(events: tuple[Any, ...]) -> bytes:
    """The body of the answer."""
    return "".join(e if isinstance(e, str) else f"data: {json.dumps(e)}\n\n" for e in events).encode(
        "utf-8", "surrogatepass"
    )


_TOOL_CALLS = [
    Dialect(
        "name in every piece",
        calls(call("get_weather", "", index=0, id="a"), call("get_weather", OSLO, index=0, id="a")),
        (CALL,),
    ),
    Dialect(
        "name in pieces",
        calls(call("get_", "", index=0, id="a"), call("weather", "", index=0), call(None, OSLO, index=0)),
        (CALL,),
    ),
    Dialect("name growing", calls(call("get_", "", index=0, id="a"), call("get_weather", OSLO, index=0)), (CALL,)),
    Dialect(
        "name after arguments", calls(call(None, OSLO, index=0, id="a"), call("get_weather", None, index=0)), (CALL,)
    ),
    Dialect(
        "no index, one id, pieces",
        calls(call("get_weather", "", id="a"), call(None, '{"city":'), call(None, '"Oslo"}')),
        (CALL,),
    ),
    Dialect(
        "no index, id in every piece",
        calls(call("get_weather", "", id="a"), call(None, '{"city":', id="a"), call(None, '"Oslo"}', id="a")),
        (CALL,),
    ),
    Dialect(
        "no index, no id, name in every piece",
        calls(call("get_weather", ""), call("get_weather", '{"city":'), call("get_weather", '"Oslo"}')),
        (CALL,),
    ),
    Dialect(
        "no index, no id, two whole calls",
        calls(call("get_weather", OSLO), call("get_weather", ROME)),
        (CALL, ("get_weather", ROME)),
    ),
    Dialect(
        "no index, no id, two tools",
        calls(call("get_weather", OSLO), call("get_time", '{"tz":"CET"}')),
        (CALL, ("get_time", '{"tz":"CET"}')),
    ),
    Dialect(
        "no index, no id, name in pieces", calls(call("get_", None), call("weather", None), call(None, OSLO)), (CALL,)
    ),
    Dialect(
        "no index, two ids, pieces",
        calls(call("get_weather", '{"city":', id="a"), call(None, '"Oslo"}', id="a"), call("get_time", "{}", id="b")),
        (CALL, ("get_time", "{}")),
    ),
    Dialect(
        "index 0 for every call, ids differ",
        calls(call("get_weather", OSLO, index=0, id="a"), call("get_weather", ROME, index=0, id="b")),
        (CALL, ("get_weather", ROME)),
    ),
    Dialect(
        "index 0 for every call, no arguments yet",
        calls(call("get_weather", "", index=0, id="a"), call("get_time", "", index=0, id="b")),
        (("get_weather", "{}"), ("get_time", "{}")),
    ),
    Dialect(
        "a new id in every piece",
        calls(
            call("get_weather", "", index=0, id="a"),
            call(None, '{"city":', index=0, id="b"),
            call(None, '"Oslo"}', index=0, id="c"),
        ),
        (CALL,),
    ),
    Dialect(
        "a new id and the name in every piece",
        calls(call("get_weather", '{"city":', index=0, id="a"), call("get_weather", '"Oslo"}', index=0, id="b")),
        (CALL,),
    ),
    Dialect(
        "a new id in every piece, no index",
        calls(call("get_weather", "", id="a"), call(None, '{"city":', id="b"), call(None, '"Oslo"}', id="c")),
        (CALL,),
    ),
    Dialect(
        "the same id for two indexes",
        calls(call("get_weather", OSLO, index=0, id="x"), call("get_time", "{}", index=1, id="x")),
        (CALL, ("get_time", "{}")),
    ),
    Dialect(
        "the same id for two whole calls",
        calls(call("get_weather", OSLO, id="x"), call("get_weather", ROME, id="x")),
        (CALL, ("get_weather", ROME)),
    ),
    Dialect("ids missing", calls(call("get_weather", OSLO, index=0)), (CALL,)),
    Dialect(
        "empty ids behind the first piece",
        calls(call("get_weather", "", index=0, id="a"), call("", OSLO, index=0, id="")),
        (CALL,),
    ),
    Dialect(
        "null name and id behind the first piece",
        calls(
            call("get_weather", "", index=0, id="a"),
            chunk(
                {"tool_calls": [{"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": OSLO}}]}
            ),
        ),
        (CALL,),
    ),
    Dialect("numeric id", calls(call("get_weather", OSLO, index=0, id=7)), (CALL,)),
    Dialect(
        "index as text",
        calls(call("get_weather", '{"city":', index="0", id="a"), call(None, '"Oslo"}', index="0")),
        (CALL,),
    ),
    Dialect(
        "index from 1",
        calls(call("get_weather", OSLO, index=1, id="a"), call("get_time", "{}", index=2, id="b")),
        (CALL, ("get_time", "{}")),
    ),
    Dialect(
        "indexes out of order",
        calls(call("get_time", "{}", index=1, id="b"), call("get_weather", OSLO, index=0, id="a")),
        (CALL, ("get_time", "{}")),
    ),
    Dialect("arguments as an object", calls(call("get_weather", {"city": "Oslo"}, index=0, id="a")), (CALL,)),
    Dialect(
        "arguments as an empty object, then as text",
        calls(call("get_weather", {}, index=0, id="a"), call(None, OSLO, index=0)),
        (CALL,),
    ),
    Dialect("arguments null", calls(call("get_time", None, index=0, id="a")), (("get_time", "{}"),)),
    Dialect("arguments 'null'", calls(call("get_time", "null", index=0, id="a")), (("get_time", "{}"),)),
    Dialect("arguments ''", calls(call("get_time", "", index=0, id="a")), (("get_time", "{}"),)),
    Dialect("arguments of blanks", calls(call("get_time", " \n", index=0, id="a")), (("get_time", "{}"),)),
    Dialect("arguments a list", calls(call("get_time", [], index=0, id="a")), (("get_time", "{}"),)),
    Dialect("arguments within a JSON string", calls(call("get_weather", json.dumps(OSLO), index=0, id="a")), (CALL,)),
    Dialect(
        "arguments repeated whole at the end",
        calls(
            call("get_weather", '{"city":', index=0, id="a"),
            call(None, '"Oslo"}', index=0),
            call("get_weather", OSLO, index=0, id="a"),
        ),
        (CALL,),
    ),
    Dialect(
        "arguments growing",
        calls(
            call("get_weather", '{"ci', index=0, id="a"), call(None, '{"city":"Os', index=0), call(None, OSLO, index=0)
        ),
        (CALL,),
    ),
    Dialect("a whole call told twice", calls(call("get_weather", OSLO), call("get_weather", OSLO)), (CALL,)),
    Dialect(
        "tool_calls as one object",
        calls(chunk({"tool_calls": {"id": "a", "function": {"name": "get_weather", "arguments": OSLO}}})),
        (CALL,),
    ),
    Dialect(
        "name and arguments beside the function",
        calls(chunk({"tool_calls": [{"id": "a", "name": "get_weather", "arguments": OSLO}]})),
        (CALL,),
    ),
    Dialect(
        "function null",
        (
            chunk({"tool_calls": [{"index": 0, "id": "a", "function": None}]}),
            call("get_weather", OSLO, index=0),
            chunk({}, "tool_calls"),
            DONE,
        ),
        (CALL,),
    ),
    Dialect(
        "tool_calls null beside text",
        (chunk({"content": "Hi.", "tool_calls": None}), chunk({}, "stop"), DONE),
        ("Hi.",),
    ),
    Dialect(
        "tool_calls empty beside text", (chunk({"content": "Hi.", "tool_calls": []}), chunk({}, "stop"), DONE), ("Hi.",)
    ),
    Dialect(
        "two calls in one piece",
        calls(
            chunk(
                {
                    "tool_calls": [
                        {"index": 0, "id": "a", "function": {"name": "get_weather", "arguments": OSLO}},
                        {"index": 1, "id": "b", "function": {"name": "get_time", "arguments": "{}"}},
                    ]
                }
            )
        ),
        (CALL, ("get_time", "{}")),
    ),
    Dialect(
        "legacy function_call",
        calls(
            chunk({"function_call": {"name": "get_weather", "arguments": ""}}),
            chunk({"function_call": {"arguments": OSLO}}),
            finish="function_call",
        ),
        (CALL,),
    ),
    Dialect(
        "legacy function_call null",
        (chunk({"content": "Hi.", "function_call": None}), chunk({}, "stop"), DONE),
        ("Hi.",),
    ),
    Dialect("calls end with 'stop'", calls(call("get_weather", OSLO, index=0, id="a"), finish="stop"), (CALL,)),
    Dialect(
        "finish in the call's own chunk",
        (
            chunk(
                {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "get_weather", "arguments": OSLO}}]},
                "tool_calls",
            ),
            DONE,
        ),
        (CALL,),
    ),
    Dialect(
        "text before the call",
        calls(chunk({"content": "One moment."}), call("get_weather", OSLO, index=0, id="a")),
        ("One moment.", CALL),
    ),
    Dialect("a nameless call", calls(call(None, "{}", index=0, id="a")), ()),
    Dialect("a whole call, [DONE] without a reason", (call("get_weather", OSLO, index=0, id="a"), DONE), (CALL,)),
    Dialect(
        "half a call, [DONE] without a reason",
        (call("get_weather", '{"city":', index=0, id="a"), DONE),
        ("provider_answer_cut",),
    ),
    Dialect(
        "half a call, length",
        calls(call("get_weather", '{"city":', index=0, id="a"), finish="length"),
        ("provider_answer_cut",),
    ),
    Dialect(
        "a whole call, the connection ends", (call("get_weather", OSLO, index=0, id="a"),), ("provider_answer_cut",)
    ),
    Dialect(
        "damaged arguments with a reason",
        calls(call("get_weather", '{"city"', index=0, id="a")),
        (("get_weather", '{"city"'),),
    ),
]

_TEXTS = [
    Dialect("plain", text("Hello", " there."), ("Hello there.",)),
    Dialect("role first, content null", (chunk({"role": "assistant", "content": None}), *text("Hi.")), ("Hi.",)),
    Dialect("content a list of parts", text([{"type": "text", "text": "Hi."}]), ("Hi.",)),
    Dialect("content a list with thoughts", text([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}], [{"type": "text", "text": "Hi."}], " More."), ("Hi. More.",)),
    Dialect("content a list of strings", text(["Hi", "."]), ("Hi.",)),
    Dialect("content one part", text({"type": "text", "text": "Hi."}), ("Hi.",)),
    Dialect("content a part of output_text", text([{"type": "output_text", "text": "Hi."}]), ("Hi.",)),
    Dialect("content parts of an unknown type", text([{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "Hi."}]), ("Hi.",)),
    Dialect("content a number", text(5, "Hi."), ("Hi.",)),
    Dialect("reasoning_content beside", (chunk({"reasoning_content": "hm"}), chunk({"content": "", "reasoning_content": "hm"}), *text("Hi.")), ("Hi.",)),
    Dialect("reasoning and thinking beside", (chunk({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}), chunk({"thinking": "hm", "content": None}), *text("Hi.")), ("Hi.",)),
    Dialect("refusal", (chunk({"refusal": "I cannot help with that."}), chunk({}, "stop"), DONE), ("I cannot help with that.",)),
    Dialect("refusal null", (chunk({"content": "Hi.", "refusal": None}), chunk({}, "stop"), DONE), ("Hi.",)),
    Dialect("[DONE] without a reason", (chunk({"content": "Hi."}), chunk({}), DONE), ("Hi.",)),
    Dialect("a reason without [DONE]", (chunk({"content": "Hi."}), chunk({}, "stop")), ("Hi.",)),
    Dialect("reason '' while it streams", (chunk({"content": "Hi"}, ""), chunk({"content": "."}, ""), chunk({}, "stop"), DONE), ("Hi.",)),
    Dialect("reason '' and the connection ends", (chunk({"content": "Hi"}, ""),), ("Hi", "provider_answer_cut")),
    Dialect("reason 'null' as text", (chunk({"content": "Hi"}, "null"),), ("Hi", "provider_answer_cut")),
    Dialect("reason eos", text("Hi.", finish="eos"), ("Hi.",)),
    Dialect("reason end_turn", text("Hi.", finish="end_turn"), ("Hi.",)),
    Dialect("reason STOP", text("Hi.", finish="STOP"), ("Hi.",)),
    Dialect("reason length", text("Hi and", finish="length"), ("Hi and",)),
    Dialect("reason in the last text's chunk", (chunk({"content": "Hi"}), chunk({"content": "."}, "stop"), DONE), ("Hi.",)),
    Dialect("reason content_filter", text("", finish="content_filter"), ("provider_answer_filtered",)),
    Dialect("reason content_filter in the middle", text("Hi and", finish="content_filter"), ("Hi and", "provider_answer_filtered")),
    Dialect("reason SAFETY", text("", finish="SAFETY"), ("provider_answer_filtered",)),
    Dialect("reason error", text("Hi", finish="error"), ("Hi", "provider_failed")),
    Dialect("reason insufficient_system_resource", text("", finish="insufficient_system_resource"), ("provider_failed",)),
    Dialect("finish_reason missing everywhere", ({"choices": [{"delta": {"content": "Hi."}}]}, DONE), ("Hi.",)),
    Dialect("usage in a chunk without choices", (*text("Hi.")[:-1], {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}, DONE), ("Hi.",)),
    Dialect("usage in every chunk, fields null", (chunk({"content": "Hi."}, usage={"prompt_tokens": 7, "completion_tokens": None}), chunk({}, "stop", usage=None), DONE), ("Hi.",)),
    Dialect("usage a text, or of texts", (chunk({"content": "Hi."}, usage="7"), chunk({}, "stop", usage={"prompt_tokens": "7"}), DONE), ("Hi.",)),
    Dialect("choices missing", ({"id": "x", "object": "chat.completion.chunk"}, *text("Hi.")), ("Hi.",)),
    Dialect("choices null", ({"choices": None}, *text("Hi.")), ("Hi.",)),
    Dialect("choices empty, filter results (Azure)", ({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}, *text("Hi.")), ("Hi.",)),
    Dialect("choices one object", ({"choices": {"delta": {"content": "Hi."}}}, DONE), ("Hi.",)),
    Dialect("choices of null", ({"choices": [None]}, *text("Hi.")), ("Hi.",)),
    Dialect("delta null", (chunk(None), *text("Hi.")), ("Hi.",)),
    Dialect("delta missing", ({"choices": [{"index": 0}]}, *text("Hi.")), ("Hi.",)),
    Dialect("delta of another type", (chunk(5), *text("Hi.")), ("Hi.",)),
    Dialect("a second choice", ({"choices": [{"index": 0, "delta": {"content": "Hi."}}, {"index": 1, "delta": {"content": "Hey."}}]}, chunk({}, "stop"), DONE), ("Hi.",)),
    Dialect("text of the older completions", ({"choices": [{"index": 0, "text": "Hi.", "finish_reason": "stop"}]}, DONE), ("Hi.",)),
    Dialect("a whole message repeated behind the stream", (chunk({"content": "Hi."}), {"object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}]}), ("Hi.",)),
    Dialect("a whole message in place of a stream", ({"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}}]},), ("Hi.",)),
    Dialect("a whole message with a call", ({"choices": [{"message": {"content": None, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": OSLO}}]}, "finish_reason": "tool_calls"}]},), (CALL,)),
    Dialect("halves of a surrogate pair", ('data: {"choices":[{"delta":{"content":"Hi \\ud83d"}}]}\n\n', 'data: {"choices":[{"delta":{"content":"\\ude00."}}]}\n\n', DONE), ("Hi 😀.",)),
    Dialect("a lone half", ('data: {"choices":[{"delta":{"content":"Hi \\ude00."}}]}\n\n', DONE), ("Hi \ufffd.",)),
    Dialect("a bare control character in a string", ('data: {"choices":[{"delta":{"content":"Hi\x01."}}]}\n\n', DONE), ("Hi\x01.",)),
    Dialect("NaN in a field nobody reads", ('data: {"choices":[{"delta":{"content":"Hi."},"logprobs":NaN}]}\n\n', DONE), ("Hi.",)),
    Dialect("a nested content filter result", (chunk({"content": "Hi."}, content_filter_results={"hate": {"filtered": False}}), DONE), ("Hi.",)),
    Dialect("base_resp that reports success (MiniMax)", (chunk({"content": "Hi."}, base_resp={"status_code": 0, "status_msg": ""}), DONE), ("Hi.",)),
    Dialect("error null beside text", (chunk({"content": "Hi."}, error=None), DONE), ("Hi.",)),
    Dialect("pings as data", ("data: ping\n\n", 'data: {"type":"ping"}\n\n', "data: null\n\n", *text("Hi.")), ("Hi.",)),
    Dialect("text after [DONE]", (chunk({"content": "Hi."}), DONE), ("Hi.",)),
]  # fmt: skip

_ERRORS = [
    Dialect("error an object", (chunk({"content": "Hi"}), {"error": {"message": "boom", "type": "server_error", "code": 500}}), ("Hi", "provider_failed")),
    Dialect("error a text", ({"error": "boom"},), ("provider_failed",)),
    Dialect("error a list", ({"error": ["boom", {"message": "bang"}]},), ("provider_failed",)),
    Dialect("error in a list (Gemini)", ([{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}],), ("provider_rate_limited",)),
    Dialect("error by its type", ({"error": {"message": "slow down", "type": "rate_limit_exceeded"}},), ("provider_rate_limited",)),
    Dialect("error with a status as text", ({"error": {"message": "no", "code": "401"}},), ("provider_refused_key",)),
    Dialect("error by the event's name", ('event: error\ndata: {"message": "boom"}\n\n',), ("provider_failed",)),
    Dialect("error by the event's name, bare text", ("event: error\ndata: upstream timed out\n\n",), ("provider_failed",)),
    Dialect("error by its object (vLLM)", ({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400},), ("provider_failed",)),
    Dialect("error by its type (Anthropic)", ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},), ("provider_failed",)),
    Dialect("error within a choice (OpenRouter)", ({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "bad gateway"}}]},), ("provider_failed",)),
    Dialect("error in base_resp (MiniMax)", ({"base_resp": {"status_code": 1004, "status_msg": "login fail"}, "choices": None},), ("provider_failed",)),
    Dialect("detail (FastAPI)", ({"detail": [{"loc": ["body"], "msg": "field required"}]},), ("provider_failed",)),
    Dialect("no JSON", ("data: {nonsense\n\n", DONE), ("provider_bad_answer",)),
    Dialect("a JSON text", ('data: "text"\n\n', DONE), ("provider_bad_answer",)),
    Dialect("the connection ends", (chunk({"content": "Hi"}),), ("Hi", "provider_answer_cut")),
    Dialect("nothing at all", (), ("provider_answer_cut",)),
]  # fmt: skip

_HI = json.dumps(chunk({"content": "Hi."}, "stop"))
_FRAMES = [
    Dialect("CR LF", (f"data: {_HI}\r\n\r\n", "data: [DONE]\r\n\r\n"), ("Hi.",)),
    Dialect("CR alone", (f"data: {_HI}\r\r", "data: [DONE]\r\r"), ("Hi.",)),
    Dialect("byte order mark", ("\ufeff", f"data: {_HI}\n\n", DONE), ("Hi.",)),
    Dialect("comments to keep alive", (": OPENROUTER PROCESSING\n\n", ":\n\n", f"data: {_HI}\n\n", ": ping\n", DONE), ("Hi.",)),
    Dialect("no blank behind the colon", (f"data:{_HI}\n\n", "data:[DONE]\n\n"), ("Hi.",)),
    Dialect("no empty lines between events", (f"data: {json.dumps(chunk({'content': 'Hi.'}))}\n", f"data: {json.dumps(chunk({}, 'stop'))}\n", "data: [DONE]\n"), ("Hi.",)),
    Dialect("no empty line at the end", (f"data: {_HI}\n\n", "data: [DONE]"), ("Hi.",)),
    Dialect("one event over several lines", ('data: {"choices":\ndata: [{"delta": {"content": "Hi."},\ndata: "finish_reason": "stop"}]}\n\n', DONE), ("Hi.",)),
    Dialect("other fields", (f"event: message\nid: 1\nretry: 10\ndata: {_HI}\n\n", DONE), ("Hi.",)),
    Dialect("empty data", ("data:\n\n", "data: \n\n", f"data: {_HI}\n\n", DONE), ("Hi.",)),
    Dialect("lines of JSON without SSE", (_HI + "\n", "[DONE]\n"), ("Hi.",)),
    Dialect("[DONE] in other letters and blanks", (f"data: {json.dumps(chunk({'content': 'Hi.'}))}\n\n", "data:  [done] \n\n"), ("Hi.",)),
]  # fmt: skip

DIALECTS = [*_TOOL_CALLS, *_TEXTS, *_ERRORS, *_FRAMES]
