"""The rules that conftest.py applies, seen from a test they apply to."""

import asyncio
import socket
import warnings

import pytest
import pytest_socket

from tests.require import require


def test_the_marker_comes_from_the_folder(request: pytest.FixtureRequest):
    assert request.node.get_closest_marker("unit") is not None


def test_a_unit_test_cannot_open_a_socket():
    with warnings.catch_warnings(action="ignore"), pytest.raises(pytest_socket.SocketBlockedError):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM)


async def test_an_event_loop_still_works():
    await asyncio.to_thread(lambda: None)


def test_what_is_there_is_not_skipped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VOX_TEST_REQUIRE", "all")
    require(True, "python", "")


def test_a_missing_program_skips_by_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("VOX_TEST_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs sox: apt-get install sox"):
        require(False, "sox", "apt-get install sox")


def test_ci_turns_the_skip_into_a_failure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VOX_TEST_REQUIRE", "all")
    with pytest.raises(pytest.fail.Exception, match="needs sox"):
        require(False, "sox", "apt-get install sox")
