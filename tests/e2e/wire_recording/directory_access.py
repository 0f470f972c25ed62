"""Directories where relays sign, bring a join token or wait for approval."""

import contextlib
import json
import threading
from collections.abc import Generator
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

from tests.e2e.wire_recording.directory_world import ADMIN, ALICE, BOB, SigningKey, registration
from tests.e2e.wire_recording.http_client import Reply, request
from tests.e2e.wire_recording.processes import wait_until
from tests.e2e.wire_recording.recording import Recording

RELAY, OTHER, NEXT = (SigningKey.of(name) for name in ("relay", "other", "next"))


class Signer:
    """Sends signed requests.

    Args:
        recording: where the answers are kept.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._nonces = 0

    def ask(
        self,
        line: str,
        note: str,
        key: SigningKey,
        body: Any = None,
        *,
        age_s: int = 0,
        nonce: str = "",
        **changed: str,
    ) -> Reply:
        """Sends a request signed by a key, with headers changed afterwards."""
        method, _, path = line.partition(" ")
        content = b"" if body is None else json.dumps(body).encode()
        self._nonces += 1
        nonce = nonce or f"a-nonce-of-this-run-{self._nonces}"
        headers = key.signed(method, path, content, f"127.0.0.1:{self._recording.port}", nonce=nonce, age_s=age_s)
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        return self._recording.ask(line, note, headers=headers, body=content)


def tokens(recording: Recording) -> None:
    """A new relay brings a join token, or an API key; a known one signs."""
    for seed, key in (("relay", RELAY), ("other", OTHER), ("next", NEXT)):
        recording.values.learn(f"public key of {seed}", key.public)
    made = recording.ask("POST /v1/join-tokens", "made", headers=ADMIN, json_body={
        "ttl_ms": 3_600_000, "note": "for the wire recording"}, learn={"token": "join token", "id": "token id"})  # fmt: skip
    token = made.json()["token"]
    recording.ask(
        "POST /v1/join-tokens", "made of nothing", headers=ADMIN, learn={"token": "join token", "id": "token id"}
    )
    recording.ask("POST /v1/join-tokens", "too short", headers=ADMIN, json_body={"ttl_ms": 1})
    recording.ask("POST /v1/join-tokens", "no administrator", headers=ALICE)
    recording.ask("POST /v1/join-tokens", "an unknown key", headers={"Authorization": "Bearer unknown"})
    listed = recording.ask("GET /v1/join-tokens", "two", headers=ADMIN, change=_by_note).json()["join_tokens"]
    recording.ask("GET /v1/join-tokens", "no administrator", headers=ALICE)
    unused = next(one["id"] for one in listed if not one["note"])
    recording.ask(f"DELETE /v1/join-tokens/{unused}", "no administrator", headers=ALICE)
    recording.ask(f"DELETE /v1/join-tokens/{unused}", "an administrator", headers=ADMIN)
    recording.ask(f"DELETE /v1/join-tokens/{unused}", "again", headers=ADMIN)
    _owners(recording)
    _signatures(recording, token)


def _owners(recording: Recording) -> None:
    line = "POST /v1/relays/register"
    recording.ask(line, "no key", json_body=registration(1))
    mine = recording.ask(line, "alice's", headers=ALICE, json_body=registration(1)).json()["id"]
    recording.ask(line, "alice's address, by bob", headers=BOB, json_body=registration(1))
    recording.ask(f"POST /v1/relays/{mine}/heartbeat", "by bob", headers=BOB)
    recording.ask(f"POST /v1/relays/{mine}/heartbeat", "no key")
    recording.ask(f"POST /v1/relays/{mine}/heartbeat", "by an administrator", headers=ADMIN)
    recording.ask(f"DELETE /v1/relays/{mine}", "by alice", headers=ALICE)
    recording.ask("GET /v1/relays/waiting", "none waits", headers=ADMIN)
    recording.ask("GET /v1/relays/waiting", "no administrator", headers=ALICE)


def _signatures(recording: Recording, token: str) -> None:
    signer, line = Signer(recording), "POST /v1/relays/register"
    body = registration(2, signing_key=RELAY.public)
    signer.ask(line, "signed, no token", RELAY, body)
    signer.ask(line, "signed, an unknown token", RELAY, {**body, "join_token": "unknown"})
    recording.ask(line, "unsigned", json_body={**body, "join_token": token})
    signer.ask(line, "signed by another key", OTHER, {**body, "join_token": token})
    signer.ask(line, "signed long ago", RELAY, {**body, "join_token": token}, age_s=3600)
    signer.ask(line, "another body", RELAY, {**body, "join_token": token}, Content_Digest="sha-256=:AAAA:")
    signer.ask(line, "malformed", RELAY, {**body, "join_token": token}, Signature_Input="vox=()")
    signer.ask(line, "half a signature", RELAY, {**body, "join_token": token}, Signature="")
    relay = signer.ask(line, "signed, a token", RELAY, {**body, "join_token": token}).json()["id"]
    signer.ask(line, "signed, the token again", OTHER, registration(3, signing_key=OTHER.public, join_token=token))
    signer.ask(line, "renewed without a token", RELAY, body)
    beat = f"POST /v1/relays/{relay}/heartbeat"
    signer.ask(beat, "signed", RELAY, nonce="a-nonce-that-is-used-twice")
    signer.ask(beat, "seen before", RELAY, nonce="a-nonce-that-is-used-twice")
    signer.ask(beat, "signed by another key", OTHER)
    recording.ask(beat, "not signed")
    recording.ask(beat, "an API key of another", headers=ALICE)
    line, proof = f"POST /v1/relays/{relay}/key", NEXT.bare(f"vox relay key\n{relay}\n{NEXT.public}")
    signer.ask(line, "a wrong proof", RELAY, {"signing_key": NEXT.public, "proof": OTHER.bare("x")})
    signer.ask(line, "another key", RELAY, {"signing_key": NEXT.public, "proof": proof})
    signer.ask(beat, "signed by the old key", RELAY)
    signer.ask(f"POST /v1/relays/{relay}/drain", "signed by the new key", NEXT, {"reason": "disks"})
    signer.ask(f"DELETE /v1/relays/{relay}?force=1", "signed by the new key", NEXT)


def approval(recording: Recording) -> None:
    """A new relay waits until an administrator has looked at it."""
    for seed, key in (("relay", RELAY), ("other", OTHER)):
        recording.values.learn(f"public key of {seed}", key.public)
    signer, line = Signer(recording), "POST /v1/relays/register"
    first = signer.ask(line, "the first", RELAY, registration(1, signing_key=RELAY.public)).json()["id"]
    second = signer.ask(line, "the second", OTHER, registration(2, signing_key=OTHER.public, name="Perth")).json()["id"]
    recording.ask(f"GET /v1/relays/{first}/status", "waiting")
    recording.ask("GET /v1/relays?lat=-33&lon=151", "two wait")
    recording.ask("GET /v1/relays/waiting", "two", headers=ADMIN, change=_waiting)
    recording.ask("GET /v1/relays/waiting", "no key")
    recording.ask(f"POST /v1/relays/{first}/approve", "no administrator", headers=ALICE)
    recording.ask(f"POST /v1/relays/{first}/approve", "an administrator", headers=ADMIN)
    recording.ask(f"POST /v1/relays/{first}/approve", "again", headers=ADMIN)
    recording.ask(f"POST /v1/relays/{first}/refuse", "does not wait any more", headers=ADMIN)
    recording.ask(f"POST /v1/relays/{second}/refuse", "wrong", headers=ADMIN, json_body={"reason": 1})
    recording.ask(
        f"POST /v1/relays/{second}/refuse", "an administrator", headers=ADMIN, json_body={"reason": "unknown owner"}
    )
    recording.ask(f"POST /v1/relays/{second}/refuse", "again", headers=ADMIN)
    signer.ask(line, "the second, refused", OTHER, registration(2, signing_key=OTHER.public, name="Perth"))
    signer.ask(f"POST /v1/relays/{first}/heartbeat", "approved", RELAY)
    recording.ask("GET /v1/relays?lat=-33&lon=151", "one was approved")


def probing(recording: Recording) -> None:
    """A relay is listed once it has answered a probe; addresses inside are refused."""
    line = "POST /v1/relays/register"
    recording.ask(line, "a private address", json_body=registration(1, url="wss://10.0.0.1"))
    with _relay() as port:
        body = registration(1, url=f"ws://127.0.0.1:{port}")
        recording.values.learn("relay", f"127.0.0.1:{port}")
        relay = recording.ask(line, "not probed yet", json_body=body).json()["id"]
        wait_until(lambda: request(recording.port, "GET", "/v1/relays").json()["count"] == 1)
        recording.ask(f"GET /v1/relays/{relay}/status", "probed")
        recording.ask("GET /v1/relays?lat=-33&lon=151", "probed")


@contextlib.contextmanager
def _relay() -> Generator[int]:
    """The port of a relay that is well."""

    class Healthy(StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _by_note(page: Any) -> Any:
    return {**page, "join_tokens": sorted(page["join_tokens"], key=lambda one: one["note"])}


def _waiting(page: Any) -> Any:
    """Fingerprints are those of the keys of this file, and as long as any."""
    relays = [{**one, "key_id": f"<{len(one['key_id'])} characters>"} for one in page["relays"]]
    return {**page, "relays": sorted(relays, key=lambda one: one["name"])}
