"""`vox call`: places a simulated phone call against any server and says how quickly it was answered.

Speech, digits and barge-ins happen in the order of their options, each waiting for the agent to finish first.
"""

import argparse
import json
import os
import ssl
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vox.errors import UsageError, VoxError

if TYPE_CHECKING:
    from vox.cli.call_transcript import Utterance
    from vox.clients.audio_files import Recording
    from vox.clients.phone import CallOutcome
    from vox.clients.script import Step
    from vox.clients.simulated_call import CallReport

EXIT_UNANSWERED = 1


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command to the parser."""
    parser = subparsers.add_parser(
        "call",
        help="place a simulated phone call and measure the answers",
        description="Places a simulated phone call: a carrier's media stream, in real time, against any server.",
    )
    parser.add_argument("url", help="the stream (ws://, wss://) or the webhook that names it (http://, https://)")
    parser.add_argument(
        "--carrier", default="twilio", help="twilio, telnyx, plivo, exotel, vonage, genesys or protobuf"
    )
    parser.add_argument(
        "--audio", dest="acts", action="append", type=_act("audio"), metavar="FILE", help="speak a WAV file"
    )
    parser.add_argument("--say", dest="acts", action="append", type=_act("say"), metavar="TEXT", help="speak a text")
    parser.add_argument(
        "--digits", dest="acts", action="append", type=_act("digits"), metavar="KEYS", help="press keys"
    )
    parser.add_argument(
        "--barge-in",
        dest="acts",
        action="append",
        type=_act("barge-in"),
        metavar="S",
        help="the next (else the last) speech cuts in S seconds after the agent was first heard",
    )
    parser.add_argument("--turns", type=int, metavar="N", help="repeat what is said until N turns are over")
    parser.add_argument("--greeting", type=float, default=3.0, metavar="S", help="wait up to S seconds for a greeting")
    parser.add_argument(
        "--patience", type=float, default=10.0, metavar="S", help="wait up to S seconds for each answer"
    )
    parser.add_argument(
        "--silence", type=float, default=1.0, metavar="S", help="the agent has finished after S silent seconds"
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="write what was heard: caller left, agent right")
    parser.add_argument("--caller", default="+15550100", metavar="NUMBER", help="number of the caller")
    parser.add_argument("--callee", default="+15550199", metavar="NUMBER", help="number that is called")
    parser.add_argument(
        "--header", action="append", default=[], metavar="NAME:VALUE", help="send this HTTP header with the request"
    )
    parser.add_argument(
        "--stream-host",
        metavar="HOST[:PORT]",
        help="open the stream that the webhook names at this host instead, such as localhost:8080 for a server behind a"
        " public name",
    )
    parser.add_argument("--transcript", action="store_true", help="recognise and print what both sides said, offline")
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument("--cafile", type=Path, metavar="FILE", help="trust the certificates in this PEM file")
    trust.add_argument("--insecure", action="store_true", help="accept any certificate, for a server of your own")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Places the call; 0 when the agent answered, 1 when it never did."""
    import uvloop

    return uvloop.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    from vox.clients.phone import place_call
    from vox.http.websocket import UpgradeRefusedError, open_socket
    from vox.runtime.clock import SystemClock

    if args.save is not None:
        _check_writable(args.save)
    tls = _trust(args)
    script = await _script(args)
    headers = [_header(each) for each in args.header]
    url, parameters = await _resolve(args, headers, tls)
    try:
        outcome = await place_call(
            url,
            script,
            SystemClock(),
            line=args.carrier,
            headers=headers,
            parameters=parameters,
            caller=args.caller,
            callee=args.callee,
            connect=open_socket if tls is None else partial(open_socket, tls=tls),
        )
    except UpgradeRefusedError as refusal:
        return _print_refusal(refusal.status, refusal.headers.get("retry-after"), refusal, as_json=args.json)
    if args.save is not None:
        from vox.clients.audio_files import write_wav

        write_wav(args.save, (outcome.report.caller_track, outcome.report.agent_track), outcome.report.sample_rate)
    said = await _transcript(outcome.report) if args.transcript else []
    _print(outcome, said, as_json=args.json)
    return 0 if outcome.report.has_answered else EXIT_UNANSWERED


def _check_writable(path: Path) -> None:
    """Fails before the call rather than behind it, where that can be seen before."""
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(
            f"cannot write {path}", code="bad_audio_file", hint="give --save a file in a folder that exists"
        )


async def _resolve(
    args: argparse.Namespace, headers: Sequence[tuple[str, str]], tls: ssl.SSLContext | None
) -> tuple[str, dict[str, str]]:
    """The stream's address and parameters: as given, or as the webhook answers."""
    import httpx2

    from vox.clients.webhooks import ask_webhook, at_host, is_stream_url
    from vox.runtime.clock import new_id

    if is_stream_url(args.url):
        return args.url, {}
    if not args.url.startswith(("http://", "https://")):
        raise UsageError(
            f"{args.url!r} is not the address of a stream or webhook",
            code="bad_call_url",
            hint="give ws://HOST:PORT/telephony/ws or the webhook's http:// address",
        )
    async with httpx2.AsyncClient(verify=True if tls is None else tls) as http:
        plan = await ask_webhook(
            http,
            args.url,
            args.carrier,
            call_id=new_id("call"),
            caller=args.caller,
            callee=args.callee,
            headers=dict(headers),
        )
    return at_host(plan.url, args.stream_host, args.url), dict(plan.parameters)


async def _script(args: argparse.Namespace) -> "list[Step]":
    from vox.clients.script import Press, Say, WaitForAgent

    wait = WaitForAgent(silence_s=args.silence, begin_timeout_s=args.patience)
    turns: list[Say | Press] = []
    into_agent_s: float | None = None
    for kind, value in args.acts or [("question", "")]:
        if kind == "barge-in":
            into_agent_s = _seconds(value)
        elif kind == "digits":
            turns.append(Press(_digits(value)))
        else:
            turns.append(Say(await _speech(kind, value), into_agent_s))
            into_agent_s = None
    if into_agent_s is not None and turns and isinstance(last := turns[-1], Say):
        turns[-1] = Say(last.speech, into_agent_s)
    if not turns:
        raise UsageError("the call has nothing to say", code="empty_call", hint="add --audio, --say or --digits")
    count = len(turns) if args.turns is None else args.turns
    if count < 1:
        raise UsageError(f"--turns is {count}", code="bad_turns", hint="give 1 or more, or leave it out")
    steps: list[Step] = [WaitForAgent(silence_s=args.silence, begin_timeout_s=args.greeting)]
    for index in range(count):
        turn = turns[index % len(turns)]
        if isinstance(turn, Say) and turn.into_agent_s is not None and len(steps) > 1:
            steps.pop()  # a barge-in does not wait for the agent to finish
        steps += [turn, wait]
    return steps


async def _speech(kind: str, value: str) -> "Recording":
    from vox.cli.offline_speech import OfflineSpeech
    from vox.clients.audio_files import read_wav, sample_question

    if kind == "question":
        return sample_question()
    if kind == "audio":
        return read_wav(Path(value))
    async with OfflineSpeech() as speech:
        return await speech.speak(value)


async def _transcript(report: "CallReport") -> "list[Utterance]":
    """What both sides said, with the first recogniser that works here."""
    from vox.cli.offline_speech import OfflineSpeech

    async with OfflineSpeech() as speech:
        return await speech.transcribe({"caller": report.caller_track, "agent": report.agent_track}, report.sample_rate)


def _trust(args: argparse.Namespace) -> ssl.SSLContext | None:
    """What certificates are believed; None for the system's own."""
    if args.insecure:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    return None if args.cafile is None else trusting(args.cafile)


def trusting(file: Path) -> ssl.SSLContext:
    """Trusts the certificates in a PEM file, and no others.

    Raises:
        UsageError: `tls_unreadable`.
    """
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError is one
        raise UsageError(
            f"cannot read the certificates in {file}: {error.strerror or error}",
            code="tls_unreadable",
            hint="give --cafile a PEM file",
        ) from error


def _print(outcome: "CallOutcome", said: "Sequence[Utterance]", *, as_json: bool) -> None:
    report = outcome.report
    if as_json:
        print(json.dumps(_as_json(outcome) | ({"transcript": [asdict(one) for one in said]} if said else {}), indent=2))
        return
    for one in said:
        print(f"{one.began_s:>6.2f}s {one.speaker}: {one.text or '(not understood)'}")
    for text in outcome.agent_texts if not said else ():
        print(f"agent: {text}")
    print(f"{'turn':<10} {'at':>7} {'lasted':>7} {'answered after':>15} {'silent after':>13}")
    for turn in report.turns:
        lasted = max(0.0, turn.ended_s - turn.began_s)
        print(
            f"{turn.kind:<10} {turn.began_s:>6.2f}s {lasted:>6.2f}s {_milliseconds(turn.response_s):>15}"
            f" {_milliseconds(turn.silenced_s):>13}"
        )
    print(f"call: {report.duration_s:.1f} s, {_ending(outcome)}")
    for name, value in (
        ("clears", len(report.clears)),
        ("marks", len(report.marks)),
        ("digits", report.digits),
        ("audio dropped", f"{report.dropped_audio_s:.1f} s" if report.dropped_audio_s else ""),
    ):
        if value:
            print(f"{name}: {value}")
    if outcome.failure is not None:
        print(f"the server broke the protocol: {outcome.failure}", file=sys.stderr)
    if not report.has_answered:
        print("the agent never answered", file=sys.stderr)


def _print_refusal(status: int, retry_after: str | None, refusal: VoxError, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"refused": {"status": status, "retry_after": retry_after}}, indent=2))
    else:
        when = f"; it says to come back in {retry_after} s" if retry_after else ""
        print(f"{refusal}{when}", file=sys.stderr)
    return EXIT_UNANSWERED


def _as_json(outcome: "CallOutcome") -> dict[str, Any]:
    report: CallReport = outcome.report
    return {
        "carrier": report.line,
        "duration_s": round(report.duration_s, 3),
        "has_answered": report.has_answered,
        "turns": [
            {
                "kind": turn.kind,
                "began_s": turn.began_s,
                "ended_s": turn.ended_s,
                "response_s": turn.response_s,
                "silenced_s": turn.silenced_s,
            }
            for turn in report.turns
        ],
        "clears": report.clears,
        "marks": report.marks,
        "digits": report.digits,
        "dropped_audio_s": report.dropped_audio_s,
        "stopped_by_agent": report.stopped_by_agent,
        "close_code": outcome.close_code,
        "close_reason": outcome.close_reason,
        "failure": None if outcome.failure is None else str(outcome.failure),
    }


def _ending(outcome: "CallOutcome") -> str:
    if outcome.report.stopped_by_agent:
        return "ended by the agent"
    reason = f" ({outcome.close_reason})" if outcome.close_reason else ""
    return f"socket closed with {outcome.close_code}{reason}"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"


def _act(kind: str) -> Callable[[str], tuple[str, str]]:
    def tag(value: str) -> tuple[str, str]:
        return kind, value

    return tag


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"--barge-in takes seconds, not {text!r}", code="bad_seconds") from error


def _digits(text: str) -> str:
    if not text or set(text.upper()) - set("0123456789*#ABCD"):
        raise UsageError(
            f"{text!r} contains keys that telephones do not have", code="bad_digits", hint="use 0-9, *, #, A-D"
        )
    return text.upper()


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise UsageError(f"--header takes NAME:VALUE, not {text!r}", code="bad_header")
    return name.strip(), value.strip()
