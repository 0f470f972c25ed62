"""The set of questions and what is needed to judge an answer: read from the files beside this one and the flow."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from bench.conversation.answers import AnswerTable
from bench.conversation.booking_caller import BookingScript
from bench.conversation.scoring import Asked, Question, Verdict, judge, targets_of

HERE = Path(__file__).parent


class Judge:
    """Says what became of a question, by the flow's own sentences."""

    def __init__(self, table: AnswerTable, topics: Mapping[str, Sequence[str]]) -> None:
        self.table = table
        self.topics = topics

    def asked(
        self,
        question: Question,
        texts: Sequence[str],
        *,
        heard: str = "",
        response_s: float | None = None,
        condition: str = "",
    ) -> Asked:
        """The question with its verdict; an answer in words of no sentence of the flow counts as not answered."""
        said = self.table.read(texts)
        verdict = judge(question.topics, targets_of(question.topics, self.topics), said, self.table.follows)
        if verdict is Verdict.SILENT and texts:
            verdict = Verdict.HELP
        return Asked(question, verdict, heard, " ".join(texts), response_s, condition)

    def leaves_task_open(self, texts: Sequence[str]) -> bool:
        """Whether the agent asks for something now, so that the next question would be one in the middle of it."""
        return any(one.target in self.table.task_intents for one in self.table.read(texts))


def read_flow() -> Mapping[str, Any]:
    """The demo restaurant's flow."""
    return yaml.safe_load(files("vox.agent.config").joinpath("demo.yaml").read_text(encoding="utf-8"))


def read_topics() -> Mapping[str, Sequence[str]]:
    """Which parts of the flow answer a topic."""
    return {name: value for name, value in _read("topics.json").items() if name != "_comment"}


def read_questions(half: str) -> list[Question]:
    """The questions of a half: `tuning`, `test`, or `both`."""
    return [
        Question(one["text"], tuple(one["topics"]), one["half"])
        for one in _read("questions.json")["questions"]
        if half in {"both", one["half"]}
    ]


def read_bookings() -> tuple[date, list[BookingScript]]:
    """The day of the calls, and the scripts."""
    data = _read("bookings.json")
    return date.fromisoformat(data["today"]), [BookingScript.from_json(one) for one in data["bookings"]]


def read_turn_cases() -> tuple[float, list[dict[str, Any]]]:
    """The pause in seconds, and the cases."""
    data = _read("turns.json")
    return data["pause_s"], data["cases"]


def _read(name: str) -> dict[str, Any]:
    return json.loads(HERE.joinpath(name).read_text(encoding="utf-8"))
