"""The agent's metrics under the names that dashboards already know; labels that carry nothing stay empty.

The unprefixed families and their label sets are a promise of compatibility; the `voxray_` ones are the documented names.
"""

from typing import Final

from vox.runtime.metrics import Counter, Gauge, Histogram, Metrics

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STAGE = ("session_id", "stage", "status", "model")
_ERROR = ("error_type", "session_id", "stage", "model")
_HTTP = ("method", "route", "status_code", "session_id", "stage", "direction", "status", "model")

UP = Gauge("voxray_up", "1 while the process serves")
TLS_EXPIRES = Gauge(
    "vox_agent_tls_certificate_expires_timestamp_seconds", "Unix time at which the served certificate expires"
)
REQUESTS = Counter(
    "voxray_http_requests_total", "Requests by method, route and status class", ("method", "route", "status")
)
REQUEST_SECONDS = Histogram(
    "voxray_http_request_duration_seconds", "Request latency by route", ("route",), buckets=LATENCY_BUCKETS
)
ACTIVE_CONNECTIONS = Gauge("voxray_http_active_connections", "Requests in flight and live calls by route", ("route",))
HTTP_REQUESTS = Counter("http_requests_total", "Requests (compatible labels)", _HTTP)
HTTP_SECONDS = Histogram(
    "http_request_duration_seconds", "Request latency (compatible labels)", _HTTP, buckets=LATENCY_BUCKETS
)
HTTP_ACTIVE = Gauge(
    "http_active_connections",
    "Requests in flight and live calls (compatible labels)",
    ("route", "stage", "direction", "session_id", "model"),
)
HTTP_ERRORS = Counter("http_errors_total", "Requests answered with 4xx or 5xx", ("method", "route", "error_type"))

STT_ERRORS = Counter("stt_errors_total", "Transcripts that failed", _ERROR)
STT_FIRST_TOKEN = Histogram(
    "stt_time_to_first_token_seconds", "End of speech to transcript", _STAGE, buckets=LATENCY_BUCKETS
)
STT_LATENCY = Histogram(
    "stt_transcription_latency_seconds", "End of speech to transcript", _STAGE, buckets=LATENCY_BUCKETS
)
LLM_ERRORS = Counter("llm_errors_total", "Model responses that failed", _ERROR)
LLM_FIRST_TOKEN = Histogram(
    "llm_time_to_first_token_seconds", "Request to the model's first output", _STAGE, buckets=LATENCY_BUCKETS
)
LLM_GENERATION = Histogram(
    "llm_generation_latency_seconds", "Request to the end of the model's response", _STAGE, buckets=LATENCY_BUCKETS
)
LLM_INTER_TOKEN = Histogram(
    "llm_inter_token_latency_seconds",
    "Between two pieces of the model's output",
    ("session_id", "stage", "model"),
    buckets=LATENCY_BUCKETS,
)
TOOL_SECONDS = Histogram(
    "vox_agent_tool_duration_seconds",
    "Runs of tools by outcome: ok, error, timeout or cancelled",
    ("tool", "outcome"),
    buckets=LATENCY_BUCKETS,
)

TTS_ERRORS = Counter("tts_errors_total", "Syntheses that failed", _ERROR)
TTS_FIRST_CHUNK = Histogram(
    "tts_time_to_first_audio_chunk_seconds", "Text to the first audio sent", _STAGE, buckets=LATENCY_BUCKETS
)
TTS_LATENCY = Histogram(
    "tts_synthesis_latency_seconds", "Text to the sentence's last audio queued", _STAGE, buckets=LATENCY_BUCKETS
)
RESPONSE_SECONDS = Histogram(
    "vox_agent_response_seconds", "Caller's last sound to the answer's first audio", buckets=LATENCY_BUCKETS
)
END_OF_UTTERANCE_SECONDS = Histogram(
    "vox_agent_end_of_utterance_seconds",
    "Caller's last sound to the decision that the turn is over",
    buckets=LATENCY_BUCKETS,
)
CALL_SECONDS = Histogram("vox_agent_call_seconds", "Length of calls", buckets=(1, 5, 15, 60, 180, 600, 1800, 3600))
CALLS_ENDED = Counter("vox_agent_calls_ended_total", "Calls that ended, by reason", ("reason",))
INTERRUPTIONS = Counter("vox_agent_interruptions_total", "Answers that the caller cut off")
FALSE_INTERRUPTIONS = Counter("vox_agent_false_interruptions_total", "Answers held for a noise, then resumed")
ECHOES = Counter(
    "vox_agent_echoes_total", "Times that the agent's own voice came back and was not taken for the caller's"
)
SESSIONS_STARTED = Counter("vox_agent_sessions_started_total", "Sessions made by POST /start")
SESSIONS_REFUSED = Counter(
    "vox_agent_sessions_refused_total", "POST /start refused: `rate` of an address, or the `store` failed", ("reason",)
)
SESSIONS_EVICTED = Counter(
    "vox_agent_sessions_evicted_total", "Sessions that the memory store dropped before their time, because it was full"
)
DROPPED_FIELDS = Counter(
    "vox_agent_dropped_fields_total", "Optional fields of a carrier's messages left out, by wire format", ("format",)
)
EARLY_AUDIO = Counter("vox_agent_early_audio_total", "Audio messages before the start of a stream, left out")
MALFORMED = Counter("vox_agent_malformed_messages_total", "Messages dropped as malformed, by wire format", ("format",))

_PEER = ("session_id", "stage")
PEER_CONNECTIONS = Counter(
    "webrtc_peer_connections_total", "WebRTC connections by the states that they reached", ("state", *_PEER)
)
PEERS_ACTIVE = Gauge("webrtc_peer_connections_active", "WebRTC connections that stand", ("stage", "session_id"))
WEBRTC_SENT = Counter("webrtc_bytes_sent_total", "Opus sent, in bytes", ("direction", "session_id", "model"))
WEBRTC_RECEIVED = Counter(
    "webrtc_bytes_received_total", "Opus received, in bytes", ("direction", "session_id", "model")
)
WEBRTC_FAILURES = Counter(
    "webrtc_connection_failures_total", "WebRTC connections that never stood, or were lost", ("reason", "stage")
)
WEBRTC_RECONNECTIONS = Counter(
    "webrtc_reconnection_attempts_total",
    "Offers by which a client came back into its call",
    ("session_id", "stage", "model"),
)
WEBRTC_OFFERS_REFUSED = Counter("vox_agent_webrtc_offers_refused_total", "Offers refused, by reason", ("reason",))
CALL_ROUTES: Final = ("ws", "telephony_ws", "webrtc")
"""The routes whose connections are calls: on these the gauges of connections count calls in progress."""


def expose_idle(metrics: Metrics) -> None:
    """Has the series that autoscalers and alerts follow there from the start: one that is absent reads as no data, not as 0."""
    for route in CALL_ROUTES:
        metrics.gauge(ACTIVE_CONNECTIONS, route)
        metrics.gauge(HTTP_ACTIVE, route, "http", "ingress", "", "")
    for errors, stage in ((STT_ERRORS, "stt"), (LLM_ERRORS, "llm"), (TTS_ERRORS, "tts")):
        metrics.counter(errors, "provider_error", "", stage, "")
    for counter in (INTERRUPTIONS, FALSE_INTERRUPTIONS, ECHOES):
        metrics.counter(counter)
    for histogram in (RESPONSE_SECONDS, CALL_SECONDS):
        metrics.histogram(histogram)
