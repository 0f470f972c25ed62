"""The settings of transcripts: the object `transcripts` of the agent's configuration."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, model_validator

from vox.agent.transcripts.address import DatabaseAddress, parse_address
from vox.agent.transcripts.rows import is_table_name
from vox.runtime.settings import Env


class Transcripts(BaseModel):
    """Where what was said is kept. A wrong address ends the start; no message repeats it, because it holds a password."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
    enable: Annotated[bool, Env("VOXRAY_TRANSCRIPTS_ENABLE")] = Field(
        default=False, description="Whether what was said is stored in a database"
    )
    driver: Annotated[str, Env("VOXRAY_TRANSCRIPTS_DRIVER")] = Field(
        default="", description="`postgres`, `mysql` (also for MariaDB) or `sqlite`"
    )
    dsn: Annotated[SecretStr, Env("VOXRAY_TRANSCRIPTS_DSN")] = Field(
        default=SecretStr(""), description="The database's address; [its forms](transcripts.md#addresses)"
    )
    table_name: Annotated[str, Env("VOXRAY_TRANSCRIPTS_TABLE")] = Field(
        default="call_transcripts",
        validation_alias=AliasChoices("table_name", "table"),
        description="The table, made where it is missing; `table` is the same key",
    )
    queue_cap: Annotated[int, Env("VOXRAY_TRANSCRIPTS_QUEUE_CAP")] = Field(
        default=50_000,
        ge=1,
        description="Rows that wait in memory while the database is away; more are lost, and counted",
    )
    queue_max_bytes: Annotated[int, Env("VOXRAY_TRANSCRIPTS_QUEUE_MAX_BYTES")] = Field(
        default=64 * 1024 * 1024, ge=1024, description="Memory that those rows may take"
    )
    flush_timeout_secs: Annotated[float, Env("VOXRAY_TRANSCRIPTS_FLUSH_TIMEOUT_SECS")] = Field(
        default=10.0, ge=0, description="How long the rows that wait are written after the last call, at the end"
    )

    @model_validator(mode="after")
    def _names_a_database(self) -> Self:
        if self.enable:
            if not is_table_name(self.table_name):
                raise ValueError(
                    "transcripts.table_name is not a name of letters, digits and underscores that begins with no digit"
                )
            self.address(Path())
        return self

    def address(self, folder: Path) -> DatabaseAddress:
        """The database's address.

        Args:
            folder: where a relative path to a SQLite file begins.

        Raises:
            UsageError: it is wrong (transcript_dsn_invalid, transcript_driver_unknown).
        """
        return parse_address(self.driver, self.dsn.get_secret_value(), folder)
