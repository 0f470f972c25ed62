"""A small phone agent in memory: hears the end of speech by energy, answers with a tone, clears when spoken over.

`FakeAgent` is the conversation behind a carrier's codec; `MemoryServer` puts it behind raw WebSocket bytes for the load
generator. Both run on the loop's time and never open a socket.
"""

import asyncio
import importlib
import math
import struct

from vox.media import g711
from vox.media.levels import rms
from vox.protocols.media_stream import MarkReached, StreamAudio, StreamStarted, StreamStopped

FRAME_S = 0.02
LOUD = 0.01


def tone(seconds, rate=8000, frequency=440.0, level=8000):
    count = int(seconds * rate)
    return b"".join(struct.pack("<h", int(level * math.sin(2 * math.pi * frequency * n / rate))) for n in range(count))


class FakeAgent:
    """Answers `after_s` after the caller falls silent with `answer_s` of tone in paced frames and a mark."""

    def __init__(self, send, *, carrier="twilio", after_s=0.3, answer_s=1.0, late_frames=(), greeting_s=0.0):
        self.codec = importlib.import_module(f"vox.protocols.carriers.{carrier}").Server()
        self.started: StreamStarted | None = None
        self.marks_reached = []
        self.interruptions = 0
        self.is_stopped = False
        self._send = send
        self._after_s, self._answer_s, self._late_frames = after_s, answer_s, late_frames
        self._greeting_s = greeting_s
        self._loop = asyncio.get_running_loop()
        self._speaking_task = None
        self._silence_timer = None
        self._answers = 0

    def receive(self, message):
        for event in self.codec.receive(message):
            match event:
                case StreamStarted():
                    self.started = event
                    if self._greeting_s:
                        self._speak(self._greeting_s)
                case StreamAudio(payload):
                    assert self.started is not None
                    self._listen(rms(g711.decode(payload, self.started.encoding)))
                case MarkReached(name):
                    self.marks_reached.append(name)
                case StreamStopped():
                    self.stop()
                case _:
                    pass

    def stop(self):
        self.is_stopped = True
        for pending in (self._speaking_task, self._silence_timer):
            if pending is not None:
                pending.cancel()

    def _listen(self, level):
        if level <= LOUD:
            return
        if self._speaking_task is not None and not self._speaking_task.done():
            self._speaking_task.cancel()
            self.interruptions += 1
            if (clear := self.codec.clear()) is not None:
                self._send(clear)
        if self._silence_timer is not None:
            self._silence_timer.cancel()
        self._silence_timer = self._loop.call_later(self._after_s, self._speak, self._answer_s)

    def _speak(self, seconds):
        self._answers += 1
        self._speaking_task = self._loop.create_task(self._play(seconds, self._answers))

    async def _play(self, seconds, number):
        rate, encoding = self.codec.reply_sample_rate, self.codec.reply_encoding
        pcm = tone(seconds, rate)
        size = int(rate * FRAME_S) * 2
        began = self._loop.time()
        for index, at in enumerate(range(0, len(pcm), size)):
            due = began + index * FRAME_S + (0.03 if index in self._late_frames else 0.0)
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            self._send(self.codec.audio(g711.encode(pcm[at : at + size], encoding)))
        if (mark := self.codec.mark(f"answer-{number}")) is not None:
            self._send(mark)


class MemoryServer:
    """Stands in for `create_connection`: every connection gets an agent of its own, beyond `limit` a 503."""

    def __init__(self, *, limit=1000, retry_after="1", hangs_up_after_s=None, **agent):
        self.agents = []
        self.refused = 0
        self._limit, self._retry_after, self._hangs_up_after_s = limit, retry_after, hangs_up_after_s
        self._agent = agent

    async def connect(self, factory, host, port, *, ssl=None, server_hostname=None):
        protocol = factory()
        transport = _MemoryTransport(self, protocol)
        protocol.connection_made(transport)
        return transport, protocol

    def admits(self):
        return sum(not agent.is_stopped for agent in self.agents) < self._limit


class _MemoryTransport(asyncio.Transport):
    def __init__(self, server, protocol):
        super().__init__()
        self._server, self._protocol = server, protocol
        self._loop = asyncio.get_running_loop()
        self._agent = None
        self._data = b""
        self._is_closed = False

    def write(self, data):
        self._data += data
        if self._agent is None:
            head, end, self._data = self._data.partition(b"\r\n\r\n")
            assert end, "the request comes in one piece"
            assert b"Upgrade: websocket" in head
            self._answer()
        while (frame := self._take_frame()) is not None and self._agent is not None:
            self._take(*frame)

    def abort(self):
        if not self._is_closed:
            self._is_closed = True
            if self._agent is not None:
                self._agent.stop()
            self._loop.call_soon(self._protocol.connection_lost, None)

    def _answer(self):
        server = self._server
        if not server.admits():
            server.refused += 1
            retry_after = f"Retry-After: {server._retry_after}\r\n" if server._retry_after else ""
            self._deliver(f"HTTP/1.1 503 Service Unavailable\r\n{retry_after}\r\n".encode())
            return
        self._deliver(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        self._agent = FakeAgent(self._send, **server._agent)
        server.agents.append(self._agent)
        if server._hangs_up_after_s is not None:
            self._loop.call_later(server._hangs_up_after_s, self._deliver, b"\x88\x02\x03\xf3")

    def _send(self, message):
        opcode, payload = (0x81, message.encode()) if isinstance(message, str) else (0x82, message)
        head = bytes((opcode, 126)) + len(payload).to_bytes(2, "big")
        self._deliver((head if len(payload) > 125 else bytes((opcode, len(payload)))) + payload)

    def _deliver(self, data):
        if not self._is_closed:
            self._loop.call_soon(self._protocol.data_received, data)

    def _take_frame(self):
        data = self._data
        if len(data) < 2:
            return None
        length, head = data[1] & 0x7F, 2
        if length == 126:
            length, head = int.from_bytes(data[2:4], "big"), 4
        assert data[1] & 0x80, "a client masks"
        end = head + 4 + length
        if len(data) < end:
            return None
        mask = data[head : head + 4]
        payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data[head + 4 : end]))
        self._data = data[end:]
        return data[0] & 0x0F, payload

    def _take(self, opcode, payload):
        if opcode == 8:
            self._deliver(b"\x88\x02" + payload[:2])
            self._loop.call_soon(self.abort)
        elif self._agent is None:
            raise AssertionError("a frame before the upgrade")
        elif opcode == 1:
            self._agent.receive(payload.decode())
        elif opcode == 2:
            self._agent.receive(payload)
