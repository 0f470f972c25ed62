"""The keys of recordings, as the two documents have them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from vox.agent.config.settings import load
from vox.agent.recording.settings import Recording, key_of


@pytest.mark.parametrize("base", ["recordings/", "recordings", "/recordings/"])
def test_the_documented_key(base: str):
    settings = Recording(bucket="my-bucket", base_path=base)
    assert key_of(settings, "2026/05/15/sess_abc123") == "recordings/2026/05/15/sess_abc123.wav"


def test_the_key_without_a_base_and_in_a_folder():
    assert key_of(Recording(bucket="b", base_path=""), "2026/05/15/x") == "2026/05/15/x.wav"
    assert key_of(Recording(format="opus"), "2026/05/15/x") == "2026/05/15/x.opus"


def test_zero_means_the_default_as_in_files_of_the_original():
    settings = Recording.model_validate({"worker_count": 0, "queue_cap": 0, "max_retries": 0})
    assert (settings.worker_count, settings.queue_cap, settings.max_retries) == (2, 32, 3)


def test_the_environment_has_the_documented_names():
    names = {"ENABLE": "true", "BUCKET": "b", "BASE_PATH": "calls", "FORMAT": "wav", "WORKER_COUNT": "4", "QUEUE_CAP": "9",
             "MAX_RETRIES": "0", "FOLDER": "kept", "LAYOUT": "stereo", "SAMPLE_RATE": "16000", "RETENTION_DAYS": "30",
             "NOTICE": "This call is recorded."}  # fmt: skip
    loaded = load(None, {f"VOXRAY_RECORDING_{name}": value for name, value in names.items()})
    recording = loaded.settings.recording
    assert recording.enable
    assert (recording.bucket, recording.base_path, recording.folder) == ("b", "calls", Path("kept"))
    assert (recording.worker_count, recording.queue_cap, recording.max_retries) == (4, 9, 3)
    assert (recording.layout, recording.sample_rate, recording.retention_days) == ("stereo", 16_000, 30)
    assert not [warning for warning in loaded.warnings if "recording" in warning]


@pytest.mark.parametrize(
    "wrong",
    [{"format": "mp3"}, {"base_path": "../up//"}, {"worker_count": -1}, {"sample_rate": 44_100}, {"layout": "5.1"}],
)
def test_wrong_values_are_refused(wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        Recording.model_validate(wrong)


def test_a_recording_has_the_rate_of_the_agents_voice_unless_that_holds_more_than_a_voice():
    assert [Recording().rate_for(rate) for rate in (8000, 24_000, 48_000)] == [8000, 24_000, 24_000]
    assert Recording(sample_rate=16_000).rate_for(8000) == 16_000
