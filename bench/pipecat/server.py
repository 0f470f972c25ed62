"""Pipecat as its documentation sets it up for telephone calls, with services that answer at once.

Runs in the environment of `requirements.txt`, not in Vox's. The mocks subclass Pipecat's own STTService, LLMService and
TTSService and sit in the documented pipeline: input, STT, user aggregator, LLM, TTS, output, assistant aggregator. What
they answer is what Vox's `fake` drivers answer in the same run: a transcript at the end of speech, 13 words, and 2.5 s
of tone in blocks of 200 ms at the output rate.
"""

import argparse
import json
import math
import struct
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

ANSWER = "This is a spoken answer of thirteen words that takes about three seconds."
TONE_S = 2.5
BLOCK_S = 0.2
VAD = VADParams(start_secs=0.2, stop_secs=0.2)
TURN_STOP_S = 0.2


class MockSTT(STTService):
    """Has the transcript ready when speech ends."""

    def __init__(self):
        super().__init__(ttfs_p99_latency=0.0, settings=STTSettings(model=None, language=None))

    async def run_stt(self, audio):
        """Nothing to do while the caller speaks."""
        yield None

    async def process_frame(self, frame, direction):
        """Pushes the transcript when the end of speech comes by."""
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            await self.push_frame(TranscriptionFrame("A table for two, please.", "", "", finalized=True))


class MockLLM(LLMService):
    """Answers with thirteen words at once."""

    def __init__(self):
        unset = dict.fromkeys(
            (
                "model",
                "system_instruction",
                "temperature",
                "max_tokens",
                "top_p",
                "top_k",
                "frequency_penalty",
                "presence_penalty",
                "seed",
                "filter_incomplete_user_turns",
                "user_turn_completion_config",
            )
        )
        super().__init__(settings=LLMSettings(**unset, use_provider_thinking_default=False))

    async def process_frame(self, frame, direction):
        """Answers a context; passes everything else on."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        for word in ANSWER.split():
            await self.push_frame(LLMTextFrame(word + " "))
        await self.push_frame(LLMFullResponseEndFrame())


class MockTTS(TTSService):
    """Speaks a tone."""

    def __init__(self):
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            settings=TTSSettings(model=None, voice=None, language=None),
        )

    async def run_tts(self, text, context_id):
        """All blocks at once."""
        size = int(self.sample_rate * BLOCK_S) * 2
        pcm = tone(self.sample_rate)
        for at in range(0, len(pcm), size):
            yield TTSAudioRawFrame(pcm[at : at + size], self.sample_rate, 1, context_id=context_id)


TONES = {}


def tone(sample_rate):
    """2.5 s of 440 Hz, made once per rate."""
    if sample_rate not in TONES:
        samples = (int(8000 * math.sin(2 * math.pi * 440 * n / sample_rate)) for n in range(int(TONE_S * sample_rate)))
        TONES[sample_rate] = b"".join(struct.pack("<h", sample) for sample in samples)
    return TONES[sample_rate]


async def run_bot(websocket, serializer, sample_rate):
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            add_wav_header=False,
            serializer=serializer,
            audio_out_10ms_chunks=2,
        ),
    )
    aggregators = LLMContextAggregatorPair(
        LLMContext([{"role": "system", "content": "You are a load test."}]),
        user_params=LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(params=VAD),
            user_turn_strategies=UserTurnStrategies(
                stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=TURN_STOP_S)]
            ),
        ),
    )
    pipeline = Pipeline(
        [
            transport.input(),
            MockSTT(),
            aggregators.user(),
            MockLLM(),
            MockTTS(),
            transport.output(),
            aggregators.assistant(),
        ]
    )
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(
            audio_in_sample_rate=sample_rate,
            audio_out_sample_rate=sample_rate,
            enable_metrics=False,
            enable_usage_metrics=False,
        ),
    )

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport, _websocket):
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


app = FastAPI()


@app.get("/ready")
async def ready():
    return {"status": "ok"}


@app.websocket("/telephony/ws")
async def twilio(websocket: WebSocket):
    await websocket.accept()
    await websocket.receive_text()  # "connected"
    start = json.loads(await websocket.receive_text())["start"]
    serializer = TwilioFrameSerializer(
        stream_sid=start["streamSid"],
        call_sid=start["callSid"],
        params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
    )
    await run_bot(websocket, serializer, 8000)


@app.websocket("/ws")
async def protobuf(websocket: WebSocket):
    await websocket.accept()
    await run_bot(websocket, ProtobufFrameSerializer(), 16000)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    args = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    uvicorn.run(app, host="127.0.0.1", port=args.port, log_level="error")


if __name__ == "__main__":
    main()
