"""A small flow that every test of the flows reads, how to talk to it, and how to read one value."""

from datetime import date
from functools import cache

from vox.providers.flows.loading import read_script
from vox.providers.flows.machine import Machine
from vox.providers.flows.schema import Script
from vox.providers.flows.state import Reply, State
from vox.providers.flows.wording import heard_words

TODAY = date(2026, 11, 20)  # a Friday

BOOKING = """
name: Test
greeting: Hello.
prompt: What can I do?
follow_up: Anything else?
intents:
  hours:
    phrases: ["(what are | when are) [your] opening hours", are you open]
    key: 1
    answer: From noon to ten.
  booking:
    phrases: ["[i'd like to] book a table", "[a] table"]
    key: 2
    tool: book_table
    slots:
      people:
        type: number
        min: 1
        max: 12
        phrases: ["for {people} [people | persons]", "{people} (people | persons)"]
        prompt: How many?
        reprompts: [A number please., "For example: four."]
        invalid: One to twelve.
      day: {type: date, max_days: 90, prompt: "Which day?"}
      time: {type: time, earliest: 12:00, latest: 21:30, prompt: "What time?"}
    confirm: A table for {people} on {day} at {time}?
    done: Booked as {result.reference}.
    failed: The book is closed.
  wine:
    phrases: [wine]
    slots:
      colour: {type: choice, prompt: "Red or white?", options: {red: [burgundy], white: [riesling]}}
      chilled: {type: yes_no, prompt: "Chilled?"}
    done: "{colour} it is, chilled {chilled}."
  account:
    phrases: [my account]
    slots:
      number: {type: digits, min_length: 4, max_length: 4, prompt: "Your number?"}
      phone: {type: phone, prompt: "Your telephone?"}
      note: {type: text, prompt: "What is it about?"}
    done: "{number}, {phone}, {note}, {vars.caller}."
faq:
  - {keywords: [parking, car], answer: Behind the house.}
commands:
  operator: {answer: One moment., tool: transfer}
  goodbye: {answer: Bye.}
fallback:
  prompts: ["Sorry?", "Again?"]
  after: 3
  handoff: {answer: I give up., end: true}
"""


def script(text: str = BOOKING) -> Script:
    return read_script(text, "test.yaml")


@cache
def machine(text: str = BOOKING) -> Machine:
    return Machine(script(text))


def talk(*messages: str, text: str = BOOKING) -> tuple[State, Reply]:
    """The state and the answer after these user messages."""
    decides = machine(text)
    state, reply = State(said=decides.greet().say), decides.greet()
    for message in messages:
        state, reply = decides.step(state, message, TODAY)
    return state, reply


def said(*messages: str, text: str = BOOKING) -> str:
    """What the flow says to the last of these messages."""
    return " ".join(talk(*messages, text=text)[1].say)


def whole(read, text, *more):
    """The meaning of the whole text, or None where it is not such a value from beginning to end."""
    words = heard_words(text)
    readings = read(words, 0, *more)
    return readings[0][1] if readings and readings[0][0] == len(words) else None
