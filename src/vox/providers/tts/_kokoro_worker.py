"""The worker process of the Kokoro driver: `python -m vox.providers.tts._kokoro_worker`.

Two threads: one reads what has come and can end the model's run in the middle, the other speaks. A listener's text ends the run of
one that is only prepared.
"""

import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol

from vox.errors import VoxError
from vox.media.resample import resample
from vox.providers.tts import _kokoro_audio as audio
from vox.providers.tts._kokoro_files import KokoroFiles
from vox.providers.tts._kokoro_frames import (
    Cancel,
    Finished,
    FromWorker,
    Measure,
    Ready,
    Say,
    Spoken,
    ToWorker,
    to_worker,
)
from vox.providers.tts._kokoro_queue import Job, SpeechQueue
from vox.providers.tts._kokoro_text import Run
from vox.providers.tts._kokoro_voices import gain_of
from vox.providers.workers.serving import Channel, serve

WARM_UP = "Good morning, how can I help you?"


class Model(Protocol):
    """What the speaker needs of a model; see `_kokoro_engine.Engine`."""

    def plan(self, text: str, voice: str) -> list[Run]: ...
    def new_run(self) -> "Ending": ...
    def run(self, phonemes: str, voice: str, speed: float, options: "Ending") -> audio.Floats: ...


class Ending(Protocol):
    """Set it, and the run ends."""

    terminate: bool


class Speaker:
    """Speaks what it is asked for, one run of the model at a time.

    Args:
        model: the model.
        sample_rate: of the audio to send, in Hz.
        warm_up_voice: speaks the text by which the machine is measured.
        send: takes each message; called in the thread of `speak_on`.
        now: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        model: Model,
        sample_rate: int,
        warm_up_voice: str,
        send: Callable[[FromWorker], None],
        now: Callable[[], float],
    ) -> None:
        self._model = model
        self._sample_rate = sample_rate
        self._warm_up_voice = warm_up_voice
        self._send = send
        self._now = now
        self._queue = SpeechQueue()
        self._changed = threading.Condition()
        self._current: tuple[Job, Ending] | None = None
        self._is_measuring = False
        self._is_closed = False

    def take(self, order: ToWorker) -> None:
        """Notes an order, and ends the present run where it is of no more interest or keeps a listener waiting."""
        with self._changed:
            match order:
                case Say():
                    self._queue.add(order, self._now())
                    if self._current and self._current[0].order.is_background and not order.is_background:
                        self._current[1].terminate = True
                case Cancel(number):
                    self._queue.remove(number)
                    if self._current and self._current[0].order.number == number:
                        self._current[1].terminate = True
                case Measure():
                    self._is_measuring = True
            self._changed.notify()

    def close(self) -> None:
        """Ends `speak_on`, at once."""
        with self._changed:
            self._is_closed = True
            if self._current:
                self._current[1].terminate = True
            self._changed.notify()

    def speak_on(self) -> None:
        """Speaks until `close`."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._is_measuring or self._queue.jobs)
                if self._is_closed:
                    return
                job = self._queue.next()
                is_measuring = self._is_measuring and job is None
                if is_measuring:
                    self._is_measuring = False
            if job is not None:
                self._work(job)
            elif is_measuring:
                self.measure()

    def warm_up(self) -> None:
        """Lets the model fill its memory, which takes longer than speaking, then measures."""
        (run,) = self._model.plan(WARM_UP, self._warm_up_voice)[:1]
        self._model.run(run.phonemes, self._warm_up_voice, 1.0, self._model.new_run())
        self.measure()

    def measure(self) -> None:
        """Speaks a short text that is not sent, and says how long it took."""
        (run,) = self._model.plan(WARM_UP, self._warm_up_voice)[:1]
        began = self._now()
        clip = audio.finish(
            self._model.run(run.phonemes, self._warm_up_voice, 1.0, self._model.new_run()), 1.0, run.mark
        )
        self._send(Ready((self._now() - began) / max(0.1, clip.speech_ends_s)))

    def _work(self, job: Job) -> None:
        """Speaks the next run of a text, or says that it is over."""
        number = job.order.number
        ending = self._model.new_run()
        with self._changed:
            if number not in self._queue.jobs:
                return
            self._current = (job, ending)
        error = ""
        try:
            if job.runs is None:
                job.runs = self._model.plan(job.order.text, job.order.voice)
            if not job.is_over:
                self._speak(job, job.runs[job.next_run], ending)
        except Exception as failure:  # noqa: BLE001  one text's trouble must not end those of the others
            if ending.terminate:
                return  # cancelled, or to be begun again when no one waits any more
            error = str(failure) if isinstance(failure, VoxError) else f"{type(failure).__name__}: {failure}"
        finally:
            with self._changed:
                self._current = None
        if error or job.is_over:
            with self._changed:
                self._queue.remove(number)
            self._send(Finished(number, error))

    def _speak(self, job: Job, run: Run, ending: Ending) -> None:
        order = job.order
        began = self._now()
        raw = self._model.run(run.phonemes, order.voice, order.speed, ending)
        clip = audio.finish(raw, gain_of(order.voice), run.mark)
        pcm = resample(audio.pcm(clip.samples), audio.SAMPLE_RATE, self._sample_rate)
        length = clip.speech_ends_s - clip.speech_begins_s
        words = [(start, end, job.audio_s + clip.speech_begins_s + share * length) for start, end, share in run.words]
        job.next_run += 1
        job.audio_s += len(pcm) / 2 / self._sample_rate
        if pcm:
            self._send(Spoken(order.number, pcm, words, self._now() - began, clip.speech_ends_s))


def run(channel: Channel, files: KokoroFiles, sample_rate: int, warm_up_voice: str) -> None:
    """Serves the parent's orders until it is gone."""
    from vox.providers.tts._kokoro_engine import Engine  # noqa: PLC0415  after the environment is set

    speaker = Speaker(Engine(files), sample_rate, warm_up_voice, channel.send, time.monotonic)
    speaker.warm_up()
    thread = threading.Thread(target=speaker.speak_on, name="speak", daemon=True)
    thread.start()
    try:
        while (bodies := channel.receive(None)) is not None:
            for body in bodies:
                speaker.take(to_worker.decode(body))
    finally:
        speaker.close()
        thread.join(1.0)


if __name__ == "__main__":
    _, encoded, rate, voice = sys.argv
    sys.exit(serve(lambda channel: run(channel, KokoroFiles.decode(encoded), int(rate), voice)))
