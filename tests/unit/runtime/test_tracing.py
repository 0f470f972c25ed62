"""Traces: nothing without configuration, spans with it."""

import sys

import pytest

from tests.fakes.clock import EPOCH
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


def exported(monkeypatch):
    """What was traced, in memory."""
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing._active, "provider", provider)
    return exporter


async def test_spans_nest_carry_attributes_and_hide_secrets(monkeypatch):
    exporter = exported(monkeypatch)
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


async def test_work_that_is_over_becomes_a_span_with_its_own_times(monkeypatch):
    exporter = exported(monkeypatch)
    tracer = tracing.tracer("vox.test")
    with tracer.span("call"):
        tracer.record("turn", EPOCH, 1.5, turn=2, token="t", none=None)
    turn, call = exporter.get_finished_spans()
    end_ns = int(EPOCH.timestamp() * 1e9)
    assert (turn.start_time, turn.end_time) == (end_ns - 1_500_000_000, end_ns)
    assert dict(turn.attributes or {}) == {"turn": 2, "token": "***"}
    assert turn.parent is not None
    assert call.context is not None
    assert turn.parent.span_id == call.context.span_id
    await tracing.close()


def test_without_configuration_nothing_is_recorded():
    tracing.tracer("t").record("turn", EPOCH, 1.0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", None),
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
        ("https://vendor.example/otlp/traces", "https://vendor.example/otlp/traces"),
    ],
)
def test_a_collectors_address_may_come_with_or_without_its_path(given: str, expected: str | None):
    assert tracing.traces_at(given) == expected


async def test_a_request_goes_on_with_its_callers_trace(monkeypatch):
    exporter = exported(monkeypatch)
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    tracer = tracing.tracer("vox.test")
    with tracer.request("GET /feeds", {"traceparent": caller}), tracer.span("database"):
        pass
    with tracer.request("GET /feeds", {"traceparent": "no trace"}):
        pass
    inner, request, alone = exporter.get_finished_spans()
    assert request.context is not None
    assert f"{request.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    assert inner.parent is not None
    assert inner.parent.span_id == request.context.span_id
    assert alone.parent is None
    await tracing.close()


async def test_parts_of_one_process_share_the_collector_until_the_first_of_them_ends(monkeypatch):
    pytest.importorskip("opentelemetry.sdk")
    collector = "http://127.0.0.1:9/v1/traces"
    async with tracing.sending(None, "vox-chat"):
        assert not tracing.is_on()
    async with tracing.sending(collector, "vox-agent"):
        async with tracing.sending(collector, "vox-chat"):
            assert tracing.is_on()
        async with tracing.sending(None, "vox-directory"):
            assert tracing.is_on()
        assert tracing.is_on()
    assert not tracing.is_on()
