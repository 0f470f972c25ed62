"""What a client must know before anyone has logged in."""

from msgspec import Struct


class Push(Struct):
    """How to subscribe to pushes.

    Args:
        public_key: the server's VAPID key, for `applicationServerKey`.
    """

    public_key: str


class Features(Struct):
    """What this server has; a part that is off is false or null."""

    signed_media: bool
    gifs: bool
    metrics: bool
    push: Push | None


class ClientInfo(Struct):
    """The community as a visitor sees it.

    Args:
        name: of the community.
        icon: an address that needs no login; None where there is no icon.
        description: of the community.
        registration: open, invite or closed.
        needs_setup: whether there is no administrator yet.
        login_methods: how a user may log in.
        gateway_url: None for `/gateway` at the address that this was read from.
        agent_url: where agents are talked to; None where there are none.
        protocol_version: of the gateway.
        capabilities: what the gateway gives to who asks for it.
        features: what this server has.
        limits: those a form needs to know.
    """

    name: str
    icon: str | None
    description: str | None
    registration: str
    needs_setup: bool
    login_methods: list[str]
    gateway_url: str | None
    agent_url: str | None
    protocol_version: int
    capabilities: list[str]
    features: Features
    limits: dict[str, int]
