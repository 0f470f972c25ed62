"""What differs between a recording and another run, and which of it is meant to.

Not compared at all, because it is replaced before it is kept (see `values` and `recording`):

- texts for people: `message`, `detail`, `hint`, `note` and a textual `error` in JSON, reasons of a close that are sentences,
  the pages /docs and /redoc, the prose of an OpenAPI document and of a metric. That there is such a text is compared.
- what varies from run to run: ids, tokens, times, ports, the order of the methods in `Allow`.

Everything else is exact: statuses, headers and their values, keys, types, codes, numbers, frames and their order, close codes,
names of metrics and of their labels, static files byte by byte.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two runs differ."""

    recording: str
    entry: str
    where: str
    kind: Kind
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        place = f"{self.recording}: {self.entry}: {self.where or 'the whole entry'}"
        if self.kind == "changed":
            return f"{place} was {self.before!r} and is {self.after!r}"
        return f"{place} was {self.kind}: {self.before if self.kind == 'removed' else self.after!r}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """A difference that is meant: patterns of the recording, the entry and the place in it, all of which must match in full."""

    why: str
    kind: Kind
    recording: str
    entry: str
    where: str


SECURITY_HEADERS = (
    "content-security-policy|cross-origin-(?:embedder|opener|resource)-policy|permissions-policy|referrer-policy"
    "|x-content-type-options|x-frame-options"
)
ALLOWED: tuple[Allowed, ...] = (
    Allowed(
        "The API has grown by half since this was recorded: identity, bots, keys, federation, moderation, browser clients.",
        "added",
        "chat_edge",
        r"GET /openapi.json.*",
        r"openapi\.(?:routes|schemas)\..*",
    ),
    Allowed(
        "See above: lists took further parameters.",
        "changed",
        "chat_edge",
        r"GET /openapi.json.*",
        r"openapi\.routes\.GET /api/v1/(?:dms/.*/messages|feeds/.*/(?:messages|threads)|reports|audit-log|users/.*/friends)\.parameters(?:\.\d|, its length)",
    ),
    Allowed(
        "Pages of allowed origins read why a call over a WebSocket is refused, as they read the other routes' refusals.",
        "added",
        "agent_http|plain_uvicorn",
        r"[A-Z]+ /ws.*",
        r"headers\.(?:cache-control|vary|access-control-(?:allow-origin|expose-headers))|json\.detail",
    ),
    Allowed(
        "The address is the web client's page, and pages are not counted.",
        "removed",
        "chat_edge",
        r"GET / \[unknown\]",
        r"headers\.x-ratelimit-(?:limit|remaining|reset)",
    ),
    Allowed(
        "A login says how it began.",
        "changed",
        "chat_edge",
        r"GET /openapi.json.*",
        r"openapi\.schemas\.SessionInfo\.required(?:\.5|, its length)",
    ),
    Allowed(
        "Requests of new routes and of other servers are counted.",
        "added",
        "chat_edge",
        r"GET /metrics \[names\]",
        r"metrics\.(?:vox_chat_request\w+\.labels\.route\.[A-Z]+ /api/v1/.*|vox_federation_received_total)",
    ),
    Allowed(
        "Pages of other origins may ask for pictures only where they have changed.",
        "changed",
        "chat_edge",
        r"OPTIONS /api/v1/server .*",
        r"headers\.access-control-allow-headers",
    ),
    Allowed(
        "See above: each new route refuses what the others refuse.",
        "added",
        "chat_refusals",
        r"[A-Z]+ /api/v1/.*",
        r"",
    ),
    Allowed(
        "All other logins can be ended at once.",
        "changed",
        "chat_refusals",
        r"[A-Z]+ /api/v1/auth/sessions \[another method\]",
        r"headers\.allow",
    ),
    Allowed(
        "See above.",
        "removed",
        "chat_refusals",
        r"DELETE /api/v1/auth/sessions \[another method\]",
        r"",
    ),
    Allowed(
        "Readiness names its checks in all parts: a body may gain fields. Statuses stay, and so does what was there.",
        "added",
        r"agent_.*|chat_.*|plain_uvicorn",
        r"(?:GET|POST) (?:/api/v1)?/ready(?: .*)?",
        r"json\..*",
    ),
    Allowed(
        "The static pages of agent and directory carry the same security headers, of which each had only some.",
        "added",
        r"agent_http|directory_lists|plain_uvicorn",
        r"(?:GET|HEAD) (?:/|/talk|/page/.*)(?: .*)?",
        rf"headers\.(?:{SECURITY_HEADERS})",
    ),
    Allowed(
        "The registration of a relay was described with a path parameter that its path does not have.",
        "changed",
        "directory_lists",
        r"GET /openapi.json.*",
        r"openapi\.routes\.POST /v1/relays/register\.parameters, its length",
    ),
    Allowed(
        "A client is told the id of its call, which the routes of recordings and transcripts take.",
        "added",
        r"agent_.*|plain_uvicorn",
        r".*",
        r".*\.call_id",
    ),
    Allowed(
        "The agent's own voice, where a line sends it back, is counted.",
        "added",
        "agent_http",
        r"GET /metrics \[names\]",
        r"metrics\.vox_agent_echoes_total",
    ),
    Allowed(
        "HEAD is answered on the path of the carriers' stream, so Allow names it.",
        "changed",
        "agent_http",
        r"POST /telephony/ws",
        r"headers\.allow",
    ),
    Allowed(
        "The description names the schema of an override OverrideMasks; `mask` is one number everywhere. The JSON is the same.",
        "changed",
        "chat_edge",
        r"GET /openapi.json.*",
        r"openapi\.routes\.PUT /api/v1/(?:feeds|rooms)/\{space_id\}/permissions/.*\.body\.application/json",
    ),
    Allowed("See above: the old name.", "removed", "chat_edge", r"GET /openapi.json.*", r"openapi\.schemas\.Mask"),
    Allowed(
        "See above: the new name.", "added", "chat_edge", r"GET /openapi.json.*", r"openapi\.schemas\.OverrideMasks"
    ),
    Allowed(
        "A download has a name for clients that do not read filename*, which alone it had.",
        "changed",
        "chat_files",
        r"(?:GET|HEAD) /api/v1/files/.*",
        r"headers\.content-disposition",
    ),
    Allowed(
        "Audio before the start of a stream is left out and counted, and is not the end of it: the time for a start is.",
        "added",
        "agent_http",
        r"GET /metrics \[names\]",
        r"metrics\.vox_agent_early_audio_total",
    ),
    Allowed(
        "Runs of tools are measured by tool and outcome.",
        "added",
        "agent_http",
        r"GET /metrics \[names\]",
        r"metrics\.vox_agent_tool_duration_seconds",
    ),
    Allowed(
        "Times that the agent's own voice came back on the line are counted.",
        "added",
        "agent_http",
        r"GET /metrics \[names\]",
        r"metrics\.vox_agent_echoes_total",
    ),
    Allowed(
        "Sessions of POST /start and the back-pressure on callers' audio are counted.",
        "added",
        "agent_http",
        r"GET /metrics \[names\]",
        r"metrics\.vox_agent_(?:sessions|input)_\w+",
    ),
    Allowed(
        "Series that autoscalers and alerts follow begin at 0 instead of with the first event, and the process' own are exported.",
        "added",
        "agent_http",
        r"GET /metrics \[names\]",
        r"metrics\.(?:(?:voxray_)?http_active_connections\.labels\.route\.webrtc|process_\w+|(?:stt|llm|tts)_errors_total"
        r"|llm_inter_token_latency_seconds|vox_agent_(?:false_interruptions|interruptions|calls_evicted)_total"
        r"|vox_agent_(?:call|response)_seconds)",
    ),
    Allowed(
        "See above: nothing follows the audio, so the connection ends for want of a start.",
        "changed",
        "agent_media",
        r"/telephony/ws \[audio before the start\]",
        r"phases\.the end\.(?:close|reason)",
    ),
    Allowed(
        "Exotel's page asks for 3,200 bytes at least in a message of audio; frames are gathered.",
        "changed",
        "agent_media",
        r"/telephony/ws \[exotel\]",
        r"phases\..*\.media\..*payload",
    ),
    Allowed(
        "Bots, commands, interactions and webhooks have come: new routes and schemas, and fields that few messages have.",
        "added",
        "chat_edge",
        r"GET /openapi.json.*",
        r"openapi\.(?:routes\..*|schemas\.\w+(?:\.properties\.(?:components|embeds|webhook_name|webhook_avatar))?)",
    ),
    Allowed(
        "See above: the new routes are counted.",
        "added",
        "chat_edge",
        r"GET /metrics \[names\]",
        r"metrics\.vox_chat_(?:request_seconds|requests_total)\.labels\.route\.[A-Z]+ /api/v1/.*",
    ),
    Allowed(
        "See above: the new routes refuse what all refuse.",
        "added",
        "chat_refusals",
        r"[A-Z]+ /api/v1/(?:bots|commands|interactions|webhooks|outgoing-webhooks|feeds/[^/]+/webhooks)(?:[/ ].*)?",
        "",
    ),
    Allowed(
        "`ready.capabilities` names what the server has; it claimed voice, e2ee, federation, bots and webhooks.",
        "changed",
        r"chat_.*|plain_uvicorn",
        r"gateway .*|events .*",
        r"frames\.\d+\.(?:zstd\.)?d\.capabilities(?:\.\d|, its length)",
    ),
    Allowed(
        "The API has the routes of keys, devices and pairing.",
        "added",
        r"chat_.*",
        r"[A-Z]+ /api/v1/keys/.*",
        r".*",
    ),
    Allowed(
        "See above: the description names them.",
        "added",
        "chat_edge",
        r"GET /openapi.json.*",
        r"openapi\.(?:routes\.[A-Z]+ /api/v1/keys/.*|schemas\.(?:Acknowledgement|AddedDevice|Backup|Device|DeviceKeyPackage"
        r"|DeviceList|DevicePrekeys|KeyPackages|NewDevice|NewPairing|Pairing|PairingAnswer|Prekeys|UploadKeyPackages"
        r"|UploadPrekeys|Waiting|WaitingMessage))",
    ),
    Allowed(
        "See above: requests are counted by route.",
        "added",
        "chat_edge",
        r"GET /metrics \[names\]",
        r"metrics\.vox_chat_request\w+\.labels\.route\.[A-Z]+ /api/v1/keys/.*",
    ),
    Allowed(
        "A member sees the events of their own invites, no longer of all: the recorded member makes it in place of the administrator.",
        "changed",
        "chat_events",
        r"events .*",
        r"frames\.6[34]\.(?:zstd\.)?d\.creator_id",
    ),
    Allowed(
        "New communities let everyone send embeds and attach files.",
        "changed",
        "chat_limits",
        r"GET /api/v1/roles .*",
        r"json\.items\.0\.permissions",
    ),
    Allowed(
        "Who was removed is told so.",
        "changed",
        "chat_people",
        r"GET /api/v1/server \[dot: kicked\]",
        r"json\.error\.code",
    ),
    Allowed(
        "The description of permission masks names each bit.",
        "added",
        "chat_edge",
        r"GET /openapi.json.*",
        r"openapi\.schemas\.(?:Permissions|RoleInfo\.properties\.permissions\.(?:minimum|maximum))",
    ),
    Allowed(
        "The pages themselves were rebuilt; their addresses, types and headers stay.",
        "changed",
        r"agent_http|directory_lists|plain_uvicorn",
        r"(?:GET|HEAD) (?:/|/talk|/page/.*)(?: .*)?",
        r"sha256|bytes|headers\.content-range",
    ),
    Allowed(
        "The end of the utterance and the time between tokens are measured.",
        "added",
        "agent_http",
        r"GET /metrics \[names\]",
        r"metrics\.(?:llm_inter_token_latency_seconds|vox_agent_end_of_utterance_seconds)",
    ),
    Allowed(
        "RTVI tells where a turn's time went, behind `metrics`.",
        "added",
        "agent_calls",
        r"/ws\?rtvi=1 \[version [12]\.0\.0\]",
        r"phases\.(?:answer|a tool)\.messages\.server-message",
    ),
    Allowed(
        "See above: what follows it is one place later.",
        "changed",
        "agent_calls",
        r"/ws\?rtvi=1 \[version [12]\.0\.0\]",
        r"phases\.(?:answer\.order(?:\.[67]|, its length)|a tool\.order(?:\.(?:9|1[01])|, its length))",
    ),
    Allowed(
        "RTVI tells the tokens that an answer of the model took, where its vendor reports them.",
        "added",
        "agent_calls",
        r"/ws\?rtvi=1 \[version [12]\.0\.0\]",
        r"phases\.(?:answer|a tool|a silent answer)\.messages\.metrics: tokens",
    ),
    Allowed(
        "See above: what follows it is one place later.",
        "changed",
        "agent_calls",
        r"/ws\?rtvi=1 \[version [12]\.0\.0\]",
        r"phases\.(?:answer\.order\.[345]|a tool\.order\.[78]|a silent answer\.order(?:\.3|, its length))",
    ),
    # Meant too, and not recorded, so nothing has to be allowed for it: the directory's rate limit takes all addresses of an
    # IPv6 /64 for one client, and /docs and /openapi.json exist in parts where they answered 404.
)


def differences(
    recording: str, before: Mapping[str, Any], after: Mapping[str, Any], allowed: Sequence[Allowed] = ALLOWED
) -> list[Difference]:
    """Every difference between two runs of a recording that is not meant.

    Args:
        recording: its name.
        before: the entries of the file, by name.
        after: the entries of a run.
        allowed: what is meant to differ.
    """
    found: list[Difference] = []
    for entry in [*before, *(name for name in after if name not in before)]:
        if entry not in after:
            found.append(Difference(recording, entry, "", "removed", before[entry]))
        elif entry not in before:
            found.append(Difference(recording, entry, "", "added", after=after[entry]))
        else:
            found += _differences(recording, entry, "", _compared(before[entry]), _compared(after[entry]))
    return [one for one in found if not any(_is_meant(one, meant) for meant in allowed)]


def _compared(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without its route, which is only there to be read: the document it was taken from is compared by itself."""
    return {name: value for name, value in entry.items() if name != "route"}


def _is_meant(one: Difference, meant: Allowed) -> bool:
    pairs = ((meant.recording, one.recording), (meant.entry, one.entry), (meant.where, one.where))
    return one.kind == meant.kind and all(re.fullmatch(pattern, text) for pattern, text in pairs)


def _differences(recording: str, entry: str, where: str, before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        was, now = cast("dict[str, Any]", before), cast("dict[str, Any]", after)
        for name in [*was, *(name for name in now if name not in was)]:
            place = f"{where}.{name}" if where else name
            if name not in now:
                yield Difference(recording, entry, place, "removed", was[name])
            elif name not in was:
                yield Difference(recording, entry, place, "added", after=now[name])
            else:
                yield from _differences(recording, entry, place, was[name], now[name])
    elif isinstance(before, list) and isinstance(after, list):
        olds, news = cast("list[Any]", before), cast("list[Any]", after)
        if len(olds) != len(news):
            yield Difference(recording, entry, f"{where}, its length", "changed", len(olds), len(news))
        for number, (old, new) in enumerate(zip(olds, news, strict=False)):
            yield from _differences(recording, entry, f"{where}.{number}", old, new)
    elif type(before) is not type(after) or before != after:
        yield Difference(recording, entry, where, "changed", before, after)
