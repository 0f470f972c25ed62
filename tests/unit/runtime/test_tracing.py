"""Traces: nothing without configuration, spans with it."""

import sys

import pytest

from vox.errors import UsageError
from vox.runtime import tracing


def test_without_configuration_a_span_is_nothing():
    with tracing.tracer("t").span("turn", call_id="c") as span:
        span.set(late=True)


def test_an_endpoint_without_the_package_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(UsageError) as caught:
        tracing.configure("http://collector:4318/v1/traces", "vox-agent")
    assert caught.value.code == "tracing_not_installed"
    assert ".[tracing]" in str(caught.value)


async def test_spans_nest_carry_attributes_and_hide_secrets(monkeypatch):
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing._active, "provider", provider)
    tracer = tracing.tracer("vox.test")
    with pytest.raises(RuntimeError), tracer.span("call", call_id="c1", api_key="k", none=None):  # noqa: PT012  both spans
        with tracer.span("turn") as turn:
            turn.set(words=3, kind=["a"])
        raise RuntimeError("boom")
    turn, call = exporter.get_finished_spans()
    assert dict(turn.attributes or {}) == {"words": 3, "kind": "['a']"}
    assert dict(call.attributes or {}) == {"call_id": "c1", "api_key": "***"}
    assert turn.parent is not None
    assert call.context is not None
    assert turn.parent.span_id == call.context.span_id
    assert not call.status.is_ok
    await tracing.close()
    assert tracing._active.provider is None
