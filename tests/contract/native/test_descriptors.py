"""A process without a free descriptor: waiting TCP connections cost its media thread nothing, and are taken when it has one again."""

import asyncio
import subprocess
import sys

from tests.require import require
from tests.time_limits import time_limit
from vox.relay.opening import is_engine_installed

CHILD = """
import resource, sys, time
import vox_native
engine = vox_native.Engine(host="127.0.0.1", udp_port=0, tcp_port=0, threads=1, public_addresses=["127.0.0.1"])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(open("/dev/null"))
except OSError:
    pass
print(engine.tcp_ports()[0], flush=True)
sys.stdin.readline()
def worked():
    return engine.stats()["threads"][0]["cpu_ns"]
def seconds(count):  # the thread tells its time once a second
    for _ in range(count):
        before = worked()
        while worked() == before:
            time.sleep(0.01)
seconds(1)
before, began = worked(), time.monotonic()
seconds(2)
print((worked() - before) / 1e9 / (time.monotonic() - began), flush=True)
held.clear()
sys.stdin.readline()
"""
BUSY = 0.3
"""Of a core; a thread that is woken for ever takes all of it."""


async def test_a_process_without_descriptors_rests_and_accepts_later() -> None:
    require(is_engine_installed(), "vox_native", "make native")
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    async with time_limit():
        port = int(await child.stdout.readline())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)  # taken by the kernel alone
        child.stdin.write(b"\n")
        assert float(await child.stdout.readline()) < BUSY
        writer.write(b"\xff\xff")  # longer than a datagram may be: the engine ends it, so it has taken it
        assert await reader.read() == b""
        writer.close()
        child.stdin.write(b"\n")
        assert await child.wait() == 0
