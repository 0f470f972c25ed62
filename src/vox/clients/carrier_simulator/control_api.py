"""The control API under `/simulator`: what happened, how calls go from now on, calls that come in, and a callee's hand on the phone."""

import asyncio
import io
import wave
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from vox.clients.carrier_simulator.api import CONTROL, Access, ApiCall
from vox.clients.carrier_simulator.call import SimulatedCarrierCall
from vox.clients.carrier_simulator.call_events import CalleeHungUp
from vox.clients.carrier_simulator.calls import Calls
from vox.clients.carrier_simulator.record import LoggedEvent
from vox.clients.carrier_simulator.scenario import Rule, Scenario
from vox.clients.carrier_simulator.scenario_file import parse_rule, parse_scenario
from vox.clients.simulated_call import CallReport
from vox.errors import UsageError
from vox.http.routing import Reply, RouteTable

MAX_LISTED: Final = 1000
MAX_WAIT_S: Final = 30.0
_INBOUND_KEYS: Final = {"carrier", "url", "from", "to", "status_url", "commands"}

CallIn = Callable[..., SimulatedCarrierCall]


class Control:
    """The routes' endpoints.

    Args:
        calls: of the simulator.
        about: what `GET /simulator` says.
        set_scenario: puts another scenario in force.
        add_rule: puts a rule before the others.
        call_in: places an incoming call.
    """

    def __init__(
        self,
        calls: Calls,
        *,
        about: Callable[[], Mapping[str, Any]],
        set_scenario: Callable[[Scenario], Awaitable[None]],
        add_rule: Callable[[Rule], Awaitable[None]],
        call_in: CallIn,
    ) -> None:
        self._calls = calls
        self._about = about
        self._set_scenario = set_scenario
        self._add_rule = add_rule
        self._call_in = call_in

    def routes(self) -> RouteTable[Access]:
        """The table."""
        with_body: dict[str, Any] = {"access": CONTROL, "body": bytes, "is_raw": True}
        table = RouteTable[Access]("/simulator")
        table.get("", access=CONTROL, returns=dict)(self.about)
        table.get("/calls", access=CONTROL, returns=dict)(self.list)
        table.post("/calls", status=201, returns=dict, **with_body)(self.call_in)
        table.get("/calls/{id}", access=CONTROL, returns=dict)(self.get)
        table.get("/calls/{id}/audio.wav", access=CONTROL, returns=bytes)(self.audio)
        table.post("/calls/{id}/hang_up", access=CONTROL)(self.hang_up)
        table.post("/calls/{id}/cut", access=CONTROL)(self.cut)
        table.get("/events", access=CONTROL, returns=dict)(self.events)
        table.put("/scenario", **with_body)(self.set_scenario)
        table.post("/rules", **with_body)(self.add_rule)
        return table

    async def about(self, call: ApiCall) -> Mapping[str, Any]:
        """The carriers, their accounts and the number of calls."""
        del call
        return self._about()

    async def list(self, call: ApiCall) -> dict[str, Any]:
        """Calls, newest first; the query may name `carrier`, `status`, `to`."""
        query = call.query()
        found = [
            described(one)
            for one in reversed([*self._calls])
            if query.get("carrier", one.record.carrier) == one.record.carrier
            and query.get("status", one.record.status) == one.record.status
            and query.get("to", one.record.order.to) == one.record.order.to
        ]
        return {"calls": found[:MAX_LISTED], "total": len(found)}

    async def get(self, call: ApiCall) -> dict[str, Any]:
        """One call with all that happened."""
        found = self._calls.find(call.text("id"))
        events = [_event(one) for one in found.record.events]
        return {**described(found), "events": events, **_media(found)}

    async def audio(self, call: ApiCall) -> Reply:
        """What was heard: the callee left, the agent right."""
        found = self._calls.find(call.text("id"))
        if found.leg is None:
            raise UsageError("The call was not answered, so there is no audio.", code="simulated_call_not_found")
        return Reply(200, _wav(found.leg.report()), {"content-type": "audio/wav"})

    async def call_in(self, call: ApiCall) -> dict[str, Any]:
        """Places an incoming call: `carrier`, `url` of the webhook, `from`, `to`, and `status_url` for its end; Telnyx with `commands: true` for call control."""
        body = call.json_object()
        if unknown := sorted(body.keys() - _INBOUND_KEYS):
            raise UsageError(f"Unknown fields: {', '.join(unknown)}", code="bad_simulator_request")
        texts = {name: body.get(name) for name in ("carrier", "url", "from", "to")}
        for name, value in texts.items():
            if not isinstance(value, str) or not value:
                raise UsageError(f"{name} is missing", code="bad_simulator_request")
        placed = self._call_in(
            texts["carrier"],
            url=texts["url"],
            from_=texts["from"],
            to=texts["to"],
            status_url=str(body.get("status_url", "")),
            uses_commands=body.get("commands") is True,
        )
        return described(placed)

    async def hang_up(self, call: ApiCall) -> None:
        """The callee hangs up."""
        await self._calls.find(call.text("id")).apply(CalleeHungUp())

    async def cut(self, call: ApiCall) -> None:
        """The media stream loses its TCP connection, without a close frame."""
        leg = self._calls.find(call.text("id")).leg
        if leg is not None:
            leg.cut()

    async def events(self, call: ApiCall) -> dict[str, Any]:
        """What happened after event number `after`; with `wait`, for up to so many seconds until something does."""
        query = call.query()
        after, kind, of_call = _number(query, "after"), query.get("kind", ""), query.get("call", "")

        def chosen() -> list[LoggedEvent]:
            return [
                one
                for one in self._calls.events
                if one.number > after and kind in {"", one.kind} and of_call in {"", one.call_id}
            ]

        try:
            async with asyncio.timeout(min(_number(query, "wait"), MAX_WAIT_S)):
                while not (found := chosen()):
                    await self._calls.changed()
        except TimeoutError:
            found = chosen()
        page = found[:MAX_LISTED]
        return {"events": [_event(one) for one in page], "last": page[-1].number if page else int(after)}

    async def set_scenario(self, call: ApiCall) -> None:
        """Calls that are placed from now on follow another scenario (YAML or JSON)."""
        await self._set_scenario(parse_scenario(call.body, "the request's scenario"))

    async def add_rule(self, call: ApiCall) -> None:
        """A rule that is asked before the others."""
        await self._add_rule(parse_rule(call.body, "the request's rule"))


def described(call: SimulatedCarrierCall) -> dict[str, Any]:
    """A call in short."""
    record = call.record
    ending = record.machine.ending
    return {
        "id": record.call_id,
        "carrier": record.carrier,
        "direction": "inbound" if record.is_inbound else "outbound",
        "from": record.order.from_,
        "to": record.order.to,
        "status": record.status,
        "answered_by": record.machine.answered_by or None,
        "created": record.created.isoformat(),
        "answered": None if record.answered is None else record.answered.isoformat(),
        "ended": None if record.ended is None else record.ended.isoformat(),
        "duration_s": record.duration_s,
        "ending": None if ending is None else asdict(ending),
        "is_finished": call.is_finished.is_set(),
    }


def _media(call: SimulatedCarrierCall) -> dict[str, Any]:
    leg = call.leg
    if leg is None:
        return {"streams": [], "gaps": [], "heard": None}
    report = leg.report()
    heard = {
        "has_answered": report.has_answered,
        "digits": report.digits,
        "marks": report.marks[:MAX_LISTED],
        "clears": report.clears[:MAX_LISTED],
        "turns": [asdict(turn) for turn in report.turns[:MAX_LISTED]],
    }
    return {
        "streams": [asdict(one) for one in leg.streams],
        "gaps": [asdict(one) for one in leg.gaps()],
        "heard": heard,
    }


def _event(event: LoggedEvent) -> dict[str, Any]:
    return {
        "number": event.number,
        "at": event.at.isoformat(),
        "call": event.call_id,
        "kind": event.kind,
        **{name: value for name, value in event.details.items() if name not in {"number", "at", "call", "kind"}},
    }


def _number(query: Mapping[str, str], name: str) -> float:
    try:
        value = float(query.get(name, "") or 0.0)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"{name} is not a number: {query[name]!r}", code="bad_simulator_request")
    return value


def _wav(report: CallReport) -> bytes:
    tracks = (report.caller_track, report.agent_track)
    frames = np.zeros((max(len(track) for track in tracks) // 2, 2), np.int16)
    for channel, track in enumerate(tracks):
        frames[: len(track) // 2, channel] = np.frombuffer(track, "<i2", len(track) // 2)
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(report.sample_rate)
        file.writeframes(frames.tobytes())
    return content.getvalue()
