"""Policies: both spellings, and the block list before everything."""

import pytest

from vox.chat.federation.policy import permits, read_policy


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("open", "open"),
        ("allowlist", "allowlist"),
        ("allow_list", "allowlist"),
        (" Allow-List ", "allowlist"),
        ("closed", "closed"),
        ("opne", None),
        ("", None),
    ],
)
def test_spellings(text: str, policy: str | None):
    assert read_policy(text) == policy


def test_who_is_permitted():
    assert permits("open", is_allowed=False, is_blocked=False)
    assert not permits("open", is_allowed=True, is_blocked=True)
    assert permits("allowlist", is_allowed=True, is_blocked=False)
    assert not permits("allowlist", is_allowed=False, is_blocked=False)
    assert not permits("closed", is_allowed=True, is_blocked=False)
