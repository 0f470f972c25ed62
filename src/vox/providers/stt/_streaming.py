"""Recognition by a vendor that takes audio as it is spoken and answers with texts as it understands them.

One connection serves one call's utterances one after the other, and is kept for a while in between. The whole utterance is kept until
it is understood: where a connection breaks in the middle, a new one gets it again, once. At a pause the vendor is asked for the final
text (a flush), so that the text is there when the turn ends.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from vox.errors import DependencyError, UsageError
from vox.providers import _failures
from vox.providers.stt._connection import Connection
from vox.providers.stt._dialect import (
    Event,
    Failed,
    Flushed,
    Heard,
    KeytermOptions,
    Opened,
    Ready,
    Reply,
    Session,
    StreamingOptions,
    Vendor,
    chosen_phrases,
)
from vox.providers.stt._understood import Understood
from vox.providers.stt._utterance import Utterance
from vox.providers.stt.contract import SpeechHints, Transcript

MIN_AUDIO_S = 0.1
"""Shorter audio is no speech, and some vendors refuse it."""


class StreamingRecogniser:
    """A recogniser behind a vendor's streaming API.

    Args:
        vendor: how to connect, and its messages.
        options: times and limits.
    """

    def __init__(self, vendor: Vendor, options: StreamingOptions) -> None:
        self.sample_rate = options.sample_rate
        self._vendor = vendor
        self._options = options

    async def __aenter__(self) -> Self:
        if isinstance(self._vendor, Opened):
            await self._vendor.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(self._vendor, Opened):
            await self._vendor.close()

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> "Stream":
        """A stream for one call; its connection is opened at once, so that the first word need not wait for it."""
        stream = Stream(self._vendor, self._options, on_partial, language or self._options.language)
        if self._options.idle_s:
            stream.connect_early()
        return stream


class Stream:
    """One call's utterances."""

    def __init__(
        self, vendor: Vendor, options: StreamingOptions, on_partial: Callable[[Transcript], None], language: str
    ) -> None:
        self._vendor = vendor
        self._options = options
        self._on_partial = on_partial
        self._language = language
        self._bytes_per_s = options.sample_rate * 2
        self._chunk = int(vendor.traits.chunk_s * options.sample_rate) * 2
        self._min_chunk = int(vendor.traits.min_chunk_s * options.sample_rate) * 2
        self._max_chunk = int(vendor.traits.max_chunk_s * options.sample_rate) * 2
        self._keyterms = options.keyterms if isinstance(options, KeytermOptions) else ()
        self._phrases = chosen_phrases(self._keyterms, ())
        self._connection: Connection | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._idle_at = 0.0
        self._begin()

    def connect_early(self) -> None:
        """Opens the connection before anything is said."""
        self._connect()
        self._rest()

    def start(self, hints: SpeechHints | None) -> None:
        """A new utterance."""
        self.cancel()
        self._phrases = chosen_phrases(self._keyterms, hints.phrases if hints is not None else ())
        self._stop_timer()
        connection = self._connection
        if connection is not None and self._vendor.traits.takes_phrases and connection.session.phrases != self._phrases:
            self._drop()
        self._begin(is_speaking=True)
        if self._connection is None:
            self._connect()

    def push(self, pcm: bytes) -> None:
        """Keeps the audio, and sends it in messages of the size that the vendor likes."""
        self._utterance.push(pcm)
        if len(self._utterance.audio) - self._sent >= self._chunk:
            self._pump()

    def pause(self) -> None:
        """Asks for the final text of what there is."""
        if self._paused_at >= 0 and not self._utterance.has_resumed(check_all=True):
            return
        self._utterance.pause()
        self._paused_at = len(self._utterance.audio)
        if self._paused_at >= MIN_AUDIO_S * self._bytes_per_s:
            self._flush()

    async def finish(self) -> Transcript:
        """The text, at once where the last pause's is known and speech has not gone on."""
        self._is_finishing = True
        is_known = False
        try:
            if len(self._utterance.audio) < MIN_AUDIO_S * self._bytes_per_s:
                return Transcript("")
            if self._error is not None:
                raise self._error
            if not self._is_answered():
                await self._answer()
            is_known = True
            return self._understood.transcript(is_final=True, language=self._language)
        finally:
            if not is_known:
                self._drop()
            self._finished()

    def cancel(self) -> None:
        """Throws the utterance away, at the vendor too where anything of it has been sent."""
        if self._is_speaking and (self._sent or self._flushes or self._is_flush_due):
            self._drop()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.cancel()
        self._finished()

    async def aclose(self) -> None:
        """Ends the stream."""
        self.cancel()
        self._drop()
        self._stop_timer()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _begin(self, *, is_speaking: bool = False) -> None:
        self._utterance = Utterance(self._options.sample_rate, self._options.max_utterance_s)
        offset = self._connection.sent_bytes if self._connection is not None else 0
        self._understood = Understood(offset / self._bytes_per_s)
        self._is_speaking = is_speaking
        self._is_finishing = False
        self._sent = 0
        self._paused_at = self._answered = -1
        self._needed = 0
        self._is_flush_due = False
        self._has_retried = False
        self._flushes: deque[int] = deque()
        self._error: DependencyError | UsageError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def _finished(self) -> None:
        """The utterance is over; the connection may serve the next one."""
        self._stop_settling()
        connection = self._connection
        if connection is not None and (not self._options.idle_s or connection.is_spent or self._flushes):
            self._drop()
        if self._is_speaking:
            self._begin()
            self._rest()

    def _is_answered(self) -> bool:
        is_quiet = self._paused_at >= 0 and not self._utterance.has_resumed(check_all=True)
        return is_quiet and self._answered >= self._paused_at and not self._understood.interim

    async def _answer(self) -> None:
        """Waits for the text of everything that was said.

        Raises:
            DependencyError: the vendor failed, or did not answer in time.
        """
        is_asked = self._is_flush_due or bool(self._flushes)
        if is_asked and self._paused_at >= 0 and not self._utterance.has_resumed(check_all=True):
            self._needed = self._paused_at
        else:
            self._needed = len(self._utterance.audio)
            self._flush()
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._options.timeout_s):
                await self._waiter
        except TimeoutError as error:
            raise _failures.of_connection(error, self._vendor.traits.name) from error

    def _flush(self) -> None:
        self._is_flush_due = True
        self._pump()

    def _connect(self) -> None:
        session = Session(self._language, self._phrases if self._vendor.traits.takes_phrases else ())
        connection = self._connection = Connection(self._vendor, session, self._happened)
        task = asyncio.create_task(connection.open(self._options.connect_timeout_s))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _pump(self) -> None:
        """Sends what has not been sent; connects where there is no connection and speech to be sent."""
        connection = self._connection
        if connection is None:
            if self._error is None and (self._is_flush_due or self._utterance.has_resumed()):
                self._connect()
            return
        if not connection.is_ready or connection.is_spent:
            return
        audio = self._utterance.audio
        least = 1 if self._is_flush_due else self._chunk
        while (left := len(audio) - self._sent) >= least:
            end = self._sent + min(left, self._max_chunk)
            connection.push(bytes(audio[self._sent : end]).ljust(self._min_chunk, b"\0"))
            self._sent = end
        if self._is_flush_due:
            self._is_flush_due = False
            self._flushes.append(self._sent)
            connection.flush()
            self._settle_later()

    def _happened(self, connection: Connection, event: Event) -> None:
        if connection is not self._connection:
            return
        match event:
            case Ready():
                self._pump()
            case Heard():
                self._hear(event)
            case Flushed():
                self._flushed()
            case Failed(error):
                self._failed(error)
            case Reply():
                pass

    def _hear(self, heard: Heard) -> None:
        if not self._is_speaking:
            return
        before = self._understood.text
        self._understood.take(heard)
        if self._understood.text != before and not self._is_finishing:
            self._on_partial(self._understood.transcript(language=self._language))

    def _flushed(self) -> None:
        if not self._flushes:
            return
        self._answered = self._flushes.popleft()
        if not self._flushes:
            self._stop_settling()
        self._understood.settle()
        if self._connection is not None and self._connection.is_spent:
            self._drop()
            self._understood.offset_s = -self._answered / self._bytes_per_s
        if self._waiter is not None:
            if self._answered >= self._needed and not self._waiter.done():
                self._waiter.set_result(None)
        elif self._is_answered():
            self._on_partial(self._understood.transcript(at_pause=True, language=self._language))
        if self._connection is None and (self._is_flush_due or len(self._utterance.audio) > self._sent):
            self._pump()

    def _settle_later(self, *, is_last: bool = False) -> None:
        self._stop_settling()
        if (settle_s := self._vendor.traits.settle_s) is not None:
            self._settling = asyncio.get_running_loop().call_later(settle_s, self._settle, self._understood, is_last)

    def _settle(self, understood: Understood, is_last: bool) -> None:
        """The vendor has not answered the last flush, as some do not where there was nothing left to understand.

        One that has told an interim text owes a final one and gets the time once more. Behind that the connection is given up,
        because a final text that comes later still would be heard twice.
        """
        if understood is not self._understood or not self._flushes or not understood.is_alive:
            return
        if understood.interim and not is_last:
            self._settle_later(is_last=True)
            return
        if understood.interim:
            self._drop()
            understood.offset_s = -self._sent / self._bytes_per_s
        while len(self._flushes) > 1:
            self._flushes.popleft()
        self._flushed()

    def _stop_settling(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    def _failed(self, error: DependencyError | UsageError) -> None:
        self._drop()
        if not self._is_speaking:
            return
        if error.retryable and error.retry_after_s is None and not self._has_retried:
            self._has_retried = True
            self._is_flush_due = self._is_flush_due or bool(self._flushes)
            self._flushes.clear()
            self._sent = max(0, self._answered)
            self._understood.rewind(-self._sent / self._bytes_per_s)
            self._connect()
            return
        self._error = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def _rest(self) -> None:
        """Keeps the connection for a while, saying now and then that it is wanted."""
        self._idle_at = asyncio.get_running_loop().time()
        self._stop_timer()
        if self._connection is not None:
            self._wait()

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._options.idle_s - (loop.time() - self._idle_at)
        every = self._vendor.traits.keep_alive_s or left
        self._timer = loop.call_later(max(0.0, min(left, every)), self._waited)

    def _waited(self) -> None:
        if self._connection is None or self._is_speaking:
            return
        if asyncio.get_running_loop().time() - self._idle_at >= self._options.idle_s:
            self._drop()
            return
        if self._connection.is_ready:
            self._connection.keep_alive()
        self._wait()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
