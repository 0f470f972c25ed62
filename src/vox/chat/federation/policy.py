"""Which servers this one federates with. Pure.

Both spellings of the middle policy are read, because the original's documentation and its source differ; anything else is
refused rather than taken for `open`.
"""

from typing import Final, Literal

Policy = Literal["open", "allowlist", "closed"]

_SPELLINGS: Final[dict[str, Policy]] = {
    "open": "open",
    "allowlist": "allowlist",
    "allow_list": "allowlist",
    "allow-list": "allowlist",
    "closed": "closed",
}


def read_policy(text: str) -> Policy | None:
    """The policy that a text names, in whatever spelling; None for none."""
    return _SPELLINGS.get(text.strip().lower())


def permits(policy: Policy, *, is_allowed: bool, is_blocked: bool) -> bool:
    """Whether a server may be federated with.

    Args:
        policy: of this server.
        is_allowed: whether the server is on the allow list.
        is_blocked: whether it is on the block list, which goes before everything.
    """
    if is_blocked or policy == "closed":
        return False
    return policy == "open" or is_allowed
