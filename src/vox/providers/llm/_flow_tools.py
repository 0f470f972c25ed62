"""Whether an agent has the tools that its flow calls, with the parameters that the flow's slots give."""

from collections.abc import Iterator, Mapping

from vox.errors import UsageError
from vox.providers.flows.schema import Script, nearest, tool_places
from vox.providers.llm.contract import ToolSpec


def check_tools(script: Script, tools: Mapping[str, ToolSpec], source: str) -> None:
    """Compares a flow with the tools of its agent.

    Raises:
        UsageError: `unknown_flow_tool`; it names each tool that is missing or takes other arguments, and its place.
    """
    problems = [*_missing(script, tools), *_misfits(script, tools)]
    if problems:
        raise UsageError(
            f"the flow {source} calls tools that this agent does not have so: {'; '.join(problems)}",
            code="unknown_flow_tool",
            hint="list the functions in `tools` as module:function (a module may lie beside the configuration),"
            " or let the client run them with `client_tools`; docs/how-to/write-a-flow.md shows both",
        )


def _missing(script: Script, tools: Mapping[str, ToolSpec]) -> Iterator[str]:
    for name, places in tool_places(script).items():
        if name not in tools:
            yield f"there is no tool '{name}' ({', '.join(places)}){nearest(name, tools)}"


def _misfits(script: Script, tools: Mapping[str, ToolSpec]) -> Iterator[str]:
    """Tools whose parameters are not the slots of the intent that calls them."""
    for name, intent in script.intents.items():
        tool = tools.get(intent.tool) if intent.tool is not None else None
        if tool is None:
            continue
        schema = tool.parameters
        known = set(schema.get("properties", {}))
        always = {key for key, slot in intent.slots.items() if not slot.optional}
        if lacking := sorted(set(schema.get("required", ())) - always):
            yield f"'{tool.name}' needs {', '.join(lacking)}, which intents.{name}.slots does not always give"
        if schema.get("additionalProperties") is False and (surplus := sorted(set(intent.slots) - known)):
            yield f"'{tool.name}' has no parameter for {', '.join(surplus)} of intents.{name}.slots"
