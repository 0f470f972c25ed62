"""The worker process of the pocketsphinx driver: `python -m vox.providers.stt._pocketsphinx_worker`."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from vox.providers.stt._worker_frames import (
    Audio,
    Begin,
    Decode,
    Decoded,
    FromWorker,
    Partial,
    Reset,
    ToWorker,
)
from vox.providers.stt._worker_process import serve

_LISTEN_BYTES = 6400  # 200 ms: a piece of free text takes about 30 ms


class Result(Protocol):
    """What a recogniser gives back."""

    @property
    def text(self) -> str:
        """Empty where nothing fits."""
        ...

    @property
    def confidence(self) -> float | None:
        """In 0..1."""
        ...


class DecoderPool(Protocol):
    """What the queue needs of a recogniser; see `_pocketsphinx_recogniser.Recogniser`."""

    def decode(self, pcm: bytes, grammar: str) -> Result: ...
    def open_free_text(self) -> None: ...
    def begin_free_text(self) -> None: ...
    def hear_free_text(self, pcm: bytes) -> str: ...
    def end_free_text(self) -> str: ...


@dataclass(slots=True)
class _Utterance:
    grammar: str | None
    audio: bytearray = field(default_factory=bytearray)
    heard: int = 0  # bytes of audio that free text has listened to
    said: list[str] = field(default_factory=list[str])  # free text up to earlier pauses
    partial: str = ""


class RequestQueue:
    """Takes orders in any mixture of utterances and does one piece of work at a time, the most urgent first."""

    def __init__(self, decoders: DecoderPool, send: Callable[[FromWorker], None]) -> None:
        self._decoders = decoders
        self._send = send
        self._utterances: dict[int, _Utterance] = {}
        self._requests: list[Decode] = []
        self._listening_to: int | None = None

    @property
    def has_work(self) -> bool:
        """Whether `work` would do something."""
        return bool(self._requests) or self._next_to_hear() is not None

    def take(self, order: ToWorker) -> None:
        """Notes an order."""
        match order:
            case Begin(utterance, grammar, _, _):
                self._utterances[utterance] = _Utterance(grammar)
                if grammar is None:
                    self._decoders.open_free_text()
            case Audio(utterance, pcm):
                if known := self._utterances.get(utterance):
                    known.audio += pcm
            case Decode(utterance):
                # A later request of the same utterance makes an earlier one worthless.
                self._requests = [earlier for earlier in self._requests if earlier.utterance != utterance]
                self._requests.append(order)
            case Reset(utterance):
                self._requests = [request for request in self._requests if request.utterance != utterance]
                self._utterances.pop(utterance, None)
                if self._listening_to == utterance:
                    self._stop_listening()

    def work(self) -> None:
        """Answers one request, those that end an utterance first; else listens to 200 ms of free speech."""
        if self._requests:
            request = next((request for request in self._requests if request.is_final), self._requests[0])
            self._requests.remove(request)
            self._send(self._answer(request))
        elif (number := self._next_to_hear()) is not None:
            utterance = self._utterances[number]
            text = " ".join([*utterance.said, self._hear(number, utterance)]).strip()
            if text and text != utterance.partial:
                utterance.partial = text
                self._send(Partial(number, text))

    def _answer(self, request: Decode) -> Decoded:
        utterance = self._utterances.get(request.utterance)
        if utterance is None:
            return Decoded(request.utterance, request.request, "", error="unknown utterance")
        try:
            if utterance.grammar is None:
                return Decoded(request.utterance, request.request, self._free_text(request.utterance, utterance))
            result = self._decoders.decode(bytes(utterance.audio), utterance.grammar)
        except Exception as error:  # noqa: BLE001  one utterance's trouble must not end those of the others
            return Decoded(request.utterance, request.request, "", error=str(error) or type(error).__name__)
        return Decoded(request.utterance, request.request, result.text, result.confidence)

    def _next_to_hear(self) -> int | None:
        """The free speech to listen to: that which is being listened to, or where none is, the next."""
        if self._listening_to is not None:
            utterance = self._utterances[self._listening_to]
            return self._listening_to if len(utterance.audio) - utterance.heard >= _LISTEN_BYTES else None
        return next(
            (
                number
                for number, utterance in self._utterances.items()
                if utterance.grammar is None and len(utterance.audio) - utterance.heard >= _LISTEN_BYTES
            ),
            None,
        )

    def _hear(self, number: int, utterance: _Utterance) -> str:
        if self._listening_to is None:
            self._decoders.begin_free_text()
            self._listening_to = number
        piece = bytes(utterance.audio[utterance.heard : utterance.heard + _LISTEN_BYTES])
        utterance.heard += len(piece)
        return self._decoders.hear_free_text(piece)

    def _free_text(self, number: int, utterance: _Utterance) -> str:
        """Ends a sentence here; what comes later is a further one, so nothing is ever listened to twice."""
        if self._listening_to is not None and self._listening_to != number:
            self._stop_listening()
        while len(utterance.audio) > utterance.heard:
            self._hear(number, utterance)
        if self._listening_to == number:
            self._listening_to = None
            if text := self._decoders.end_free_text():
                utterance.said.append(text)
            del utterance.audio[:]
            utterance.heard = 0
        return " ".join(utterance.said)

    def _stop_listening(self) -> None:
        """Another caller's sentence is over and goes first: this one is listened to again from its beginning, later."""
        if self._listening_to in self._utterances:
            self._utterances[self._listening_to].heard = 0
        self._listening_to = None
        self._decoders.end_free_text()


def main() -> int:
    """Runs the worker on its stdin and stdout."""

    def requests(send: Callable[[FromWorker], None]) -> RequestQueue:
        from vox.providers.stt._pocketsphinx_recogniser import Recogniser  # noqa: PLC0415  after the environment is set

        return RequestQueue(Recogniser(float(sys.argv[1])), send)

    return serve(requests)


if __name__ == "__main__":
    sys.exit(main())
