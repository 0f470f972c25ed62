"""Asks the DNS what other servers say about themselves, and the addresses of their hosts.

The one thing to know before changing it: an answer is a stranger's text. It is taken apart in `dns_records` and `key_pins`, and an
address is connected to only through the guard, which refuses the private ones.
"""

from typing import Any, Final, cast

import dns.asyncresolver
import dns.exception
import dns.rdtypes.svcbbase
import dns.resolver

from vox.chat.federation.dns_records import ServiceRecord
from vox.errors import DependencyError, UsageError

LIFETIME_S: Final = 5.0
"""For one question with all its repetitions."""
MAX_RECORDS: Final = 32
MAX_TEXT: Final = 2048


class DnsResolver:
    """Asks by dnspython, over UDP and TCP.

    Args:
        servers: `address` or `address:port`; empty for those of the system.

    Raises:
        UsageError: the system names no server (dns_not_configured).
    """

    def __init__(self, servers: list[str]) -> None:
        try:
            self._dns = dns.asyncresolver.Resolver(configure=not servers)
        except dns.resolver.NoResolverConfiguration:
            raise UsageError(
                "this system names no DNS server",
                code="dns_not_configured",
                hint="set VOX_FEDERATION_DNS to the address of one",
            ) from None
        if servers:
            pairs = [split_server(one) for one in servers]
            self._dns.nameservers = [host for host, _ in pairs]
            self._dns.nameserver_ports = dict(pairs)
        self._dns.lifetime = LIFETIME_S

    async def texts(self, name: str) -> list[str]:
        """See `discovery.Resolver`."""
        found = await self._ask(name, "TXT")
        texts = [b"".join(cast("tuple[bytes, ...]", one.strings)) for one in found]
        return [text.decode("ascii", "replace") for text in texts if len(text) <= MAX_TEXT]

    async def services(self, name: str) -> list[ServiceRecord]:
        """See `discovery.Resolver`."""
        records: list[ServiceRecord] = []
        for one in await self._ask(name, "SVCB"):
            port = one.params.get(dns.rdtypes.svcbbase.ParamKey.PORT)
            target = one.target.to_text(omit_final_dot=True) or "."
            records.append(ServiceRecord(one.priority, target, None if port is None else port.port))
        return records

    async def addresses(self, host: str, port: int) -> list[str]:
        """See `discovery.Resolver`."""
        del port
        found: list[str] = []
        try:
            for kind in ("A", "AAAA"):
                found += [str(one.address) for one in await self._ask(host, kind)]
        except DependencyError as error:
            if not found:
                raise OSError(str(error)) from None
        if not found:
            raise OSError("the name has no address")
        return found

    async def _ask(self, name: str, kind: str) -> list[Any]:
        try:
            answer = await self._dns.resolve(name, kind, search=False, raise_on_no_answer=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.YXDOMAIN):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise DependencyError(
                f"the DNS gives no answer for {name}: {type(error).__name__}", code="dns_failed", retryable=True
            ) from None
        return list(answer.rrset or ())[:MAX_RECORDS]


def split_server(text: str) -> tuple[str, int]:
    """Address and port of a DNS server; an IPv6 address with a port is in brackets."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, int(port.removeprefix(":") or 53)
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, int(port)
    return text, 53
