"""Everything of Pipecat that Vox stands on, in one list.

Pipecat is not among the packages that Vox is checked with, because it pins others that Vox has newer: its names are looked up when
the worker runs, and a release that moves one is noticed here.
"""

from importlib import import_module
from typing import Any


def _of(module: str, name: str) -> Any:
    return getattr(import_module(f"pipecat.{module}"), name)


STTService: Any = _of("services.stt_service", "STTService")
SegmentedSTTService: Any = _of("services.stt_service", "SegmentedSTTService")
TTSService: Any = _of("services.tts_service", "TTSService")
LLMService: Any = _of("services.llm_service", "LLMService")
Language: Any = _of("transcriptions.language", "Language")

BaseClock: Any = _of("clocks.base_clock", "BaseClock")
FrameDirection: Any = _of("processors.frame_processor", "FrameDirection")
FrameProcessor: Any = _of("processors.frame_processor", "FrameProcessor")
Pipeline: Any = _of("pipeline.pipeline", "Pipeline")
PipelineParams: Any = _of("pipeline.worker", "PipelineParams")
PipelineWorker: Any = _of("pipeline.worker", "PipelineWorker")
WorkerRunner: Any = _of("workers.runner", "WorkerRunner")

AudioRawFrame: Any = _of("frames.frames", "AudioRawFrame")
ControlFrame: Any = _of("frames.frames", "ControlFrame")
ErrorFrame: Any = _of("frames.frames", "ErrorFrame")
InputAudioRawFrame: Any = _of("frames.frames", "InputAudioRawFrame")
InterruptionFrame: Any = _of("frames.frames", "InterruptionFrame")
STTMetadataFrame: Any = _of("frames.frames", "STTMetadataFrame")
InterimTranscriptionFrame: Any = _of("frames.frames", "InterimTranscriptionFrame")
TranscriptionFrame: Any = _of("frames.frames", "TranscriptionFrame")
VADUserStartedSpeakingFrame: Any = _of("frames.frames", "VADUserStartedSpeakingFrame")
VADUserStoppedSpeakingFrame: Any = _of("frames.frames", "VADUserStoppedSpeakingFrame")
UserStartedSpeakingFrame: Any = _of("frames.frames", "UserStartedSpeakingFrame")
UserStoppedSpeakingFrame: Any = _of("frames.frames", "UserStoppedSpeakingFrame")
TTSAudioRawFrame: Any = _of("frames.frames", "TTSAudioRawFrame")
TTSSpeakFrame: Any = _of("frames.frames", "TTSSpeakFrame")
TTSTextFrame: Any = _of("frames.frames", "TTSTextFrame")
FunctionCallResultProperties: Any = _of("frames.frames", "FunctionCallResultProperties")
FunctionCallsStartedFrame: Any = _of("frames.frames", "FunctionCallsStartedFrame")
LLMContextFrame: Any = _of("frames.frames", "LLMContextFrame")
LLMFullResponseEndFrame: Any = _of("frames.frames", "LLMFullResponseEndFrame")
LLMFullResponseStartFrame: Any = _of("frames.frames", "LLMFullResponseStartFrame")
LLMTextFrame: Any = _of("frames.frames", "LLMTextFrame")
MetricsFrame: Any = _of("frames.frames", "MetricsFrame")

FunctionSchema: Any = _of("adapters.llm.schemas.function_schema", "FunctionSchema")
LLMContext: Any = _of("processors.aggregators.llm_context", "LLMContext")
LLMUsageMetricsData: Any = _of("metrics.metrics", "LLMUsageMetricsData")
ToolsSchema: Any = _of("adapters.llm.schemas.tools_schema", "ToolsSchema")


def http_client() -> Any:
    """A session of aiohttp, which Pipecat depends on, for services that want to be given one."""
    client: Any = import_module("aiohttp")
    return client.ClientSession()
