"""The metrics of recordings; the first four have the documented names."""

from vox.runtime.metrics import Counter, Gauge

JOBS_ENQUEUED = Counter("recording_jobs_enqueued_total", "Recordings queued to be stored")
JOBS_SUCCEEDED = Counter("recording_jobs_success_total", "Recordings stored")
JOBS_FAILED = Counter(
    "recording_jobs_failed_total",
    "Recordings not stored after all tries, or found the queue full; they wait on the disk",
)
QUEUE_DEPTH = Gauge("recording_queue_depth", "Recordings in the queue to be stored")
ACTIVE = Gauge("vox_agent_recordings_active", "Calls being recorded")
WAITING = Gauge("vox_agent_recordings_waiting", "Whole recordings on this machine's disk that are not stored yet")
BROKEN = Counter("vox_agent_recordings_broken_total", "Recordings that ended before their call, by reason", ("reason",))
LEFT_OUT = Counter(
    "vox_agent_recordings_left_out_seconds_total",
    "Seconds of calls that are silence in recordings: the disk was too slow",
)
