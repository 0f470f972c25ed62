"""Who can reach an agent, and which doors stand open: the key of `/ws`, and the secrets that carriers sign with.

A check that is absent must not mean yes. A carrier's calls are verified with its secret; without one they need the
server's key; a server that others can reach and that has neither does not start, unless it is told so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vox.errors import UsageError

LOOPBACK_ADDRESS: Final = "127.0.0.1"
_LOOPBACK: Final = frozenset({"localhost", LOOPBACK_ADDRESS, "::1"})
PHONE_RUNNERS: Final = frozenset({"twilio", "telnyx", "plivo", "exotel", "vonage", "genesys"})
CARRIER_SECRETS: Final[Mapping[str, tuple[str, str]]] = {
    "twilio": ("twilio_auth_token", "TWILIO_AUTH_TOKEN"),
    "telnyx": ("telnyx_public_key", "TELNYX_PUBLIC_KEY"),
    "plivo": ("plivo_auth_token", "PLIVO_AUTH_TOKEN"),
    "exotel": ("exotel_token", "EXOTEL_TOKEN"),
    "vonage": ("vonage_signature_secret", "VONAGE_SIGNATURE_SECRET"),
    "genesys": ("genesys_api_key", "GENESYS_API_KEY"),
}
"""What a carrier's requests are verified with: the key in `api_keys`, and the environment variable."""
STREAM_TOKEN_KEYS: Final[Mapping[str, tuple[str, str]]] = {"telnyx": ("telnyx_api_key", "TELNYX_API_KEY")}
"""What streams are announced with where the above is a public key, which others may know."""


def bind_host(host: str, *, has_key: bool) -> str:
    """The address to listen on: as said, else loopback without a key and all interfaces with one."""
    return host if host or has_key else LOOPBACK_ADDRESS


@dataclass(frozen=True, slots=True)
class Doors:
    """What decides who may come in.

    Args:
        host: the bind address as configured; empty where nothing is said.
        proxy_host: the public name, where a proxy leads here.
        has_key: whether `server_api_key` is set.
        runner: the carrier whose calls are taken; empty for none.
        verifies_signatures: the setting `verify_signatures`.
        api_keys: secrets of the configuration.
        environment: secrets of the environment.
    """

    host: str
    proxy_host: str
    has_key: bool
    runner: str
    verifies_signatures: bool
    api_keys: Mapping[str, str]
    environment: Mapping[str, str]

    @property
    def is_public(self) -> bool:
        """Whether others than this machine can reach the server."""
        address = bind_host(self.host, has_key=self.has_key)
        return bool(self.proxy_host) or not (address in _LOOPBACK or address.startswith("127."))

    def check(self) -> None:
        """Lets a configuration pass whose phone is locked, on loopback, or open on purpose.

        Raises:
            UsageError: anyone could open a phone stream.
        """
        if self._is_phone_unlocked() and self.verifies_signatures and not self.has_key and self.is_public:
            key, variable = CARRIER_SECRETS[self.runner]
            raise UsageError(
                f"runner_transport {self.runner} has no secret to verify calls with, so anyone could open a phone stream",
                code="invalid_setting",
                hint=f"set api_keys.{key} or {variable}, or server_api_key; verify_signatures: false leaves it open",
            )

    def warnings(self) -> list[str]:
        """Each door without a lock, and how to lock it."""
        found: list[str] = []
        if not self.has_key and not self.host:
            found.append(
                f"server_api_key and host are not set: the agent listens on {LOOPBACK_ADDRESS} only; set server_api_key"
                " to open it to other machines"
            )
        elif not self.has_key and self.is_public:
            found.append(
                "server_api_key is not set: anyone who can reach this server may talk to its agents over /ws; set it, or"
                " bind to 127.0.0.1"
            )
        if self.runner in PHONE_RUNNERS:
            found += self._of_the_phone()
        return found

    def _of_the_phone(self) -> list[str]:
        key, variable = CARRIER_SECRETS[self.runner]
        found: list[str] = []
        if not self.verifies_signatures:
            found.append(
                f"verify_signatures is false: anyone who can reach this server may open a phone stream; set it to true,"
                f" with api_keys.{key} or {variable}"
            )
        elif self._is_phone_unlocked() and self.has_key:
            found.append(
                f"{variable} is not set: {self.runner} must bring server_api_key; give it the webhook's address with"
                " ?api_key=KEY"
            )
        elif self._is_phone_unlocked():
            found.append(f"{variable} is not set: anyone on this machine may open a phone stream")
        if self.runner in STREAM_TOKEN_KEYS and self._is_phone_unlocked():
            control, control_variable = STREAM_TOKEN_KEYS[self.runner]
            if self.api_keys.get(control) or self.environment.get(control_variable):
                found.append(
                    f"{control} is set without {key}: streams are not verified, yet the end of one hangs up the call"
                    f" that it names; set api_keys.{key} or {variable}"
                )
        return found

    def _is_phone_unlocked(self) -> bool:
        if self.runner not in PHONE_RUNNERS:
            return False
        key, variable = CARRIER_SECRETS[self.runner]
        return not (self.api_keys.get(key) or self.environment.get(variable))
