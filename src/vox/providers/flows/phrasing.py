"""What a flow says where its author need not write it: refusals, what to ask, how it says that it did not understand."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, assert_never

from vox.providers.flows.rendering import Value, fill, say, say_number
from vox.providers.flows.schema import (
    ChoiceSlot,
    DateSlot,
    DigitsSlot,
    Intent,
    NumberSlot,
    PhoneSlot,
    Script,
    Slot,
    TextSlot,
    TimeSlot,
    YesNoSlot,
)
from vox.providers.flows.slots import spoken_value

WHAT_TO_CHANGE: Final = "What should I change?"
ALL_RIGHT: Final = "All right."
_MORE_WAYS_TO_SAY_SORRY: Final = (
    "Sorry, I did not understand that.",
    "I still did not understand. Please say it in other words.",
    "I am afraid I do not know that.",
)
_FEWEST_WAYS: Final = 3


def label_of(name: str, slot: Slot) -> str:
    """What callers call the slot."""
    return slot.label or name.replace("_", " ")


def prompt_of(name: str, slot: Slot) -> str:
    """The question for a slot."""
    return slot.prompt or f"Which {label_of(name, slot)}?"


def which_of(intent: Intent, names: Sequence[str]) -> str:
    """Asks which of several slots was meant."""
    labels = [f"the {label_of(name, intent.slots[name])}" for name in intent.slots if name in names]
    return f"Do you mean {_listed(labels)}?"


def refusal(slot: Slot, today: date) -> str:
    """Why a value is not taken."""
    if slot.invalid is not None:
        return slot.invalid
    match slot:
        case NumberSlot():
            return f"That must be between {say_number(slot.min)} and {say_number(slot.max)}."
        case DigitsSlot() | PhoneSlot():
            least, most = say_number(slot.min_length), say_number(slot.max_length)
            return f"I need {least} digits." if least == most else f"I need between {least} and {most} digits."
        case TimeSlot() if slot.earliest is not None and slot.latest is not None:
            return f"That must be between {say(slot.earliest, today)} and {say(slot.latest, today)}."
        case _:
            return "That is not possible."


def unclear(name: str, slot: Slot) -> str:
    """What is said of a value that does not exist, or of several at once."""
    return f"I am not sure which {label_of(name, slot)} you mean."


def what_to_answer(slot: Slot | None) -> str:
    """What may be answered to the question for a slot, or (None) to a read-back."""
    match slot:
        case NumberSlot():
            return "Please say a number."
        case DigitsSlot() | PhoneSlot():
            return "Please say it digit by digit."
        case DateSlot():
            return "Please say a day, for example tomorrow."
        case TimeSlot():
            return "Please say a time, for example half past seven."
        case ChoiceSlot():
            return f"You can say {_listed(tuple(slot.options))}."
        case TextSlot():
            return "Please say that again."
        case YesNoSlot() | None:
            return "Please say yes or no."
        case _:
            assert_never(slot)


def what_may_change(intent: Intent) -> str:
    """What a read-back can be corrected in."""
    labels = tuple(f"the {label_of(name, slot)}" for name, slot in intent.slots.items())
    return f"You can change {_listed(labels)}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def apologies(script: Script) -> tuple[str, ...]:
    """How the flow says that it did not understand, in turn; at least three ways, so that none is heard thrice."""
    own = script.fallback.prompts
    more = [text for text in _MORE_WAYS_TO_SAY_SORRY if text not in own]
    return (*own, *more[: max(0, _FEWEST_WAYS - len(own))])


def filled_in(text: str, intent: Intent, slots: Mapping[str, Value], today: date) -> str:
    """The text with the values of the slots in words."""
    return fill(text, {key: spoken_value(intent.slots[key], value, today) for key, value in slots.items()})
