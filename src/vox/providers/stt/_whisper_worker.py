"""The worker process of the Whisper driver: `python -m … _whisper_worker FOLDER LANGUAGE PARTIAL_S SECOND_MODEL MODELS_FOLDER`.

Texts that end an utterance come first, then those of pauses, then interim ones, for the caller who has said most since theirs.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vox.providers.models.store import ModelStore
from vox.providers.stt._whisper_decoder import Decoder, Result
from vox.providers.stt._whisper_text import agreed
from vox.providers.stt._worker_frames import Audio, Begin, Decode, Decoded, FromWorker, Partial, Reset, ToWorker
from vox.providers.stt._worker_process import serve

BYTES_PER_S = 32_000


@dataclass(slots=True)
class _Utterance:
    phrases: tuple[str, ...]
    language: str
    audio: bytearray = field(default_factory=bytearray)
    cpu_s: float = 0.0
    heard: int = 0  # bytes that an interim text was made of
    text: str = ""  # the last interim text
    shown: str = ""


class RequestQueue:
    """Takes orders in any mixture of utterances and decodes one at a time, the most urgent first.

    Args:
        decoder: does the work.
        send: a message to the parent.
        partial_s: new audio from which another interim text is made; 0 for none.
        cpu_s: seconds of this process's CPU.
    """

    def __init__(
        self,
        decoder: Decoder,
        send: Callable[[FromWorker], None],
        *,
        partial_s: float,
        cpu_s: Callable[[], float] = time.process_time,
    ) -> None:
        self._decoder = decoder
        self._send = send
        self._partial_bytes = int(partial_s * BYTES_PER_S)
        self._cpu_s = cpu_s
        self._utterances: dict[int, _Utterance] = {}
        self._requests: list[Decode] = []

    @property
    def has_work(self) -> bool:
        """Whether `work` would do something."""
        return bool(self._requests) or self._next_partial() is not None

    def take(self, order: ToWorker) -> None:
        """Notes an order."""
        match order:
            case Begin(utterance, _, phrases, language):
                self._utterances[utterance] = _Utterance(phrases, language)
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

    def work(self) -> None:
        """Answers one request, or makes one interim text."""
        if self._requests:
            request = next((request for request in self._requests if request.is_final), self._requests[0])
            self._requests.remove(request)
            self._send(self._answer(request))
        elif (number := self._next_partial()) is not None:
            self._make_partial(number, self._utterances[number])

    def _make_partial(self, number: int, utterance: _Utterance) -> None:
        utterance.heard = len(utterance.audio)
        try:
            text = self._decode(utterance, is_final=False).text
        except Exception:  # noqa: BLE001  an interim text may be missing; the final one says what is wrong
            return
        before, utterance.text = utterance.text, text
        shown = agreed(before, text)
        if shown and shown != utterance.shown:
            utterance.shown = shown
            self._send(Partial(number, shown))

    def _answer(self, request: Decode) -> Decoded:
        utterance = self._utterances.get(request.utterance)
        if utterance is None:
            return Decoded(request.utterance, request.request, "", error="unknown utterance")
        try:
            result = self._decode(utterance, is_final=True)
        except Exception as error:  # noqa: BLE001  one utterance's trouble must not end those of the others
            return Decoded(request.utterance, request.request, "", error=str(error) or type(error).__name__)
        utterance.heard = len(utterance.audio)
        return Decoded(
            request.utterance,
            request.request,
            result.text,
            result.confidence,
            language=result.language,
            cpu_s=utterance.cpu_s,
            alternatives=result.alternatives,
        )

    def _decode(self, utterance: _Utterance, *, is_final: bool) -> Result:
        before = self._cpu_s()
        try:
            return self._decoder.decode(
                bytes(utterance.audio), utterance.phrases, utterance.language, is_final=is_final
            )
        finally:
            utterance.cpu_s += self._cpu_s() - before

    def _next_partial(self) -> int | None:
        """The utterance with the most audio that no interim text knows of, if that is enough for one."""
        if not self._partial_bytes:
            return None
        new = {number: len(utterance.audio) - utterance.heard for number, utterance in self._utterances.items()}
        number = max(new, key=lambda number: new[number], default=None)
        return number if number is not None and new[number] >= self._partial_bytes else None


def main() -> int:
    """Runs the worker on its stdin and stdout."""
    folder, language, partial_s, second, models = sys.argv[1:6]

    def requests(send: Callable[[FromWorker], None]) -> RequestQueue:
        from vox.providers.stt._whisper_recogniser import Recogniser  # noqa: PLC0415  after the environment is set
        from vox.providers.stt._whisper_second import InstalledModel, SecondOpinion  # noqa: PLC0415  same

        decoder: Decoder = Recogniser(Path(folder), language)
        if second:
            decoder = SecondOpinion(decoder, InstalledModel(ModelStore(Path(models)), second))
        return RequestQueue(decoder, send, partial_s=float(partial_s))

    return serve(requests)


if __name__ == "__main__":
    sys.exit(main())
