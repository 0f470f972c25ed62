"""Services as Pipecat's users write them, on Pipecat's own classes: the worker imports this file, not the tests.

What goes wrong is part of the request, so that one worker serves every test.
"""

# pyright: basic, reportMissingImports=false

import asyncio
import math
import os
from array import array
from dataclasses import fields

from pipecat.frames.frames import (
    ErrorFrame,
    FunctionCallFromLLM,
    InterimTranscriptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import LLMTokenUsage
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService, STTService
from pipecat.services.tts_service import TTSService

TEXT = "book a table"
LOUD = 1000
WORD_S = 0.2
LOUDNESS_FAULTS = {16001: "401", 16002: "429/7", 16003: "503", 16004: "silent", 16005: "exit", 16006: "unfinalized"}
"""What the loudest sample makes a recogniser do."""


class RefusalError(Exception):
    """What a vendor's HTTP client raises."""

    def __init__(self, status: int, headers: dict[str, str]):
        super().__init__(f"the vendor says {status}")
        self.status_code = status
        self.headers = headers


def fault_of(name: str) -> Exception:
    status, _, after = name.partition("/")
    return RefusalError(int(status), {"retry-after": after} if after else {})


def is_loud(audio: bytes) -> bool:
    return max(array("h", audio[: len(audio) & ~1]), default=0) > LOUD


class StreamingRecogniser(STTService):
    """Understands a word of "book a table" for each fifth of a second of loud audio; its loudness may say that something goes wrong."""

    Settings = STTSettings

    def __init__(self, *, settings=None, **kwargs):
        super().__init__(settings=STTSettings(model="m", language="en"), ttfs_p99_latency=0.1, **kwargs)
        self._settings.apply_update(settings or STTSettings())
        self._begin()

    def _begin(self):
        self._words = TEXT.split()
        self._loud_s = 0.0
        self._told = 0
        self._finalizes = True

    async def run_stt(self, audio):
        loudest = max(array("h", audio), default=0)
        fault = LOUDNESS_FAULTS.get(loudest, "")
        if fault == "exit":
            os._exit(3)
        elif fault[:1].isdecimal():
            yield ErrorFrame("no", exception=fault_of(fault))
            return
        elif fault == "silent":
            self._words = []
        elif fault == "unfinalized":
            self._finalizes = False
        if loudest > LOUD:
            self._loud_s += len(audio) / 2 / self.sample_rate
        known = min(len(self._words), int(self._loud_s / WORD_S + 0.01))
        if known > self._told:
            self._told = known
            yield InterimTranscriptionFrame(" ".join(self._words[:known]), "", "now", language=self._settings.language)

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame) and self._words:
            if self._finalizes:
                self.request_finalize()
                self.confirm_finalize()
            text = TEXT if self._loud_s else ""
            await self.push_frame(TranscriptionFrame(text, "", "now", language=self._settings.language))
            self._begin()


class RecordingRecogniser(SegmentedSTTService):
    """Transcribes recordings; a quiet one gives no text at all."""

    def __init__(self, **kwargs):
        super().__init__(settings=STTSettings(model="m", language="en"), ttfs_p99_latency=0.1, **kwargs)

    async def run_stt(self, audio):
        await asyncio.sleep(0)
        if is_loud(audio[44:]):
            yield TranscriptionFrame("hello", "", "now")


class ToneVoice(TTSService):
    """Speaks a tone of a fifth of a second for each word, whose pitch is the voice's; `[…]` in a text makes it fail."""

    Settings = TTSSettings

    def __init__(self, *, word_times=True, rate=None, settings=None, api_key="", **kwargs):
        super().__init__(
            settings=TTSSettings(model="m", voice="low", language="en"),
            push_text_frames=not word_times,
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=30.0,
            sample_rate=rate,
            **kwargs,
        )
        self._settings.apply_update(settings or TTSSettings())
        self._word_times = word_times
        if api_key == "wrong":
            raise ValueError(f"the key {api_key!r} has a bad form")

    async def run_tts(self, text, context_id):
        if "[401]" in text or "[429/7]" in text or "[503]" in text:
            yield ErrorFrame("no", exception=fault_of(text[text.index("[") + 1 : text.index("]")]))
            return
        if "[exit]" in text:
            os._exit(3)
        pitch = {"low": 9, "high": 3}.get(str(self._settings.voice), 20)
        for number, word in enumerate(text.split()):
            if self._word_times:
                await self.add_word_timestamps([(word, number * WORD_S)], context_id)
            samples = int(self.sample_rate * WORD_S)
            tone = array("h", (round(9000 * math.sin(n / pitch)) for n in range(samples))).tobytes()
            yield TTSAudioRawFrame(tone, self.sample_rate, 1, context_id=context_id)
            if word == "[hang]":
                await asyncio.sleep(3600)
        await self.remove_audio_context(context_id)


class ParrotModel(LLMService):
    """Says what it was told, word by word; `tool` calls the first tool, `[…]` makes it fail."""

    Settings = LLMSettings

    def __init__(self, *, settings=None, **kwargs):
        given = {field.name: None for field in fields(LLMSettings) if field.name not in {"extra", "model"}}
        super().__init__(settings=LLMSettings(model="m", **given), **kwargs)
        self._settings.apply_update(settings or LLMSettings())

    def can_generate_metrics(self):
        return True

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        try:
            await self.push_frame(LLMFullResponseStartFrame())
            await self._answer(frame.context)
        except RefusalError as error:
            await self.push_error("no", exception=error)
        finally:
            await self.push_frame(LLMFullResponseEndFrame())

    async def _answer(self, context):
        asked = str(context.get_messages()[-1]["content"])
        for word in asked.split():
            if word in {"[401]", "[429/7]", "[503]"}:
                raise fault_of(word.strip("[]"))
            if word == "[exit]":
                os._exit(3)
            if word == "[hang]":
                await asyncio.sleep(3600)
            if word == "[model]":
                word = str(self._settings.model)  # noqa: PLW2901
            await self.push_frame(LLMTextFrame(f"{word} "))
        usage = LLMTokenUsage(prompt_tokens=7, completion_tokens=len(asked.split()), total_tokens=0)
        await self.start_llm_usage_metrics(usage)
        if "tool" in asked.split():
            tool = context.tools.standard_tools[0]
            arguments = dict.fromkeys(tool.required, "x")
            await self.run_function_calls([FunctionCallFromLLM(tool.name, "call-1", arguments, context)])
