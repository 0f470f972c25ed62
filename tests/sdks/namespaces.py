"""Machines of a test: network namespaces joined by a bridge, each with an address and a default route of its own.

WebRTC clients gather no loopback candidates and Chromium wants a default route, so that every client and every server of
these tests lives in a namespace. A namespace exists as long as the process that holds it, which ends with this one.
"""

import asyncio
import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

from tests.require import require
from tests.sdks.wire import Wire, open_wire, whole_frames
from tests.time_limits import time_limit

CLONE_NEWNET = 0x40000000
GATEWAY = "10.77.0.1"
HOLD = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up; echo ready; exec cat"
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class Namespace:
    """A network namespace; `pid` is the process that holds it."""

    name: str
    pid: int

    def command(self, *arguments: str) -> tuple[str, ...]:
        """The command that runs these arguments inside."""
        return ("nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *arguments)

    async def ip(self, *lines: str) -> None:
        """Runs lines of `ip` inside, all or an error.

        Raises:
            AssertionError: one of them failed; the message is what `ip` printed.
        """
        process = await asyncio.create_subprocess_exec(
            *self.command("ip", "-batch", "-"),
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        async with time_limit():
            _, errors = await process.communicate("\n".join(lines).encode())
        assert process.returncode == 0, f"{self.name}: {errors.decode()}\n{lines}"

    async def open_socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """A socket that belongs to this namespace; it stays there whoever uses it."""
        return await asyncio.to_thread(self._socket, family, kind)

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> socket.socket:
        """A listening TCP socket inside."""
        one = await self.open_socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((host, port))
        one.listen(16)
        return one

    async def connect(self, host: str, port: int) -> socket.socket:
        """A TCP connection made from inside.

        Raises:
            OSError: nothing answers there.
        """
        one = await self.open_socket()
        one.setblocking(False)
        try:
            async with time_limit():
                await asyncio.get_running_loop().sock_connect(one, (host, port))
        except BaseException:
            one.close()
            raise
        return one

    async def answers(self, host: str, port: int) -> None:
        """Waits until something inside reach of this namespace accepts TCP connections."""
        async with time_limit():
            while True:
                with contextlib.suppress(OSError):
                    (await self.connect(host, port)).close()
                    return
                await asyncio.sleep(0.02)

    def _socket(self, family: int, kind: int) -> socket.socket:
        theirs_file = Path(f"/proc/{self.pid}/ns/net")
        with Path("/proc/thread-self/ns/net").open("rb") as ours, theirs_file.open("rb") as theirs:
            _enter(theirs.fileno())
            try:
                return socket.socket(family, kind)
            finally:
                _enter(ours.fileno())


@dataclass(slots=True)
class Host:
    """A machine on the network of a test."""

    namespace: Namespace
    address: str
    _wire: Wire | None = None

    @property
    def wire(self) -> Wire:
        """The line between it and the network, where it was made with one."""
        assert self._wire is not None
        return self._wire

    async def drop_connections(self, port: int) -> None:
        """Aborts the machine's TCP connections to that port; the other end hears of it too."""
        process = await asyncio.create_subprocess_exec(
            *self.namespace.command("ss", "--kill", "--tcp", "dport", "=", f":{port}"), stdout=subprocess.DEVNULL
        )
        async with time_limit():
            await process.wait()

    async def move(self, address: str) -> None:
        """Gives the machine another address in place of its own, as a telephone does that leaves the house.

        Connections from the old address stay and get no answer any more.
        """
        old, self.address = self.address, address
        await self.namespace.ip(
            f"addr del {old}/16 dev eth0", f"addr add {address}/16 dev eth0", f"route add default via {GATEWAY} src {address}"
        )  # fmt: skip


@dataclass(slots=True)
class Network:
    """A bridge, and the machines that hang on it."""

    hub: Namespace
    _stack: contextlib.AsyncExitStack
    _hosts: list[Host] = field(default_factory=list[Host])

    async def host(self, name: str, *, wired: bool = False, seed: int = 1) -> Host:
        """Another machine, with the next address; `wired` puts a line between that can be made bad, seeded."""
        namespace = await self._stack.enter_async_context(open_namespace(name))
        number = len(self._hosts) + 10
        link, address = f"h{number}", f"10.77.0.{number}"
        await self.hub.ip(f"link add name {link} type veth peer name eth0 netns {namespace.pid}", f"link set {link} up")
        with await namespace.open_socket(kind=socket.SOCK_DGRAM) as control:
            whole_frames(control, "eth0")
        await namespace.ip(
            f"addr add {address}/16 dev eth0", "link set eth0 up", f"route add default via {GATEWAY} src {address}"
        )
        wire = None
        if wired:
            near, far = f"w{number}", f"b{number}"
            await self.hub.ip(
                f"link add name {near} type veth peer name {far}",
                f"link set {near} up",
                f"link set {far} master bridge up",
            )
            wire = await self._stack.enter_async_context(open_wire(self.hub, link, near, seed))
        else:
            await self.hub.ip(f"link set {link} master bridge")
        host = Host(namespace, address, wire)
        self._hosts.append(host)
        return host


@contextlib.asynccontextmanager
async def open_network() -> AsyncGenerator[Network, None]:
    """A network without machines; all of it is gone when the block is left."""
    async with contextlib.AsyncExitStack() as stack:
        hub = await stack.enter_async_context(open_namespace("hub"))
        await hub.ip("link add name bridge type bridge", "link set bridge up", f"addr add {GATEWAY}/16 dev bridge")
        yield Network(hub, stack)


@contextlib.asynccontextmanager
async def open_namespace(name: str) -> AsyncGenerator[Namespace, None]:
    """A namespace with nothing but a loopback interface."""
    programs = all(shutil.which(program) for program in ("unshare", "nsenter", "ip"))
    require(os.geteuid() == 0 and programs, "network namespaces", "run as root; apt-get install iproute2")
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--net", "--", "sh", "-c", HOLD),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with time_limit():
            is_made = await process.stdout.readline() == b"ready\n"
        require(is_made, "network namespaces", "run where a container may make them")
        yield Namespace(name, process.pid)
    finally:
        process.stdin.close()
        async with time_limit():
            await process.wait()


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
