"""Measures gateway deliveries on one core beside a bare transport and a stock WebSocket server. See README.md beside this file.

The server has core 0, the clients core 1. Rates are what the clients received between their first and last byte; on a shared
machine the rate per second of the server's own CPU time says more, so both are shown.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from gateway_reader import Crowd, Seen
from gateway_servers import token
from http_load import percentile_ms
from vox.clients.server_process import pin, usage

HERE = Path(__file__).parent
SOCKETS = 1000
STORM = 5000
STORM_OVER_S = 10.0
GOALS = {1: 150_000, 8: 800_000}


class Contender:
    """One server process on core 0, and its control line."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self.process = process
        self.port = int(process.stdout.readline())

    def tell(self, command: str) -> None:
        """Gives a command."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def ask(self, command: str) -> dict[str, float]:
        """Gives a command and waits for its answer."""
        self.tell(command)
        return json.loads(self.process.stdout.readline())


@contextmanager
def running(name: str, *wrapper: str):
    command = [*wrapper, sys.executable, str(HERE / "gateway_servers.py"), name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    pin(process.pid, 0)
    try:
        yield Contender(name, process)
    finally:
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()


def identify(number: int, *capabilities: str) -> str:
    return json.dumps({"type": "identify", "d": {"token": token(number), "capabilities": list(capabilities)}})


def gather(server: Contender, count: int) -> Crowd:
    crowd = Crowd(server.port, "" if server.name == "transport" else "/gateway")
    for number in range(1, count + 1):
        capabilities = ("presence_batch",) if number % 2 else ()
        crowd.connect(identify(number, *capabilities) if server.name == "vox" else None)
        crowd.read(0)
    if server.name == "vox":
        crowd.read_until(lambda: crowd.seen.ready == count)
        assert crowd.seen.ready == count, f"{crowd.seen.ready} of {count} are ready"
    time.sleep(0.5)
    return crowd


def _is_ready(crowd: Crowd, count: int) -> bool:
    return crowd.seen.ready == count


def broadcast(server: Contender, crowd: Crowd, per_tick: int, seconds: float) -> tuple[float, float]:
    crowd.counts_kinds = False
    server.tell(f"go {per_tick} {seconds}")
    report = crowd.listen(server.process)
    seen = crowd.seen
    expected = report["events"] * len(crowd.sockets)  # and now and then a presence_batch
    assert expected <= seen.frames <= expected + 3 * len(crowd.sockets), (seen, report)
    rate = seen.frames / (seen.last_at - seen.first_at)
    return rate, seen.frames / report["cpu_s"]


def deliveries(seconds: float) -> None:
    print(f"deliveries to {SOCKETS} sockets, 200-byte events")
    print(f"{'server':12}{'per tick':>9}{'per second':>13}{'per CPU second':>16}{'goal':>10}")
    for name in ("vox", "transport", "starlette"):
        with running(name) as server:
            crowd = gather(server, SOCKETS)
            if name == "vox":
                presence = crowd.seen.presence
                server.tell("go 0 0")
                crowd.listen(server.process)
                assert len(crowd.sockets) == SOCKETS
                print(f"# presence frames while {SOCKETS} connected: {presence} (at most {2 * SOCKETS})")
                assert presence <= 2 * SOCKETS
            for per_tick, goal in GOALS.items():
                rate, per_cpu = max(broadcast(server, crowd, per_tick, seconds) for _ in range(3))
                shown = f"{goal:,}" if name == "vox" else ""
                print(f"{name:12}{per_tick:>9}{rate:>13,.0f}{per_cpu:>16,.0f}{shown:>10}", flush=True)
            crowd.close()


def memory() -> None:
    print("memory of an idle socket (server process, resident)")
    for name in ("vox", "starlette"):
        with running(name) as server:
            warm = gather(server, 100)
            before = server.ask("rss")["rss"]
            crowd = Crowd(server.port, "/gateway")
            for number in range(101, 101 + SOCKETS):
                crowd.connect(identify(number) if name == "vox" else None)
                crowd.read(0)
            if name == "vox":
                crowd.read_until(partial(_is_ready, crowd, SOCKETS))
            time.sleep(0.5)
            after = server.ask("rss")["rss"]
            goal = "  goal 20.0 kB" if name == "vox" else ""
            print(f"{name:12}{(after - before) / SOCKETS / 1000:8.1f} kB{goal}", flush=True)
            crowd.close()
            warm.close()


def storm() -> None:
    with running("vox") as server:
        crowd = Crowd(server.port, "/gateway")
        start = time.perf_counter()
        for number in range(1, STORM + 1):
            crowd.connect(identify(number, *(("presence_batch",) if number % 2 else ())))
            crowd.read(0)
            while time.perf_counter() < start + number * STORM_OVER_S / STORM:
                crowd.read(0.001)
        crowd.read_until(lambda: crowd.seen.ready == STORM, 30)
        took = time.perf_counter() - start
        seen: Seen = crowd.seen
        print(f"{STORM} clients within {STORM_OVER_S:.0f} s: {seen.ready} ready after {took:.1f} s (goal 15), "
              f"{seen.bytes / 1e6:.0f} MB, {seen.presence} presence frames (at most {2 * STORM})", flush=True)  # fmt: skip
        crowd.close()


def posts(seconds: float) -> None:
    """One member posts by REST, everybody's socket gets it: from the first byte of the request to each socket's last byte."""
    print(f"one poster, {SOCKETS} sockets")
    print(f"{'posts per second':>17}{'deliveries':>12}{'CPU us each':>13}{'p50 ms':>8}{'p99 ms':>8}{'worst ms':>10}")
    body = json.dumps({"body": "x" * 60})
    request = (
        f"POST /api/v1/feeds/1/messages HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token(1)}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    with running("vox") as server:
        crowd = gather(server, SOCKETS)
        poster = socket.create_connection(("127.0.0.1", server.port))
        poster.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for per_s in (5, 20):
            delays: list[float] = []
            before = usage(server.process.pid)
            for _ in range(int(per_s * seconds)):
                began = time.perf_counter()
                crowd.delays, crowd.since, target = delays, began, len(delays) + SOCKETS
                poster.sendall(request)
                crowd.read_until(partial(_has_all, delays, target), 5)
                answer = poster.recv(65536)
                assert answer.startswith(b"HTTP/1.1 201"), answer
                assert len(delays) == target, f"{len(delays)} of {target}"
                time.sleep(max(0.0, began + 1 / per_s - time.perf_counter()))
            after = usage(server.process.pid)
            assert before is not None
            assert after is not None
            each_us = (after.cpu_s - before.cpu_s) / len(delays) * 1e6
            p50, p99, worst = (percentile_ms(delays, share) for share in (0.5, 0.99, 1.0))
            print(f"{per_s:>17}{len(delays):>12,}{each_us:>13.1f}{p50:>8.1f}{p99:>8.1f}{worst:>10.1f}", flush=True)
        poster.close()
        crowd.close()


def _has_all(delays: list[float], target: int) -> bool:
    return len(delays) >= target


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["deliveries", "posts", "memory", "storm"])
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    pin(os.getpid(), 1)
    for what in arguments.what:
        if what == "deliveries":
            deliveries(arguments.seconds)
        else:
            {"memory": memory, "posts": partial(posts, arguments.seconds), "storm": storm}[what]()
