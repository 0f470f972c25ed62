"""Ports of tests are given once."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.free_ports import free_port

ROOT = Path(__file__).parents[2]


def test_ports_are_different_and_may_be_listened_on():
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)
    with socket.create_server(("127.0.0.1", ports[-1])):
        pass


def test_another_process_is_given_other_ports():
    mine = {free_port() for _ in range(20)}
    program = "import os; os.getpid = lambda: %d\nfrom tests.free_ports import free_port\nprint(*(free_port() for _ in range(200)))"
    given = subprocess.run(
        [sys.executable, "-c", program % os.getpid()], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert len(given) == 200
    assert mine.isdisjoint(map(int, given))
