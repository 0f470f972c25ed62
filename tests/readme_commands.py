"""Types the README's two commands as a new user would, and says whether they do what it promises.

`make up` has to print an address, serve a page there, and answer the phone call that it proposes aloud; Ctrl-C has to stop
it. With `--all`, `make test` has to pass. It needs Python and nothing else, for it runs before anything is installed:
tests/fresh_machine.py starts it on a bare Debian.
"""

import argparse
import array
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import wave
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
UP_TIMEOUT_S = 600.0
CALL_TIMEOUT_S = 90.0
PAGE_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 40.0
AUDIBLE = 328  # of 32768: -40 dBFS, above line noise and below any speech
SHOWN_LINES = 40

PORTS = ("VOXRAY_PORT", "VOX_PORT", "VOX_DIRECTORY_PORT")


class NotAsPromisedError(Exception):
    """A command did something else than the README says."""


def banner_of(output: str) -> list[str] | None:
    """The lines that `make up` prints once everything listens, or None while it does not yet."""
    lines = output.splitlines()
    begin = next((number for number, line in enumerate(lines) if "Vox is up" in line), None)
    end = next((number for number, line in enumerate(lines) if "Ctrl-C" in line), None)
    return None if begin is None or end is None else lines[begin : end + 1]


def page_address(banner: Sequence[str]) -> str:
    """The address that the banner says to open."""
    for word in " ".join(banner).split():
        if word.startswith("http://"):
            return word
    raise NotAsPromisedError("`make up` printed no address")


def proposed_call(banner: Sequence[str]) -> list[str]:
    """The command of the phone call that the banner proposes."""
    for line in banner:
        if " call " in line:
            return shlex.split(line.partition(":")[2])
    raise NotAsPromisedError("`make up` proposed no phone call")


def answer_s(report: dict[str, Any], recording: Path) -> tuple[float, float]:
    """How long the agent took to answer what was said, and how long it was then heard, in seconds.

    Args:
        report: what `vox call --json` printed.
        recording: what `vox call --save` wrote: the caller left, the agent right.

    Raises:
        NotAsPromisedError: what was said got no answer, or a silent one.
    """
    turn = next((turn for turn in report["turns"] if turn["kind"] == "speech"), None)
    if turn is None or turn["response_s"] is None:
        raise NotAsPromisedError(f"what the caller said got no answer: {json.dumps(report)}")
    with wave.open(str(recording)) as file:
        rate = file.getframerate()
        agent = array.array("h", file.readframes(file.getnframes()))[1::2]
    frame = rate // 50
    starts = range(int(turn["ended_s"] * rate), len(agent) - frame + 1, frame)
    audible = sum(max(agent[start : start + frame]) > AUDIBLE for start in starts)
    if not audible:
        raise NotAsPromisedError("the answer was silent")
    return turn["response_s"], audible / 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it; 0 when everything was as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.readme_commands", description=__doc__)
    parser.add_argument("--all", action="store_true", help="run `make test` as well")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        try:
            _make_up(Path(folder))
        except NotAsPromisedError as error:
            _say(f"make up: {error}")
            return 1
    if not args.all:
        return 0
    status = subprocess.run(["make", "test"], cwd=ROOT, check=False).returncode
    _say(f"make test: exit {status}")
    return status


def _make_up(folder: Path) -> None:
    began = time.monotonic()
    log = folder / "output"
    with log.open("wb") as output:
        up = subprocess.Popen(
            ["make", "up"],
            cwd=ROOT,
            env={**os.environ, **{name: str(_free_port()) for name in PORTS}, "XDG_DATA_HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        banner = _wait_for_banner(up, log)
        address = page_address(banner)
        _say(f"make up: listens at {address} after {time.monotonic() - began:.0f} s")
        _open_page(address)
        response_s, heard_s = _place(proposed_call(banner), folder / "call.wav")
        _say(f"make up: its phone call was answered after {response_s * 1000:.0f} ms, aloud for {heard_s:.1f} s")
        _press_ctrl_c(up)
        _check_no_traceback(log.read_text(errors="replace"))
    except (NotAsPromisedError, OSError) as error:
        printed = "\n".join(log.read_text(errors="replace").splitlines()[-SHOWN_LINES:])
        raise NotAsPromisedError(f"{error}\nthe last that it printed:\n{printed}") from error
    finally:
        with suppress(ProcessLookupError):
            os.killpg(up.pid, signal.SIGKILL)
        up.wait()
    _say("make up: Ctrl-C ended it")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _wait_for_banner(up: subprocess.Popen[bytes], log: Path) -> list[str]:
    deadline = time.monotonic() + UP_TIMEOUT_S
    while (banner := banner_of(log.read_text(errors="replace"))) is None:
        if (status := up.poll()) is not None:
            raise NotAsPromisedError(f"it ended with {status} before it listened")
        if time.monotonic() > deadline:
            raise NotAsPromisedError(f"it did not listen after {UP_TIMEOUT_S:.0f} s")
        time.sleep(0.1)
    return banner


def _open_page(address: str) -> None:
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with straight.open(address, timeout=PAGE_TIMEOUT_S) as page:
        if b"<html" not in page.read().lower():
            raise NotAsPromisedError(f"there is no page at {address}")


def _place(call: Sequence[str], recording: Path) -> tuple[float, float]:
    try:
        placed = subprocess.run(
            [*call, "--json", "--save", str(recording)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=CALL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise NotAsPromisedError(f"the call was not over after {CALL_TIMEOUT_S:.0f} s") from error
    if placed.returncode != 0:
        raise NotAsPromisedError(f"the call ended with {placed.returncode}: {placed.stdout}{placed.stderr}")
    return answer_s(json.loads(placed.stdout), recording)


def _press_ctrl_c(up: subprocess.Popen[bytes]) -> None:
    """Interrupts make and all that it started, as a terminal does, and waits until they are gone."""
    os.killpg(up.pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while up.poll() is None or _is_alive(up.pid):
        if time.monotonic() > deadline:
            raise NotAsPromisedError(f"Ctrl-C did not end it within {STOP_TIMEOUT_S:.0f} s")
        time.sleep(0.1)


def _check_no_traceback(printed: str) -> None:
    if "Traceback" in printed:
        raise NotAsPromisedError("it printed a traceback")


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  a command's output


if __name__ == "__main__":
    sys.exit(main())
