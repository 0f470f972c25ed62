"""Finds a language model server on this machine that speaks OpenAI's API, and says how to use it.

Only the loopback is asked, only at the ports that these servers have by default, and each for half a second at most.
Something else at such a port, Vox itself included, has no list of models at `/v1/models` and is passed over.
"""

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

PORTS: Final[Mapping[str, int]] = {"Ollama": 11434, "llama.cpp": 8080, "vLLM": 8000, "LM Studio": 1234}
DEADLINE_S: Final = 0.5
MAX_BYTES: Final = 1 << 16
_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class LocalModels:
    """A server and the models that it offers."""

    name: str
    port: int
    models: tuple[str, ...]

    @property
    def configuration(self) -> str:
        """The two lines of config.json that use the first model."""
        model = json.dumps(self.models[0])
        return f'"llm_provider": "openai", "model": {model},\n"llm_options": {{"base_url": "http://{_HOST}:{self.port}/v1"}}'


class _Model(msgspec.Struct):
    id: str


class _Listed(msgspec.Struct):
    object: str
    data: list[_Model]


async def find_local_models(ports: Mapping[str, int] = PORTS, *, without: Collection[int] = ()) -> list[LocalModels]:
    """The servers that answer, in the order of `ports`; those at `without`, Vox's own ports, are not asked."""
    asked = [(name, port) for name, port in ports.items() if port not in without]
    found = await asyncio.gather(*(_ask(port) for _, port in asked))
    return [LocalModels(name, port, models) for (name, port), models in zip(asked, found, strict=True) if models]


async def _ask(port: int) -> tuple[str, ...]:
    try:
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_connection(_HOST, port)
            try:
                request = f"GET /v1/models HTTP/1.0\r\nHost: {_HOST}:{port}\r\nAccept: application/json\r\n\r\n"
                writer.write(request.encode())
                answer = await _read(reader)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return ()
    head, _, body = answer.partition(b"\r\n\r\n")
    return _models(body) if head.split(b" ", 2)[1:2] == [b"200"] else ()


async def _read(reader: asyncio.StreamReader) -> bytes:
    """The answer to a request of HTTP/1.0, which the server's close ends, or its length."""
    answer = bytearray()
    while len(answer) < MAX_BYTES and (chunk := await reader.read(MAX_BYTES)):
        answer += chunk
        head, blank, body = bytes(answer).partition(b"\r\n\r\n")
        length = next((line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"")
        if blank and length.strip().isdigit() and len(body) >= int(length):
            break
    return bytes(answer)


def _models(body: bytes) -> tuple[str, ...]:
    """The ids of an answer to `/v1/models`; none where it is another thing."""
    try:
        answer = msgspec.json.decode(body, type=_Listed)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ()
    return tuple(one.id for one in answer.data) if answer.object == "list" else ()
