"""Runs a `vox` command with its calls observed: `python -m bench.conversation.server EVENTS_FILE up --only agent …`.

Nothing of the server is changed. What it tells every client of `/ws` (sentences, transcripts) is also written to a file as
JSON lines, because a telephone carrier is told nothing of it. A call is named by its session variable `bench_call`.
"""

import json
import sys
from pathlib import Path
from typing import Any, TextIO

from vox.agent.api import routes
from vox.agent.call.session import Session
from vox.agent.call.transport import CallInfo, CallTransport
from vox.agent.config.resources import Agent, Resources
from vox.agent.transports import telephony
from vox.cli.main import main
from vox.protocols.agent_events import AgentError, AgentEvent, SentenceProgress, UserTranscript

CALL_VARIABLE = "bench_call"


class ObservedTransport:
    """A call's way out that writes what passes; all else is the transport's own."""

    def __init__(self, transport: CallTransport, call: str, output: TextIO) -> None:
        self._transport = transport
        self._call = call
        self._output = output
        self._announced: set[str] = set()

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def send_event(self, event: AgentEvent) -> None:
        """Notes the event and passes it on."""
        match event:
            case SentenceProgress() if event.segment_id not in self._announced:
                self._announced.add(event.segment_id)
                self._write("agent", event.text, answer=event.segment_id.partition(".")[0])
            case UserTranscript(is_final=True):
                self._write("caller", event.text)
            case AgentError():
                self._write("error", event.message)
            case _:
                pass
        self._transport.send_event(event)

    def _write(self, who: str, text: str, *, answer: str = "") -> None:
        event = {"call": self._call, "who": who, "text": text, "answer": answer}
        self._output.write(json.dumps(event) + "\n")
        self._output.flush()


def observe(output: TextIO) -> None:
    """Has every session's transport observed from now on."""

    class ObservedSession(Session):
        def __init__(
            self, resources: Resources, agent: Agent, transport: CallTransport, info: CallInfo, **options: Any
        ) -> None:
            observed = ObservedTransport(transport, info.variables.get(CALL_VARIABLE, ""), output)
            super().__init__(resources, agent, observed, info, **options)

    for module in (routes, telephony):
        assert module.Session is Session, f"{module.__name__} makes no sessions any more"
        module.Session = ObservedSession


if __name__ == "__main__":
    with Path(sys.argv[1]).open("a", encoding="utf-8") as events:
        observe(events)
        sys.exit(main(sys.argv[2:]))
