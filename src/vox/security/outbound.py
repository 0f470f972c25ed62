"""Fetches URLs that strangers gave, without being sent where only this machine can go (SSRF).

A name is resolved once, every address it has must pass, and the connection goes to the very address that passed; the
name travels in the `Host` header and in TLS.

The one thing to know before changing it: connections are never kept. One that is kept by its address would carry a
second name's request over TLS that was checked for the first.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

import httpx2

from vox.errors import DependencyError, UsageError
from vox.runtime.logging import get_logger
from vox.security.addresses import Address, Network, loopback_addresses, parse_address, refusal
from vox.security.guarded_http import Answer, exchange, failed
from vox.security.urls import Url, join_url, parse_url, url_refused

Resolver = Callable[[str, int], Awaitable[list[str]]]

WEB_PORTS = frozenset({80, 443})
MAX_IN_FLIGHT = 64
MAX_LOOKUPS = 32

_LOG = get_logger(__name__)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Carries secrets for one origin only, or speaks of the body that a redirect drops.
_FOR_ONE_ORIGIN = frozenset({"authorization", "cookie", "proxy-authorization", "signature", "signature-input"})
_OF_THE_BODY = frozenset({"content-type", "content-digest", "content-encoding", "content-language"})
_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "te", "upgrade", "accept-encoding"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~]*")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: the name it is for, and the address that was vetted for it.

    Attributes:
        host: the name or address of the URL.
        port: the URL's or its scheme's.
        address: the one to connect to.
        scheme: in lower case.
        path: with the query, percent-encoded.
        authority: what the `Host` header says.
    """

    host: str
    port: int
    address: str
    scheme: str
    path: str
    authority: str


@dataclass(frozen=True, slots=True)
class FetchResult:
    """An answer. Headers ignore case; the body is as it travelled; times are in seconds; `url` is the last one."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    address: str
    elapsed_s: float
    url: str


class SystemResolver:
    """Every address of a name, as the system finds them, the preferred one first.

    Look-ups run in threads of their own: names whose servers never answer hold a thread each until the system gives up,
    and in the loop's common pool they would hold up whatever else runs there.
    """

    def __init__(self, max_threads: int = MAX_LOOKUPS) -> None:
        self._threads = ThreadPoolExecutor(max_threads, thread_name_prefix="vox-lookup")

    async def __call__(self, host: str, port: int) -> list[str]:
        """Asks the system, except for this machine's own name; raises `OSError` for an unknown one."""
        if own := loopback_addresses(host):
            return [own[0]]
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class OutboundGuard:
    """Fetches URLs that come from outside the server; nothing else may.

    Args:
        allowed_private: networks that may be connected to although they are not public; never metadata services.
        allowed_ports: None allows all.
        allowed_schemes: of URLs; `fetch` itself speaks http and https.
        resolver: gives all addresses of a name, asked once for each URL; by default the system's.
        own_addresses: addresses of this server, which are refused.
        ssl_context: how certificates are checked; by default against the authorities the system trusts.
        max_in_flight: fetches that run at once; further ones wait, within their deadline.
    """

    def __init__(
        self,
        *,
        allowed_private: Sequence[Network] = (),
        allowed_ports: frozenset[int] | None = WEB_PORTS,
        allowed_schemes: frozenset[str] = frozenset({"https", "http"}),
        resolver: Resolver | None = None,
        own_addresses: Iterable[Address | str] = (),
        ssl_context: ssl.SSLContext | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        self._allowed_private = tuple(allowed_private)
        self._allowed_ports = allowed_ports
        self._allowed_schemes = allowed_schemes
        self._resolver = resolver or SystemResolver()
        self._own_addresses = frozenset(ip_address(str(address)) for address in own_addresses)
        self._ssl_context = ssl_context
        self._free = asyncio.Semaphore(max_in_flight)

    def check_url(self, url: str) -> None:
        """Checks what needs no name resolution: form, scheme, user name, port, literal addresses.

        Raises:
            UsageError: `url_refused`.
        """
        self._vet(parse_url(url, allowed_schemes=self._allowed_schemes))

    async def resolve(self, url: str) -> Target:
        """Looks the host up, once, and gives one of its addresses, all of which have passed. Has no deadline of its own.

        Raises:
            UsageError: `url_refused`, without telling what was found.
            DependencyError: `host_unresolvable`.
        """
        return await self._resolve(parse_url(url, allowed_schemes=self._allowed_schemes))

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline_s: float,
        max_bytes: int,
        max_redirects: int = 0,
    ) -> FetchResult:
        """Sends a request and reads its answer.

        Args:
            method: as it travels, such as GET.
            url: any; it is checked here.
            headers: further ones; those that frame the message are set here.
            body: what to send.
            deadline_s: for everything together: waiting for a turn, look-up, connection, redirects, the last byte.
            max_bytes: of the answer's body; a longer one is an error and is not read to its end.
            max_redirects: followed, each checked like the first URL; with 0 a redirect is an answer like any other.

        Raises:
            UsageError: `url_refused`, `invalid_request`.
            DependencyError: `host_unresolvable`, `fetch_failed`, `fetch_timeout`, `answer_too_large`,
                `answer_malformed`, `redirect_refused`, `too_many_redirects`.
        """
        started = asyncio.get_running_loop().time()
        request = _Request(
            method, parse_url(url, allowed_schemes=self._allowed_schemes), _checked(method, headers), body
        )
        try:
            async with asyncio.timeout(deadline_s), self._free:
                target = await self._resolve(request.url)
                answer = await self._exchange(request, target, max_bytes)
                followed = 0
                while max_redirects and answer.status in _REDIRECTS and "location" in answer.headers:
                    if followed == max_redirects:
                        raise failed(f"More than {max_redirects} redirects.", code="too_many_redirects")
                    followed += 1
                    request, target = await self._redirected(request, answer)
                    answer = await self._exchange(request, target, max_bytes)
        except TimeoutError:
            raise failed(f"No complete answer within {deadline_s:g} s.", code="fetch_timeout") from None
        elapsed_s = asyncio.get_running_loop().time() - started
        return FetchResult(answer.status, answer.headers, answer.body, target.address, elapsed_s, str(request.url))

    def _vet(self, url: Url) -> None:
        if self._allowed_ports is not None and url.port not in self._allowed_ports:
            raise url_refused(f"its port is not one of {', '.join(map(str, sorted(self._allowed_ports)))}")
        if url.address is not None and self._refusal(url.address) is not None:
            raise url_refused("its address is not public")
        if own := loopback_addresses(url.host):  # whichever resolver is asked
            loopback = parse_address(own[0])
            if loopback is None or self._refusal(loopback) is not None:
                raise url_refused("its host is this machine")

    def _refusal(self, address: Address) -> str | None:
        return refusal(address, allowed_private=self._allowed_private, own_addresses=self._own_addresses)

    async def _resolve(self, url: Url) -> Target:
        self._vet(url)
        if url.address is not None:
            return _target(url, url.address)
        try:
            found = await self._resolver(url.host, url.port)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise failed("The host's name has no address.", code="host_unresolvable")
        addresses: list[Address] = []
        for text in found:
            address = parse_address(text)
            why = "not an address" if address is None else self._refusal(address)
            if address is None or why is not None:
                # The user who gave the URL must not learn what internal names stand for; the operator may.
                _LOG.info("outbound_refused", host=url.host, address=text, reason=why)
                raise url_refused("its host has an address that is not public")
            addresses.append(address)
        return _target(url, addresses[0])

    async def _redirected(self, request: "_Request", answer: Answer) -> tuple["_Request", Target]:
        status = answer.status
        try:
            url = join_url(request.url, answer.headers["location"], allowed_schemes=self._allowed_schemes)
            target = await self._resolve(url)
        except UsageError:
            raise failed("The answer redirects to a URL that is refused.", code="redirect_refused") from None
        if request.url.scheme == "https" and url.scheme != "https":
            raise failed("The answer redirects from https to http.", code="redirect_refused")
        dropped: frozenset[str] = frozenset() if url.origin == request.url.origin else _FOR_ONE_ORIGIN
        method, body = request.method, request.body
        if (status == 303 and method != "HEAD") or (status in {301, 302} and method == "POST"):  # noqa: PLR2004  RFC 9110, 15.4
            method, body, dropped = "GET", b"", dropped | _OF_THE_BODY
        headers = {name: value for name, value in request.headers.items() if name.lower() not in dropped}
        return _Request(method, url, headers, body), target

    async def _exchange(self, request: "_Request", target: Target, max_bytes: int) -> Answer:
        """One request over a connection of its own."""
        if target.scheme not in {"http", "https"}:
            raise url_refused("only http and https can be fetched")
        if target.scheme == "https" and self._ssl_context is None:
            self._ssl_context = await asyncio.to_thread(httpx2.create_ssl_context)  # reads files for 20 ms and more
        try:
            return await exchange(
                target.address,
                target.port,
                _encoded(request, target),
                tls=self._ssl_context if target.scheme == "https" else None,
                server_name=target.host,
                has_body=request.method != "HEAD",
                max_bytes=max_bytes,
            )
        except DependencyError as error:
            why = str(error.__cause__ or error)
            _LOG.debug("outbound_failed", host=target.host, address=target.address, code=error.code, reason=why)
            raise failed(str(error), code=error.code) from None  # the cause has the address


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: Url
    headers: Mapping[str, str]
    body: bytes


def _encoded(request: _Request, target: Target) -> bytes:
    fields = {
        "host": target.authority,
        "user-agent": "vox",
        "accept": "*/*",
        **{name.lower(): value for name, value in request.headers.items()},
        "accept-encoding": "identity",  # what arrives is counted and handed on as it travelled
        "connection": "close",
    }
    if request.body or request.method in _WITH_BODY:
        fields["content-length"] = str(len(request.body))
    lines = [f"{request.method} {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + request.body


def _checked(method: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    given = dict(headers or {})
    for name, value in given.items():
        if name.lower() in _OURS or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise UsageError(f"The header {name!r} cannot be sent.", code="invalid_request")
    if not _TOKEN.fullmatch(method) or method == "CONNECT":
        raise UsageError("The method is none that can be sent.", code="invalid_request")
    return given


def _target(url: Url, address: Address) -> Target:
    return Target(url.host, url.port, str(address), url.scheme, url.path, url.authority)
