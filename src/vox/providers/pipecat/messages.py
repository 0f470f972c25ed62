"""What the drivers and their worker process say to each other; `providers/workers/framing.py` is how it travels.

A session is one Pipecat service in a pipeline of its own. It takes one request after the other: the next one follows `Finished` or `Interrupted`.
Before changing it: the worker may run under another Python with other packages, so this module imports msgspec only.
"""

from typing import Any, Literal

import msgspec

LOST = 599
"""A status for a failure of the way to the service or of the worker, next to HTTP's."""


class Configure(msgspec.Struct, tag=1, array_like=True, frozen=True):
    """What the sessions of this worker run.

    Attributes:
        kind: what the service is.
        service: its class, `package.module.Class`.
        args: its constructor's arguments; `settings` and `params` become objects of the service's own classes.
        secrets: names of arguments whose values appear in no message.
        model: for the service's settings; empty: as the arguments say.
        folder: is searched for modules first; empty: none.
        sample_rate: of the audio, in Hz.
        settle_s: how long a recogniser's text may be late; 0: as Pipecat measured for the service.
        open_timeout_s: longest time until a session is up.
    """

    kind: Literal["stt", "tts", "llm"]
    service: str
    args: dict[str, Any]
    secrets: list[str]
    model: str
    folder: str
    sample_rate: int
    settle_s: float
    open_timeout_s: float


class Begin(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """Opens a session. `voice` and `language` go into the service's settings where it has such."""

    number: int
    voice: str
    language: str


class Audio(msgspec.Struct, tag=3, array_like=True, frozen=True):
    """Speech to recognise, s16le mono."""

    number: int
    pcm: bytes


class Flush(msgspec.Struct, tag=4, array_like=True, frozen=True):
    """Asks for the text of everything said up to here; `Flushed` answers."""

    number: int


class KeepAlive(msgspec.Struct, tag=5, array_like=True, frozen=True):
    """The session is still used although no audio comes."""

    number: int


class Speak(msgspec.Struct, tag=6, array_like=True, frozen=True):
    """Asks for a sentence to be spoken."""

    number: int
    text: str


class Respond(msgspec.Struct, tag=7, array_like=True, frozen=True):
    """Asks for an answer to messages in OpenAI's shape; each tool is an object of its `ToolSpec`'s fields."""

    number: int
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    tool_choice: str


class Interrupt(msgspec.Struct, tag=8, array_like=True, frozen=True):
    """The request is of no more interest; `Interrupted` says that it has ended."""

    number: int


class Close(msgspec.Struct, tag=9, array_like=True, frozen=True):
    """Ends a session."""

    number: int


class Started(msgspec.Struct, tag=1, array_like=True, frozen=True):
    """The process runs and waits for `Configure`."""


class Ready(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """The service is there, and one could be made."""


class Refused(msgspec.Struct, tag=3, array_like=True, frozen=True):
    """The configuration cannot be used, and why."""

    code: str
    reason: str
    hint: str


class Begun(msgspec.Struct, tag=4, array_like=True, frozen=True):
    """The session takes requests."""

    number: int


class Heard(msgspec.Struct, tag=5, array_like=True, frozen=True):
    """A text that was understood since the last final one."""

    number: int
    text: str
    is_final: bool
    language: str


class Flushed(msgspec.Struct, tag=6, array_like=True, frozen=True):
    """The answer to one `Flush`."""

    number: int


class Spoken(msgspec.Struct, tag=7, array_like=True, frozen=True):
    """The next audio of the sentence, s16le mono; a word and when it begins, in seconds from the sentence's beginning."""

    number: int
    pcm: bytes
    words: list[tuple[str, float]]


class Written(msgspec.Struct, tag=8, array_like=True, frozen=True):
    """The next text of the answer."""

    number: int
    text: str


class Called(msgspec.Struct, tag=9, array_like=True, frozen=True):
    """The model calls a tool; `arguments` is JSON text."""

    number: int
    call_id: str
    name: str
    arguments: str


class Counted(msgspec.Struct, tag=10, array_like=True, frozen=True):
    """Tokens of the answer."""

    number: int
    prompt: int
    completion: int


class Finished(msgspec.Struct, tag=11, array_like=True, frozen=True):
    """The request is answered."""

    number: int


class Interrupted(msgspec.Struct, tag=12, array_like=True, frozen=True):
    """The answer to `Interrupt`: nothing more comes of the request, and the next one may."""

    number: int


class Failed(msgspec.Struct, tag=13, array_like=True, frozen=True):
    """The session is over. `status` is HTTP's where the cause is known, `LOST`, or 0."""

    number: int
    status: int
    reason: str
    retry_after_s: float | None = None


ToWorker = Configure | Begin | Audio | Flush | KeepAlive | Speak | Respond | Interrupt | Close
OfSession = Begun | Heard | Flushed | Spoken | Written | Called | Counted | Finished | Interrupted | Failed
FromWorker = Started | Ready | Refused | OfSession

to_worker: "msgspec.msgpack.Decoder[ToWorker]" = msgspec.msgpack.Decoder(ToWorker)
from_worker: "msgspec.msgpack.Decoder[FromWorker]" = msgspec.msgpack.Decoder(FromWorker)
