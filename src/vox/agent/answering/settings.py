"""The configuration of outgoing calls: who may answer them, and what is then said."""

from pydantic import BaseModel, ConfigDict, Field


class Answering(BaseModel):
    """What happens when a call that the agent makes is answered by a machine. Times in seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    detect: bool = Field(
        default=False,
        description="Find out who answers before the greeting: a person, voicemail, call screening or a menu",
    )
    silence_secs: float = Field(
        default=4.0, gt=0, le=60, description="One who answers and says nothing for so long is taken for a person"
    )
    voicemail_message: str = Field(
        default="", description="Left behind the beep, with {{name}} for variables; empty: the call ends"
    )
    voicemail_quiet_secs: float = Field(
        default=2.5, gt=0, le=30, description="Silence behind a voicemail greeting that stands for a beep"
    )
    screening_message: str = Field(
        default="", description="Said to a call screening that asks who calls and why; empty: the model answers"
    )
    menu_goal: str = Field(
        default="",
        description="What the agent is to reach in a telephone menu, by keys and speech; empty: a menu is treated as a person",
    )
    menu_pause_secs: float = Field(
        default=1.5, ge=0, le=10, description="Silence in a menu that ends what it says; longer than between two people"
    )
    use_model: bool = Field(
        default=True, description="Whether the language model is asked where the words alone do not tell"
    )
