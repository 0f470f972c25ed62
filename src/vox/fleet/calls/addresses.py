"""The addresses at which carriers tell about one attempt: each holds the attempt's tag and a proof that it is ours. Pure.

A carrier's signature is checked besides, where it has one. The proof is what keeps callbacks of the others from being made up.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from vox.security.digests import hmac_digest, is_equal

_PROOF_LENGTH: Final = 32


class CallbackAddresses:
    """Makes and checks them.

    Args:
        secret: gives the bridge's own, which is known once its database is open.
    """

    def __init__(self, secret: Callable[[], str]) -> None:
        self._secret = secret

    def status_url(self, base: str, carrier: str, tag: str) -> str:
        """Where the carrier tells what becomes of the attempt."""
        return f"{base}/carriers/{carrier}/status?{self._query(tag)}"

    def answer_url(self, base: str, carrier: str, tag: str) -> str:
        """Where the carrier asks what to do with the answered call."""
        return f"{base}/carriers/{carrier}/answer?{self._query(tag)}"

    def resume_url(self, base: str, carrier: str, tag: str) -> str:
        """Where the carrier asks what to do with a call whose stream is over."""
        return f"{base}/carriers/{carrier}/resume?{self._query(tag)}"

    def is_ours(self, tag: str, proof: str) -> bool:
        """Whether the proof belongs to the tag."""
        return bool(tag) and is_equal(self._proof(tag), proof)

    def _query(self, tag: str) -> str:
        return urlencode({"tag": tag, "proof": self._proof(tag)})

    def _proof(self, tag: str) -> str:
        return hmac_digest(self._secret(), f"vox-callback:{tag}", "sha256").hex()[:_PROOF_LENGTH]
