"""A small authoritative DNS server for tests: TXT, SVCB and A records from a dictionary, over UDP."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class Zone(asyncio.DatagramProtocol):
    """Records by name and type, as their texts; `port` is where it listens."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    def put(self, name: str, kind: str, *texts: str) -> None:
        """Replaces the records of a name and type."""
        self.records[name, kind] = list(texts)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        with contextlib.suppress(dns.exception.DNSException):
            query = dns.message.from_wire(data)
            question = query.question[0]
            name, kind = question.name.to_text(omit_final_dot=True).lower(), question.rdtype.name
            reply = dns.message.make_response(query)
            reply.flags |= dns.flags.AA
            texts = self.records.get((name, kind))
            if texts:
                reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *texts))
            elif all(known != name for known, _ in self.records):
                reply.set_rcode(dns.rcode.NXDOMAIN)
            if self._transport is not None:
                self._transport.sendto(reply.to_wire(), addr)


@contextlib.asynccontextmanager
async def dns_server() -> AsyncGenerator[Zone, None]:
    """A server on the loopback interface."""
    loop = asyncio.get_running_loop()
    transport, zone = await loop.create_datagram_endpoint(Zone, local_addr=("127.0.0.1", 0))
    zone.port = transport.get_extra_info("sockname")[1]
    try:
        yield zone
    finally:
        transport.close()
