"""Traces through OpenTelemetry, an optional extra; without the package or an endpoint every span is a no-op.

`tracer(name)` may be called at import: it looks for the provider when a span begins, so `configure` can come later.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from vox.errors import UsageError
from vox.runtime.logging import HIDDEN, looks_secret


class Span(Protocol):
    """One timed piece of work."""

    def set(self, **attributes: Any) -> None:
        """Adds attributes to the span."""
        ...


class Tracer:
    """Opens spans under one instrumentation name."""

    def __init__(self, name: str) -> None:
        self._name = name

    @contextmanager
    def span(self, name: str, **attributes: Any) -> Generator[Span]:
        """Times the block as a child of the span around it; an exception marks the span as failed and goes on."""
        provider = _active.provider
        if provider is None:
            yield _NO_SPAN
            return
        with provider.get_tracer(self._name).start_as_current_span(name, attributes=_plain(attributes)) as span:
            yield _OtelSpan(span)

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str], **attributes: Any) -> Generator[Span]:
        """Times a request that came in, below the caller's span where `headers` have its `traceparent` (W3C Trace Context)."""
        provider = _active.provider
        if provider is None:
            yield _NO_SPAN
            return
        from opentelemetry.propagate import extract  # noqa: PLC0415  optional extra
        from opentelemetry.trace import SpanKind  # noqa: PLC0415  optional extra

        opened = provider.get_tracer(self._name).start_as_current_span(
            name, context=extract(headers), kind=SpanKind.SERVER, attributes=_plain(attributes)
        )
        with opened as span:
            yield _OtelSpan(span)

    def record(self, name: str, ended: datetime, seconds: float, **attributes: Any) -> None:
        """Adds a span of work that is over, as a child of the span around it.

        Args:
            name: of the span.
            ended: when the work was over, in UTC.
            seconds: how long it took.
            attributes: of the span; None leaves one out.
        """
        provider = _active.provider
        if provider is not None:
            end_ns = int(ended.timestamp() * 1e9)
            start_ns = end_ns - int(seconds * 1e9)
            tracer = provider.get_tracer(self._name)
            tracer.start_span(name, attributes=_plain(attributes), start_time=start_ns).end(end_time=end_ns)


def is_on() -> bool:
    """Whether spans go anywhere."""
    return _active.provider is not None


def traces_at(endpoint: str) -> str | None:
    """Where spans go: the collector's address, which OpenTelemetry's own variable gives without a path."""
    if endpoint and not urlsplit(endpoint).path.strip("/"):
        return f"{endpoint.rstrip('/')}/v1/traces"
    return endpoint or None


def tracer(name: str) -> Tracer:
    """The tracer of a module, `tracer(__name__)`."""
    return Tracer(name)


def configure(endpoint: str | None, service: str) -> None:
    """Sends spans to an OTLP/HTTP endpoint such as `http://collector:4318/v1/traces`; None turns tracing off.

    Raises:
        UsageError: an endpoint is set but the extra is not installed.
    """
    if not endpoint:
        _active.provider = None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  optional extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  optional extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  optional extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  optional extra
    except ImportError as error:
        raise UsageError(
            "a tracing endpoint is set but OpenTelemetry is not installed",
            code="tracing_not_installed",
            hint="run `make setup`, or `pip install '.[tracing]'` in a checkout of Vox; or remove the endpoint",
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=5)))
    _active.provider = provider


@asynccontextmanager
async def sending(endpoint: str | None, service: str) -> AsyncGenerator[None, None]:
    """`configure` and `close` around a part's work; parts of one process share the collector of the one that came first.

    Raises:
        UsageError: as `configure`.
    """
    if not endpoint or is_on():
        yield
        return
    configure(endpoint, service)
    try:
        yield
    finally:
        await close()


async def close(timeout_s: float = 5.0) -> None:
    """Sends what is still buffered and turns tracing off; what is not sent in time is dropped."""
    provider, _active.provider = _active.provider, None
    if provider is not None:
        await asyncio.to_thread(provider.force_flush, int(timeout_s * 1000))
        await asyncio.to_thread(provider.shutdown)


class _Active:
    """The provider of this process; `Any` because the package may be absent."""

    provider: Any = None


_active = _Active()


class _NoSpan:
    def set(self, **attributes: Any) -> None:
        pass


_NO_SPAN = _NoSpan()


class _OtelSpan:
    def __init__(self, span: Any) -> None:
        self._span = span

    def set(self, **attributes: Any) -> None:
        self._span.set_attributes(_plain(attributes))


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        key: HIDDEN
        if looks_secret(key) and isinstance(value, str)
        else value
        if isinstance(value, (str, bool, int, float))
        else str(value)
        for key, value in attributes.items()
        if value is not None
    }
