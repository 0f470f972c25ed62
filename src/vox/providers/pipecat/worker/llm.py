"""A Pipecat model's frames: the conversation goes in, text, tool calls and token counts come out. Tools run in the call, not here."""

import json
from collections.abc import Mapping
from typing import Any

from vox.providers.pipecat.messages import Called, Counted, Finished, Respond, ToWorker, Written
from vox.providers.pipecat.worker import library
from vox.providers.pipecat.worker.chain import Marker
from vox.providers.pipecat.worker.loading import ServiceFactory
from vox.providers.pipecat.worker.session import Session


async def not_here(call: Any) -> None:
    """Takes the place of every tool: Pipecat would run it, and complain where there is none."""
    await call.result_callback({}, properties=library.FunctionCallResultProperties(run_llm=False))


def model(factory: ServiceFactory) -> Any:
    """The service."""
    service = factory.make()
    service.register_function(None, not_here)
    return service


class Response:
    """One model, an answer at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._is_answering = False

    async def take(self, message: ToWorker) -> None:
        """A conversation to answer."""
        if isinstance(message, Respond):
            self._is_answering = False
            await self._session.queue(library.LLMContextFrame(context=_context(message)), Marker())

    def came(self, frame: Any) -> None:
        """The parts of an answer.

        The end is the service's own, because some answer over a socket while frames pass by; only where it never began, the marker
        behind the request is the end.
        """
        number = self._session.number
        if isinstance(frame, library.LLMFullResponseStartFrame):
            self._is_answering = True
        elif isinstance(frame, library.LLMTextFrame):
            if frame.text:
                self._session.send(Written(number, frame.text))
        elif isinstance(frame, library.FunctionCallsStartedFrame):
            for call in frame.function_calls:
                arguments = json.dumps(dict(call.arguments or {}))
                self._session.send(Called(number, call.tool_call_id, call.function_name, arguments))
        elif isinstance(frame, library.MetricsFrame):
            self._count(frame)
        elif isinstance(frame, library.LLMFullResponseEndFrame if self._is_answering else Marker):
            self._session.send(Finished(number))

    def close(self) -> None:
        """Nothing to end."""

    def _count(self, frame: Any) -> None:
        for one in frame.data:
            if isinstance(one, library.LLMUsageMetricsData):
                tokens = one.value
                self._session.send(Counted(self._session.number, tokens.prompt_tokens, tokens.completion_tokens))


def _context(request: Respond) -> Any:
    if not request.tools:
        return library.LLMContext(request.messages)
    tools = library.ToolsSchema(standard_tools=[_tool(tool) for tool in request.tools])
    return library.LLMContext(request.messages, tools=tools, tool_choice=_choice(request.tool_choice))


def _tool(tool: Mapping[str, Any]) -> Any:
    parameters: Mapping[str, Any] = tool["parameters"]
    return library.FunctionSchema(
        name=tool["name"],
        description=tool["description"],
        properties=dict(parameters.get("properties", {})),
        required=list(parameters.get("required", [])),
    )


def _choice(choice: str) -> Any:
    return choice if choice in {"auto", "none", "required"} else {"type": "function", "function": {"name": choice}}
