"""How an agent behaves among several people: in a voice room of the relay."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from vox.runtime.settings import Env


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


class RoomLine(BaseModel):
    """Telephone numbers that lead into voice rooms, and what their callers hear. Times in seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    numbers: Annotated[list[str], Env("VOX_ROOM_NUMBERS")] = Field(
        default_factory=list[str],
        description="Called numbers whose callers enter voice rooms; the chat server at rooms_chat_url knows which, by a code",
    )
    agent: str = Field(default="", description="Agent whose voice says these texts; empty: the default agent's")
    attempts: int = Field(default=3, ge=1, le=10, description="Codes that a caller may try")
    code_digits: int = Field(
        default=12, ge=1, le=32, description="A code is complete at so many digits; `#` completes it before"
    )
    code_secs: float = Field(
        default=12.0, gt=0, le=120, description="So long the line waits for the next digit of a code"
    )
    max_secs: float = Field(default=14_400.0, gt=0, description="Longest stay of a caller")
    ask_code: str = Field(
        default="Please enter the code of the room, and then the hash key.",
        description="Said first, where a code is needed",
    )
    wrong_code: str = Field(default="There is no room with that code.", description="Said to a wrong code")
    welcome: str = Field(
        default="You are in {{room}}. Press star one to mute yourself, star two to raise your hand, and hash to leave.",
        description="Said to the caller alone who has entered; {{room}} is the room's name",
    )
    muted: str = Field(default="You are muted.", description="Said behind `*1`, and where a moderator mutes the caller")
    unmuted: str = Field(default="You can be heard.", description="Said behind the second `*1`")
    hand_raised: str = Field(default="Your hand is raised.", description="Said behind `*2`")
    hand_lowered: str = Field(default="Your hand is lowered.", description="Said behind the second `*2`")
    encrypted: str = Field(
        default="This room is encrypted from end to end, so you cannot hear the others.",
        description="Said where the members' audio cannot be decoded",
    )
    closed: str = Field(default="The room is closed.", description="Said at the end of the room")
    removed: str = Field(
        default="You were removed from the room.", description="Said to a caller who is removed by a moderator"
    )
    unavailable: str = Field(
        default="Voice rooms are not available at the moment. Please call again later.",
        description="Said where the chat server or the relay does not answer, or the room is full",
    )
    goodbye: str = Field(default="Goodbye.", description="Said to a caller who leaves by `#`, or has no attempt left")
