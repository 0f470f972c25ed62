"""The configuration of tools that are not functions of this process: HTTP services, MCP servers, and where calls may go."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from vox.errors import UsageError

NAME_PATTERN: Final = r"^[A-Za-z0-9_-]{1,64}$"
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TARGET: Final = re.compile(r"\+?[0-9][0-9 ().-]{1,30}|sips?:[A-Za-z0-9_.+%-]{1,64}@[A-Za-z0-9.:\[\]-]{1,255}")


def no_parameters() -> dict[str, Any]:
    """The schema of a tool without arguments."""
    return {"type": "object", "properties": {}}


class HttpTool(BaseModel):
    """A tool that is a request to an HTTP service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME_PATTERN, description="Its name: 1 to 64 of letters, digits, `_` and `-`")
    description: str = Field(default="", description="What it does, for the model")
    parameters: dict[str, Any] = Field(
        default_factory=no_parameters, description="JSON Schema of its arguments, which are checked against it"
    )
    url: str = Field(description="Where the request goes; `{argument}` in path or query is replaced")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field(
        default="POST", description="POST, PUT and PATCH send the arguments as JSON, the others in the query"
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Further headers; `${NAME}` is replaced by that environment variable"
    )
    timeout_secs: float | None = Field(default=None, gt=0, le=600, description="Longest run; absent: the agent's")
    filler: str | None = Field(default=None, description="In place of the agent's `tool_filler`")
    cancellable: bool = Field(default=False, description="Whether a caller who cuts in stops it")


class McpServer(BaseModel):
    """A server of the Model Context Protocol: a command that is started here, or an address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str = Field(default="", description="Program to start, which is spoken to over stdin and stdout")
    args: list[str] = Field(default_factory=list, description="Its arguments")
    env: dict[str, str] = Field(
        default_factory=dict, description="Its further environment variables; `${NAME}` is replaced by ours"
    )
    url: str = Field(default="", description="Address of a server that speaks streamable HTTP")
    headers: dict[str, str] = Field(
        default_factory=dict, description="Headers for it; `${NAME}` is replaced by that environment variable"
    )
    tools_filter: list[str] = Field(default_factory=list, description="Tools to offer; empty: all of the server")
    prefix: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,32}$", description="Put before each tool's name")
    timeout_secs: float | None = Field(
        default=None, gt=0, le=600, description="Longest run of a tool; absent: the agent's"
    )
    connect_timeout_secs: float = Field(
        default=20.0, gt=0, le=300, description="How long the server may take to start or connect"
    )
    cancellable: bool = Field(default=False, description="Whether a caller who cuts in stops its tools")

    @model_validator(mode="after")
    def _has_one_way(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("an MCP server has either a `command` to start or a `url`")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("write the `url` of an MCP server as http://HOST:PORT/PATH or https://…")
        return self

    @property
    def is_placeholder(self) -> bool:
        """Whether it starts a package runner without a package, as the example file of the compatible original does."""
        return self.command in {"npx", "uvx"} and not self.args

    @property
    def label(self) -> str:
        """What messages call it; arguments, headers and queries may be secret and are left out."""
        return self.command or re.sub(r"//[^/@]*@", "//", self.url.partition("?")[0])


class Transfer(BaseModel):
    """Where a phone call may be put through to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: str = Field(description="Telephone number, or SIP address where the carrier takes one")
    description: str = Field(default="", description="When to put a caller through there, for the model")
    announcement: str = Field(
        default="", description="Said before; a caller who cuts in keeps the agent. Empty: the call goes at once"
    )
    caller_id: str = Field(default="", description="Number that is shown there; empty: the carrier's default")

    @field_validator("to", "caller_id")
    @classmethod
    def _is_target(cls, value: str) -> str:
        if value and not _TARGET.fullmatch(value):
            raise ValueError("write a telephone number as +4930123456, or a SIP address as sip:name@host")
        return value if value.startswith("sip") else re.sub(r"[ ().-]", "", value)


def _server_list(value: object) -> object:
    """One server, as files of the compatible original have it, or several; null and an empty object are none."""
    if value is None or value == {}:
        return []
    return [cast("object", value)] if isinstance(value, Mapping | McpServer) else value


McpServers = Annotated[list[McpServer], BeforeValidator(_server_list)]


def with_environment(text: str, environment: Mapping[str, str], where: str) -> str:
    """The text with each `${NAME}` replaced by that environment variable.

    Raises:
        UsageError: one is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if not environment.get(name):
            raise UsageError(
                f"{where} needs the environment variable {name}, which is not set",
                code="invalid_setting",
                hint=f"set {name} where the server starts",
            )
        return environment[name]

    return _VARIABLE.sub(value, text)


def all_with_environment(texts: Mapping[str, str], environment: Mapping[str, str], where: str) -> dict[str, str]:
    """The same for every value."""
    return {name: with_environment(text, environment, f"{where}.{name}") for name, text in texts.items()}
