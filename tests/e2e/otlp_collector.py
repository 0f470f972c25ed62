"""An OpenTelemetry collector as far as a sender of traces sees it: takes OTLP over HTTP and keeps the spans."""

import contextlib
import gzip
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class SpanReceived:
    """One span, with its attributes as plain values."""

    name: str
    span_id: bytes
    parent_id: bytes
    trace_id: bytes
    seconds: float
    attributes: dict[str, Any]


@dataclass(slots=True)
class Collector:
    """What has arrived at `endpoint`."""

    endpoint: str = ""
    paths: set[str] = field(default_factory=set[str])
    services: set[str] = field(default_factory=set[str])
    spans: list[SpanReceived] = field(default_factory=list[SpanReceived])

    def named(self, name: str) -> list[SpanReceived]:
        """The spans of that name, so far."""
        return [span for span in self.spans if span.name == name]

    def take(self, path: str, body: bytes) -> None:
        """Keeps the spans of one request."""
        self.paths.add(path)
        request: Any = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            self.services |= {
                one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
            }
            for scope in resource.scope_spans:
                self.spans += [_received(span) for span in scope.spans]


@contextlib.contextmanager
def otlp_collector() -> Generator[Collector]:
    """A collector on a free port."""
    collector = Collector()

    class Requests(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.take(self.path, gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Requests) as server:
        collector.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def _received(span: Any) -> SpanReceived:
    attributes = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
    seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    return SpanReceived(span.name, span.span_id, span.parent_span_id, span.trace_id, seconds, attributes)
