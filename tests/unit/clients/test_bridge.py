from pathlib import Path

import httpx2
import pytest

from vox.clients.bridge import BridgeClient
from vox.errors import DependencyError, UsageError


def client(handler, pauses=None):
    made = BridgeClient("http://bridge", "vbk_x", pause=(pauses if pauses is not None else []).append)
    made._http = httpx2.Client(base_url="http://bridge", transport=httpx2.MockTransport(handler))
    return made


def test_a_broken_connection_is_tried_again_with_growing_pauses(tmp_path: Path):
    file, pauses, tries = tmp_path / "a.csv", [], []
    file.write_bytes(b"number\n" + b"x" * 100_000)

    def handler(request):
        tries.append(request.read())
        if len(tries) < 3:
            raise httpx2.ReadError("gone")
        return httpx2.Response(200, json={"accepted": 1})

    sent: list[int] = []
    assert client(handler, pauses).send_csv("/v1/x", file, {}, on_progress=sent.append) == {"accepted": 1}
    assert (len(tries), pauses) == (3, [1.0, 2.0])
    assert tries[-1] == file.read_bytes()
    assert sent[-1] == file.stat().st_size


def test_a_bridge_that_never_answers_is_given_up(tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_bytes(b"number\n")

    def handler(request):
        raise httpx2.ConnectError("refused")

    with pytest.raises(DependencyError) as caught:
        client(handler).send_csv("/v1/x", file, {}, on_progress=lambda _: None)
    assert caught.value.code == "bridge_unreachable"
    with pytest.raises(DependencyError):
        client(handler).explanation("call_0")


def test_what_the_bridge_says_is_passed_on():
    def refuse(request):
        return httpx2.Response(404, json={"error": {"code": "CALL_NOT_FOUND", "message": "No such call."}})

    with pytest.raises(UsageError, match="No such call"):
        client(refuse).explanation("call_0")
    with pytest.raises(DependencyError, match="502"):
        client(lambda _: httpx2.Response(502, text="bad gateway")).explanation("call_0")


def test_all_pages_of_errors_are_read():
    pages = {"0": [{"row": 2}, {"row": 5}], "5": [{"row": 9}], "9": []}
    found = client(lambda request: httpx2.Response(200, json={"errors": pages[request.url.params["after"]]}))
    assert [one["row"] for one in found.import_errors("i")] == [2, 5, 9]
