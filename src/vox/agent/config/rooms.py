"""How an agent behaves among several people: in a voice room of the relay."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Rooms(BaseModel):
    """An agent's manners in a room. Times in seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    answers: Literal["always", "addressed"] = Field(
        default="always", description="Whether it answers all that is said, or only what follows its name"
    )
    wake_phrases: list[Annotated[str, Field(pattern=r"\w", max_length=100)]] = Field(
        default_factory=list[str],
        max_length=20,
        description="What counts as its name with `addressed`; empty: its title and its name",
    )
    wake_secs: float = Field(
        default=8.0,
        ge=0,
        le=3600,
        description="So long after words that were for it the same person need not say its name",
    )
    interrupted_by: Literal["anyone", "speaker", "none"] = Field(
        default="anyone",
        description="Who may cut in: anyone, only the member who it answers, or none; what others say meanwhile is answered afterwards",
    )
    interrupters: list[str] = Field(
        default_factory=list[str], max_length=100, description="Identities that may cut in all the same"
    )
    greets: bool = Field(default=True, description="Whether it says its greeting when it comes in")
    hears_agents: bool = Field(default=False, description="Whether it listens to other agents too")
    max_speakers: int = Field(
        default=6, ge=1, le=64, description="Members that it listens to at once; beyond that, those who spoke last"
    )
    empty_secs: float = Field(
        default=30.0, ge=0, le=86_400, description="It leaves a room without people after so long"
    )
    transcripts: bool = Field(
        default=True, description="Whether what people and it say is sent to the room as transcriptions"
    )
    encrypted_notice: str = Field(
        default="This room is encrypted from end to end, so I cannot hear you.",
        description="Said in a room whose audio it cannot decode; empty: only shown",
    )
