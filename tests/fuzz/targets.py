"""What is fuzzed: each codec with conversations that it understands, as material for damage.

A conversation is the other side's messages in order, so that stateful codecs (Genesys counts, Twilio waits for `start`)
get past their first message. A probe calls what the codec says itself, which must never fail after any input.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from vox.protocols import agent_json, agent_protobuf, fleet, gateway, relay_voices, rtvi
from vox.protocols.agent_events import (
    AgentReady,
    BotInterrupted,
    ClientInput,
    ErrorResponse,
    ResponseText,
    SentenceProgress,
    SpeakingChanged,
    TurnMetrics,
    UserTranscript,
)
from vox.protocols.carriers import exotel, plivo, telnyx
from vox.protocols.carriers.detect import CARRIERS, carrier_for, codec_for, detect
from vox.protocols.gateway_client import GatewayClient
from vox.protocols.gateway_server import GatewayServer
from vox.protocols.media_stream import CarrierCodec, ServerCodec, StreamEvent

Message = str | bytes


class Receiver(Protocol):
    """Anything that takes messages."""

    def receive(self, message: Message) -> Sequence[StreamEvent | ClientInput | str]:
        """Takes one message; raises `PeerError` only."""
        ...


@dataclass(frozen=True)
class Target:
    """One codec to fuzz."""

    name: str
    make: Callable[[], Receiver]
    conversations: list[list[Message]]
    probe: Callable[[Any], object] = field(default=lambda _codec: None)


class _Detect:
    """`detect` as a receiver; it raises nothing at all."""

    def receive(self, message: Message) -> list[str]:
        name = detect(message)
        return [name] if name else []


class _Gateway:
    """The gateway's server half; each login it asks for is granted."""

    def __init__(self) -> None:
        self._server = GatewayServer(0.0)

    def receive(self, message: Message) -> list[str]:
        asked = self._server.receive(message, 0.0)
        asked += self._server.accepted(0.0)
        return [type(one).__name__ for one in asked]


class _GatewayClient:
    """The gateway's client half."""

    def __init__(self) -> None:
        self._client = GatewayClient("token")
        self._client.connected()

    def receive(self, message: Message) -> list[str]:
        found, answers = self._client.receive(message, 0.0)
        return [found.type, *answers]


class _Reader:
    """A client's decoder as a receiver."""

    def __init__(self, decode: Callable[[Message], object]) -> None:
        self._decode = decode

    def receive(self, message: Message) -> list[str]:
        found = self._decode(message)
        return [] if found is None else [type(found).__name__]


def targets() -> dict[str, Target]:
    """Every target by name."""
    found: list[Target] = []
    for name in CARRIERS:
        carriers = _carriers(name)
        found.append(Target(f"{name}-server", codec_for(name), [_call(make()) for make in carriers], _probe_server))
        conversations = [_answers(codec_for(name)(), make()) for make in carriers]
        found.append(Target(f"{name}-carrier", _opened(name), conversations, _probe_carrier))
    openings = [_call(carrier_for(name)())[:3] for name in CARRIERS]
    found.append(Target("detect", _Detect, openings))
    found += _agent_targets()
    found += _gateway_targets()
    found += _fleet_targets()
    found += _voice_targets()
    return {target.name: target for target in found}


def _fleet_targets() -> list[Target]:
    from_worker: list[fleet.WorkerMessage] = [
        fleet.Register(
            "w-1", 5, "1", "http://w:1", "eu", ["twilio"], 8, {"a": "b"}, [fleet.RunningCall("c-1", "inbound", 1)]
        ),
        fleet.Status(1, 2, 8, 7, fleet.READY, 0.5, 2.0, 3, 4.0),
        fleet.Accept("o-1", "r-1", "token", "wss://w/stream"),
        fleet.Busy("o-1", 3.0, "AT_CAPACITY"),
        fleet.Progress("c-1", fleet.STARTED, {"class": "inbound", "since_ms": 1}),
        fleet.Ended("c-1", "completed", {"seconds": 3}),
    ]
    from_bridge: list[fleet.BridgeMessage] = [
        fleet.Registered(),
        fleet.Offer("o-1", "c-1", "campaign", "bot", 30.0, {"name": "Ada"}),
        fleet.Renew("r-1"),
        fleet.Release("r-1"),
        fleet.Drain(60.0),
        fleet.HangUp("c-1"),
        fleet.Transfer("c-1", "+15550001"),
        fleet.Inject("c-1", "hello"),
        fleet.EndedReceived("c-1"),
        fleet.Refused(fleet.WRONG_WORKER, "no"),
    ]
    return [
        Target("fleet-bridge", lambda: _Reader(fleet.read_worker), [[fleet.write(one) for one in from_worker]]),
        Target("fleet-worker", lambda: _Reader(fleet.read_bridge), [[fleet.write(one) for one in from_bridge]]),
    ]


def _voice_targets() -> list[Target]:
    member = relay_voices.Member("ann", "Ann", "sip", has_audio=True, track="TR_1", attributes={"a": "1"})
    from_relay: list[relay_voices.ServerMessage] = [
        relay_voices.Joined("lobby", "bot", "PA_1", "TR_2", "{}", [member]),
        relay_voices.MemberChanged(member),
        relay_voices.SpeakersChanged([relay_voices.Speaker("ann", 0.5)]),
        relay_voices.Heard("ann", bytes(640)),
        relay_voices.Heard("", bytes(320)),
        relay_voices.DataReceived(b"\x00\xff", "t", "ann"),
        relay_voices.TextReceived("hello", relay_voices.CHAT_TOPIC, "ann"),
        relay_voices.DigitsReceived("5#", "ann"),
        relay_voices.Muted(is_muted=True),
        relay_voices.Refused("listen", "participant_not_found", "no"),
        relay_voices.MemberLeft("ann"),
        relay_voices.Removed("room_deleted"),
    ]
    from_member: list[relay_voices.ClientMessage] = [
        relay_voices.Listen("ann"),
        relay_voices.Mix(8_000),
        relay_voices.Speech(bytes(640), 16_000),
        relay_voices.Flush(),
        relay_voices.Mute(is_muted=True),
        relay_voices.SendData(b"\x00\xff", "t", is_reliable=False, to=["ann"]),
        relay_voices.SendText("hello"),
        relay_voices.SendDigits("5#"),
        relay_voices.Transcribe("s-1", "good day", "ann", is_final=True, language="en"),
        relay_voices.SetAttributes({"a": ""}),
        relay_voices.SetMetadata("{}"),
        relay_voices.Leave(),
    ]
    encode = relay_voices.encode
    return [
        Target("voices-relay", lambda: _Reader(relay_voices.decode_client), [[encode(one) for one in from_member]]),
        Target("voices-member", lambda: _Reader(relay_voices.decode_server), [[encode(one) for one in from_relay]]),
    ]


def _carriers(name: str) -> list[Callable[[], CarrierCodec]]:
    variants: dict[str, list[Callable[[], CarrierCodec]]] = {
        "telnyx": [lambda: telnyx.Carrier(encoding="s16le", sample_rate=16000)],
        "plivo": [lambda: plivo.Carrier(encoding="s16le", sample_rate=16000)],
        "exotel": [lambda: exotel.Carrier(encoding="mulaw", sample_rate=8000)],
    }
    return [carrier_for(name), *variants.get(name, [])]


def _open(carrier: CarrierCodec) -> list[Message]:
    parameters = {"agent": "sales", "token": "abc1"}
    return carrier.open(call_id="c-1", stream_id="s-1", caller="+15550001", callee="+15550002", parameters=parameters)


def _call(carrier: CarrierCodec) -> list[Message]:
    """What a carrier says in a short call."""
    said: list[Message | None] = [*_open(carrier)]
    said += [carrier.audio(bytes(320), timestamp_ms=20), carrier.digit("5"), carrier.mark_reached("m-1")]
    said += [getattr(carrier, name)() for name in ("ping", "cleared") if hasattr(carrier, name)]
    said += [carrier.audio(b"\x7f" * 320, timestamp_ms=40), carrier.close("hangup")]
    return [message for message in said if message is not None]


def _answers(server: ServerCodec, carrier: CarrierCodec) -> list[Message]:
    """What our side says in a short call."""
    for message in _open(carrier):
        server.receive(message)
    said: list[Message | None] = [*server.replies(), server.audio(bytes(320)), server.mark("m-1"), server.clear()]
    said += [*server.digits("1#"), server.audio(b"\x7f" * 320), server.stop("over")]
    return [message for message in said if message is not None]


def _opened(name: str) -> Callable[[], Receiver]:
    def make() -> Receiver:
        carrier = carrier_for(name)()
        _open(carrier)
        return carrier

    return make


def _probe_server(server: ServerCodec) -> object:
    return (
        server.replies(),
        server.audio(bytes(320)),
        server.mark("m"),
        server.clear(),
        server.digits("1"),
        server.stop(),
    )


def _probe_carrier(carrier: CarrierCodec) -> object:
    return (carrier.audio(bytes(320), timestamp_ms=1), carrier.digit("1"), carrier.mark_reached("m"), carrier.close())


def _agent_targets() -> list[Target]:
    frames = [
        ("TranscriptionFrame", {"text": "hello"}),
        ("TTSSpeakFrame", {"text": "hello"}),
        ("InputDTMFFrame", {"digit": "5"}),
        ("FunctionCallResultFrame", {"function_name": "f", "tool_call_id": "t", "arguments": "{}", "result": 1}),
        ("LLMMessagesAppendFrame", {"messages": [{"role": "user", "content": "hi"}], "run_llm": True}),
        ("LLMContextFrame", {"context": {"messages": [{"role": "user", "content": "hi"}]}}),
        ("VADParamsUpdateFrame", {"start_secs": 0.2, "stop_secs": 0.5}),
        ("RTVIClientMessageFrame", {"msg_id": "1", "type": "send-text", "data": {"content": "x"}}),
        ("TransportMessageFrame", {"message": {"label": "rtvi-ai", "type": "client-ready", "id": "1", "data": {}}}),
        ("CancelFrame", {"reason": "bye"}),
    ]
    as_json: list[Message] = [agent_json.encode_client_frame(kind, data) for kind, data in frames]
    as_json.append(agent_json.encode_client_audio(bytes(640), 16000))
    messages = [
        ("client-ready", {"version": "2.1.0", "about": {"library": "x"}}),
        ("client-message", {"t": "name", "d": {"a": 1}}),
        ("send-text", {"content": "hello", "options": {"run_immediately": True, "audio_response": False}}),
        ("dtmf", {"buttons": ["1", "#"]}),
        ("dtmf", {"button": "2"}),
        ("llm-function-call-result", {"function_name": "f", "tool_call_id": "t", "arguments": {}, "result": 1}),
        ("raw-audio", {"base64Audio": "AAAA", "sampleRate": 16000, "numChannels": 1}),
        ("raw-audio-batch", {"base64AudioBatch": ["AAAA", "AAAA"], "sampleRate": 16000, "numChannels": 1}),
        ("append-to-context", {"role": "user", "content": "hi", "run_immediately": True}),
        ("disconnect-bot", {}),
    ]
    as_rtvi = [rtvi.client_message(kind, data, id_="1a2b3c4d") for kind, data in messages]
    as_protobuf: list[Message] = [agent_protobuf.encode_client_audio(bytes(640), 16000)]
    as_protobuf += [agent_protobuf.encode_client_message(text) for text in as_rtvi]
    as_protobuf.append(agent_protobuf.encode_client_message({"type": "x", "id": 1}))
    answers = [message for event in _EVENTS for message in agent_protobuf.ProtobufCodec().encode(event)]
    as_protobuf += answers
    rtvi_messages = cast("list[Message]", as_rtvi)
    return [
        Target(
            "agent-json", lambda: agent_json.JsonCodec(allow_context=True, with_audio=True), [as_json], _probe_agent
        ),
        Target("agent-json-plain", agent_json.JsonCodec, [as_json], _probe_agent),
        Target("agent-protobuf", lambda: agent_protobuf.ProtobufCodec(allow_context=True), [as_protobuf], _probe_agent),
        Target(
            "agent-rtvi", lambda: rtvi.RtviCodec(allow_context=True, with_audio=True), [rtvi_messages], _probe_agent
        ),
        Target("client-protobuf", lambda: _Reader(agent_protobuf.decode_server_message), [answers or as_protobuf]),
    ]


def _gateway_targets() -> list[Target]:
    said: list[Message] = [
        gateway.encode_client("identify", {"token": "t", "protocol_version": 1, "capabilities": ["string_ids"]}),
        gateway.encode_client("heartbeat", {"seq": 3}),
        gateway.encode_client("typing", {"feed_id": 1}),
        gateway.encode_client("typing", {"dm_id": "9007199254740993"}),
        gateway.encode_client("presence_update", {"status": "dnd", "custom_status": "x", "activity": {"name": "y"}}),
    ]
    back: list[Message] = [gateway.encode_client("resume", {"token": "t", "session_id": "sess_1", "last_seq": 7})]
    told: list[Message] = [
        gateway.HELLO,
        gateway.numbered(1, gateway.tail("ready", {"session_id": "sess_1", "user_id": 1})),
        gateway.numbered(2, gateway.tail("message_create", {"msg_id": 1 << 62, "body": "hi", "feed_id": 1})),
        gateway.HEARTBEAT_ACK,
        gateway.frame("resumed", {"seq": 2}),
    ]
    return [
        Target("gateway-server", _Gateway, [said, [*back, *said[1:]]]),
        Target("gateway-client", _GatewayClient, [told]),
    ]


_EVENTS = (
    AgentReady("1"),
    SpeakingChanged("bot", is_speaking=True),
    UserTranscript("hello", is_final=True, timestamp="2026-01-01T00:00:00Z"),
    ResponseText("Hi"),
    SentenceProgress("1", "Hi.", "new"),
    BotInterrupted(),
    TurnMetrics(response_s=0.5),
    ErrorResponse("1", "no"),
)


def _probe_agent(codec: Any) -> object:
    return [codec.encode(event) for event in _EVENTS], codec.audio(bytes(640), 24000)
