"""Errors say what happened and what to do, and whose fault it was."""

import pytest

from vox.errors import DependencyError, PeerError, UsageError, VoxError


@pytest.mark.parametrize("kind", [UsageError, PeerError, DependencyError])
def test_every_kind_is_caught_as_one(kind: type[VoxError]):
    with pytest.raises(VoxError) as caught:
        raise kind("The port is taken.", code="port_taken")
    assert caught.value.code == "port_taken"
    assert str(caught.value) == "The port is taken."
    assert (caught.value.hint, caught.value.retryable, caught.value.retry_after_s) == ("", False, None)


def test_the_hint_stands_behind_the_message():
    error = DependencyError("No answer.", code="x", hint="try later", retryable=True, retry_after_s=2.5)
    assert str(error) == "No answer. (try later)"
    assert (error.retryable, error.retry_after_s) == (True, 2.5)


def test_whose_fault_it_was_is_never_two_peoples():
    kinds = (UsageError, PeerError, DependencyError)
    assert not any(issubclass(one, other) for one in kinds for other in kinds if one is not other)
