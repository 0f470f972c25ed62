"""Who may use the routes of bridge, dialler and operator."""

import pytest

from vox.fleet.worker.access import may_call


def test_any_of_the_secrets_opens_and_nothing_else():
    for given, is_let_in in (("new", True), ("old", True), ("", False), ("other", False), ("new,old", False)):
        assert may_call(["new", "old"], given, client="203.0.113.9", host="fleet.example") is is_let_in
    assert not may_call(["new"], "", client="127.0.0.1", host="127.0.0.1:8001"), "this machine needs it, too"


@pytest.mark.parametrize(
    ("client", "host", "is_let_in"),
    [
        ("127.0.0.1", "127.0.0.1:8001", True),
        ("127.0.0.1", "localhost", True),
        ("::1", "[::1]:8001", True),
        ("::ffff:127.0.0.1", "LOCALHOST:8001", True),
        ("127.0.0.1", "fleet.example", False),
        ("127.0.0.1", "voxcore_workers", False),
        ("127.0.0.1", "", False),
        ("10.0.0.2", "127.0.0.1:8001", False),
        ("unknown", "127.0.0.1:8001", False),
    ],
)
def test_without_a_secret_only_this_machine_itself_may(client, host, is_let_in):
    assert may_call([], "anything", client=client, host=host) is is_let_in
