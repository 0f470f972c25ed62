"""Workers as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import UsageError
from vox.fleet.operations.addresses import MOST_WORKERS, worker_addresses


def test_ports_hosts_and_ranges_are_read_in_order_and_once():
    written = ["8001-8003", "8002", "10.0.0.2:8001-8002", "worker-b.example:9", "[fd00::7]:8001"]
    assert worker_addresses(written) == [
        "127.0.0.1:8001", "127.0.0.1:8002", "127.0.0.1:8003",
        "10.0.0.2:8001", "10.0.0.2:8002", "worker-b.example:9", "[fd00::7]:8001",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "8004-8001", "8001-", "http://a:8001", "a b:1", "x;y:8001", f"1-{MOST_WORKERS + 1}"]
)
def test_what_names_no_worker_is_refused_by_name(text: str):
    with pytest.raises(UsageError, match="names no worker") as refused:
        worker_addresses([text])
    assert refused.value.code == "bad_worker_address"


def test_no_worker_at_all_is_refused():
    with pytest.raises(UsageError, match="no worker is named"):
        worker_addresses([])


@given(st.text())
def test_whatever_is_written_it_is_an_address_or_refused(text: str):
    try:
        found = worker_addresses([text])
    except UsageError:
        return
    assert all(0 < int(each.rpartition(":")[2]) < 65536 for each in found)
