"""Servers of `voxcore_fleet`: their addresses, what they report, and when they are left out."""

import msgspec
import pytest

from vox.errors import UsageError
from vox.fleet.dispatch.registry import Worker
from vox.fleet.dispatch.static_servers import (
    MAX_SERVERS,
    checked_urls,
    is_registered_otherwise,
    read_granted,
    read_report,
    server_id,
    status_of,
    worker_origin,
)
from vox.protocols.fleet import Register, read_worker, write

VOXCORE = b"""{"status": "ok", "fleet_calls": 6, "fleet_max": 20, "fleet_available": 14, "workers": [
    {"port": 8001, "calls": 6, "pid": 41}, {"port": 8002, "status": "unreachable"}]}"""


def report(**more):
    return read_report(msgspec.json.encode({"fleet_calls": 2, "fleet_max": 8, "fleet_available": 5, **more}))


def test_the_documented_report_is_read():
    found = status_of(read_report(VOXCORE))
    assert (found.active, found.max_calls, found.limit, found.state) == (6, 20, 20, "ready")
    assert found.load == pytest.approx(0.3)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"fleet_calls": 1}', b'{"fleet_calls": -1, "fleet_max": 2, "fleet_available": 3}']
)
def test_anything_else_is_refused(body):
    with pytest.raises(msgspec.MsgspecError):
        read_report(body)
    with pytest.raises(msgspec.MsgspecError):
        read_granted(body)


def test_what_is_free_is_what_the_server_says():
    found = status_of(report(workers=[{"port": 1, "reserved": 1}, {"port": 2, "state": "draining"}]))
    assert (found.active, found.reserved, found.limit, found.state) == (2, 1, 8, "ready")
    assert found.limit - found.active - found.reserved == 5
    assert status_of(report(fleet_available=0)).state == "full"


def test_a_server_drains_when_all_its_workers_do():
    draining = [{"port": 1, "state": "draining"}, {"port": 2, "state": "draining"}]
    assert status_of(report(workers=draining)).state == "draining"
    assert status_of(report(workers=[*draining, {"port": 3, "state": "full"}])).state == "ready"


def test_an_id_is_that_of_a_worker_and_no_two_servers_share_one():
    urls = [
        "http://10.0.0.2:8001",
        "http://10.0.0.2:8002",
        "http://a-b",
        "http://a.b",
        "https://a.b",
        "http://" + "x" * 300,
    ]
    ids = [server_id(url) for url in urls]
    assert len(set(ids)) == len(urls)
    assert ids[0].startswith("static-10-0-0-2-8001-")
    for one in ids:
        assert read_worker(write(Register(one, 1))) == Register(one, 1)


def test_addresses_are_tidied():
    assert checked_urls([" http://a:1/ ", "http://a:1", "https://b/workers//"]) == ("http://a:1", "https://b/workers")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "10.0.0.2:8001",
        "ftp://a",
        "http://",
        "http://a:0",
        "http://a:99999",
        "http://u:p@a",
        "http://a?x=1",
        "http://[a",
    ],
)
def test_what_is_no_address_is_named_with_the_remedy(url):
    with pytest.raises(UsageError) as raised:
        checked_urls(["http://ok:1", url])
    assert raised.value.code == "invalid_fleet_url"
    assert repr(url) in str(raised.value)


def test_a_list_has_an_end():
    with pytest.raises(UsageError, match="VOXBRIDGE_URL"):
        checked_urls(f"http://a:{port}" for port in range(1, MAX_SERVERS + 2))


@pytest.mark.parametrize(
    ("worker", "is_left_out"),
    [
        (Worker("w-1", 1, 0.0, url="http://10.0.0.2:8001"), True),
        (Worker("w-1", 1, 0.0, url="http://10.0.0.2:8002"), True),
        (Worker("w-1", 1, 0.0, url="http://10.0.0.3:8001"), False),
        (Worker("host-8002", 1, 0.0, url="http://worker.example"), True),
        (Worker("w-1", 1, 0.0, url="http://10.0.0.2:8001", is_stale=True), False),
        (Worker("w-1", 1, 0.0, url="http://10.0.0.2:8001", is_static=True), False),
        (Worker("w-1", 1, 0.0, url="http://[x"), False),
    ],
)
def test_a_server_whose_workers_are_registered_is_left_out(worker, is_left_out):
    found = report(workers=[{"port": 8001}, {"port": 8002, "id": "host-8002"}])
    assert is_registered_otherwise("http://10.0.0.2:8001", found, [worker]) is is_left_out


def test_a_report_that_comes_from_a_bridge_is_not_counted_as_a_servers():
    assert is_registered_otherwise("http://10.0.0.2:8001", report(source="bridge"), [])
    assert not is_registered_otherwise("http://10.0.0.2:8001", report(source="siblings"), [])


def test_the_ports_that_a_scheme_means_are_the_same_as_written_out():
    assert is_registered_otherwise("https://a", report(), [Worker("w", 1, 0.0, url="https://a:443")])
    assert is_registered_otherwise("http://a:80", report(), [Worker("w", 1, 0.0, url="http://a")])


@pytest.mark.parametrize(
    ("stream_url", "origin"),
    [
        ("ws://10.0.0.2:8003/v1/streams/r", "http://10.0.0.2:8003"),
        ("wss://10.0.0.2:8003/v1/streams/r", "https://10.0.0.2:8003"),
        ("wss://elsewhere:8003/v1/streams/r", "http://10.0.0.2:8001"),
        ("wss://10.0.0.2/v1/streams/r", "http://10.0.0.2:8001"),
        ("ws://u:p@10.0.0.2:8003/x", "http://10.0.0.2:8001"),
        ("gopher://10.0.0.2:70/x", "http://10.0.0.2:8001"),
        ("ws://[x", "http://10.0.0.2:8001"),
    ],
)
def test_a_secret_goes_to_the_servers_own_host_only(stream_url, origin):
    assert worker_origin("http://10.0.0.2:8001", stream_url) == origin
