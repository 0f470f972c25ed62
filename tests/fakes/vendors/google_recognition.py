"""Google's Speech-to-Text v2 over gRPC, as its published interface definition describes it, written with Google's own message library."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from tests.fakes.vendors.google_messages import decode_request, encode_response
from tests.fakes.vendors.socket_vendor import Client, Connection, Message, SocketVendor

METHOD = "/google.cloud.speech.v2.Speech/StreamingRecognize"
STATUS = {401: grpc.StatusCode.UNAUTHENTICATED, 429: grpc.StatusCode.RESOURCE_EXHAUSTED}


class GoogleRecognition(SocketVendor):
    """`StreamingRecognize`; the first request has the configuration, the others audio."""

    path = METHOD
    key_header = "x-goog-api-key"
    garbage = b"\x32\x7fhalf"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def interim(self, text: str, client: Client) -> Iterable[Message]:
        return (encode_response(text, is_final=False),)

    def final(self, text: str, client: Client) -> Iterable[Message]:
        return (encode_response(text, is_final=True),) if text else ()

    def failure(self, client: Client) -> Iterable[Message]:
        return ()  # told when all has been read

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None, None]:
        """Listens on a free port."""
        server = grpc.aio.server()
        handler = grpc.stream_stream_rpc_method_handler(self.recognize)
        service, _, method = METHOD.removeprefix("/").partition("/")
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {method: handler})])
        self.port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield
        finally:
            await server.stop(0)

    async def recognize(self, requests: Any, context: Any) -> AsyncGenerator[Message, None]:
        """One stream."""
        metadata = {str(name): str(value) for name, value in context.invocation_metadata()}
        if self.refusals:
            await context.abort(STATUS[self.refusals.pop(0).status], "no")
        seen = Connection(METHOD, [], metadata)
        self.connections.append(seen)
        client = Client(self, seen, self.faults.pop(0) if self.faults else "")
        context.add_done_callback(lambda _: (seen.closed.set(), self.changed()))
        self.changed()
        async for request in requests:
            fields = decode_request(request)
            if fields["audio"]:
                assert len(fields["audio"]) <= 15_000
                assert seen.messages, "the configuration comes first"
                if client.fault == "disconnect":
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "going away")
                for message in client.hear(fields["audio"]):
                    yield message
            else:
                seen.messages.append(fields)
            self.changed()
        if client.fault == "failure":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "cannot decode")
        for message in client.flush():
            yield message
        self.changed()
        if client.fault in {"silent", "mute", "never_ready"}:
            await seen.closed.wait()
