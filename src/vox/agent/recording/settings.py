"""The keys under `recording` of the agent's configuration."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from vox.media.recording.mixing import Layout
from vox.runtime.settings import Env


def _not_set(default: int) -> BeforeValidator:
    """Takes zero for "not set", as files of the compatible original mean it."""

    def check(value: object) -> object:
        return default if str(value).strip() == "0" else value

    return BeforeValidator(check)


SAMPLE_RATES: Final = (0, 8000, 16_000, 24_000, 48_000)
HIGHEST_OWN_RATE: Final = 24_000
"""Of a recording at the rate of the agent's voice: more holds no more of any voice."""


class Recording(BaseModel):
    """Whether and where calls are recorded."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    enable: Annotated[bool, Env("VOXRAY_RECORDING_ENABLE")] = Field(
        default=False, description="Whether calls are recorded, see docs/operations/recording.md"
    )
    bucket: Annotated[str, Env("VOXRAY_RECORDING_BUCKET")] = Field(
        default="", description="S3 bucket (extra `s3`) that recordings are uploaded to; empty: they stay in `folder`"
    )
    base_path: Annotated[str, Env("VOXRAY_RECORDING_BASE_PATH")] = Field(
        default="recordings",
        pattern=r"^/?[A-Za-z0-9._=+@ -]*(/[A-Za-z0-9._=+@ -]+)*/?$",
        description="What keys in the bucket begin with: `base_path/YYYY/MM/DD/session.format`",
    )
    folder: Annotated[Path, Env("VOXRAY_RECORDING_FOLDER")] = Field(
        default=Path("recordings"),
        description="Folder of recordings as `YYYY/MM/DD/session.format`; with a bucket, of those that wait for their upload",
    )
    format: Annotated[Literal["wav", "opus", "ogg"], Env("VOXRAY_RECORDING_FORMAT")] = Field(
        default="wav", description="`wav`, or Opus in Ogg (extra `opus`) under the ending `opus` or `ogg`"
    )
    layout: Annotated[Layout, Env("VOXRAY_RECORDING_LAYOUT")] = Field(
        default="mono", description="Both sides in one channel, or the caller left and the agent right"
    )
    sample_rate: Annotated[int, Env("VOXRAY_RECORDING_SAMPLE_RATE")] = Field(
        default=0, description="Of recordings in Hz; 0: that of the agent's voice in the call, 24000 at most"
    )
    worker_count: Annotated[int, _not_set(2), Env("VOXRAY_RECORDING_WORKER_COUNT")] = Field(
        default=2, ge=1, le=64, description="Uploads at the same time; 0: 2"
    )
    queue_cap: Annotated[int, _not_set(32), Env("VOXRAY_RECORDING_QUEUE_CAP")] = Field(
        default=32,
        ge=1,
        description="Uploads that may wait; what comes then waits on the disk and is tried later. 0: 32",
    )
    max_retries: Annotated[int, _not_set(3), Env("VOXRAY_RECORDING_MAX_RETRIES")] = Field(
        default=3, ge=1, le=20, description="Further tries of an upload, 100 ms later and then doubling; 0: 3"
    )
    retention_days: Annotated[int, Env("VOXRAY_RECORDING_RETENTION_DAYS")] = Field(
        default=0, ge=0, description="Recordings in `folder` older than so many days are deleted; 0: never"
    )
    notice: Annotated[str, Env("VOXRAY_RECORDING_NOTICE")] = Field(
        default="", description="Said before the greeting of a recorded call, such as `This call is recorded.`"
    )

    @field_validator("sample_rate")
    @classmethod
    def _is_common_rate(cls, value: int) -> int:
        if value not in SAMPLE_RATES:
            raise ValueError(f"write one of {', '.join(map(str, SAMPLE_RATES))}")
        return value

    def rate_for(self, agent_rate: int) -> int:
        """The sample rate of a recording in which the agent speaks at that rate."""
        return self.sample_rate or min(agent_rate, HIGHEST_OWN_RATE)


def key_of(settings: Recording, name: str) -> str:
    """Where a recording goes in its store; `name` is `YYYY/MM/DD/session`.

    A bucket's keys begin with `base_path`, a folder has no need of it.
    """
    base = settings.base_path.strip("/") if settings.bucket else ""
    return f"{base}/{name}.{settings.format}" if base else f"{name}.{settings.format}"
