"""The media servers of this community's rooms: how they are reached, which has a room, and the tokens for them."""

from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from typing import Final

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events.ids import RoomId, UserId
from vox.chat.features.voice import placement_queries as queries
from vox.chat.features.voice.grants import MICROPHONE, STAGE, USER, Standing, claims_of, permission_of
from vox.chat.features.voice.placement import Place, Placement, RelayFinder, Wish
from vox.clients.rooms.contract import Permission
from vox.clients.rooms.room_service import RoomService
from vox.security.outbound import OutboundGuard
from vox.security.room_tokens import RoomKey, sign_room_token
from vox.stores.sql import Connection

ANY_NETWORK: Final = (ip_network("0.0.0.0/0"), ip_network("::/0"))

CHECK_TOKEN_S: Final = 60
"""For how long a token for trying the connection lets its holder in."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token, and until when it is valid (Unix seconds)."""

    text: str
    until_s: int


class Media:
    """What the settings say of media servers.

    Args:
        chat: the server.
    """

    def __init__(self, chat: ChatContext) -> None:
        settings = chat.settings
        self._chat = chat
        self._prefix = settings.media_prefix
        self.key = RoomKey(settings.media_key, settings.media_secret.get_secret_value())
        self.keys = {self.key.key: self.key.secret} if self.is_configured else {}
        """What tokens of media servers and agents are checked with."""
        directory = settings.media_directory_url
        self.finder = RelayFinder(directory, chat.clock) if directory else None
        self.own_guard = OutboundGuard(allowed_private=ANY_NETWORK, allowed_ports=None)
        """For addresses that the operator has set."""
        networks = [ip_network(one) for one in settings.media_networks]
        self._relay_guard = OutboundGuard(allowed_private=networks, allowed_ports=None)

    @property
    def is_configured(self) -> bool:
        """Whether there is a media server at all."""
        return bool(self.key.key)

    @property
    def worker_place(self) -> Place | None:
        """Where the agent's server is, if that is known."""
        settings = self._chat.settings
        if settings.media_agent_latitude is None or settings.media_agent_longitude is None:
            return None
        return Place(settings.media_agent_latitude, settings.media_agent_longitude)

    def assert_configured(self) -> None:
        """Raises VOICE_NOT_CONFIGURED where there is no media server."""
        if not self.is_configured:
            raise refuse("VOICE_NOT_CONFIGURED", "This server has no voice: its operator has set no media server.")

    def room_name(self, room_id: RoomId) -> str:
        """A room's name at its media server."""
        return f"{self._prefix}-{room_id}"

    def room_of(self, name: str) -> RoomId | None:
        """The inverse of `room_name`; None for rooms of others."""
        number = name.removeprefix(f"{self._prefix}-")
        is_ours = number != name and number.isascii() and number.isdigit() and len(number) < 19  # noqa: PLR2004  64 bits
        return RoomId(int(number)) if is_ours else None

    def service(self, place: Placement) -> RoomService:
        """The API of the server that has a room."""
        if place.relay_id:
            return RoomService(self._relay_guard.fetch, place.media_url, self.key, self._chat.clock.unix)
        address = self._chat.settings.media_api_url or place.media_url
        return RoomService(self.own_guard.fetch, address, self.key, self._chat.clock.unix)

    async def place(self, room_id: RoomId, wish: Wish, *, with_agent: bool = False) -> Placement:
        """Where a room's media is; an empty room is put near those who come first.

        Args:
            room_id: which.
            wish: of who joins.
            with_agent: whether an agent is in the room or comes.
        """
        chat = self._chat
        found = await chat.read(partial(queries.placement_of, room_id=room_id))
        if found is not None:
            return found.placement
        chosen = await self._choose(room_id, wish, with_agent=with_agent)
        return await chat.change(partial(_insert, room_id=room_id, place=chosen, now_s=chat.clock.unix_s()))

    async def replacement(self, room_id: RoomId, old: Placement, *, with_agent: bool) -> Placement | None:
        """Where a room may go whose server is gone; None where there is no other."""
        if self.finder is None:
            return None
        worker = self.worker_place if with_agent else None
        return await self.finder.find(Wish(), worker=worker, without=old.relay_id, key=self.room_name(room_id))

    def standing(
        self, user_id: UserId, room_id: RoomId, *, is_speaker: bool, server_mute: bool, server_deaf: bool
    ) -> Standing:
        """What counts of a member by the community's memory and the state of the room."""
        community = self._chat.community
        room = community.rooms.get(room_id)
        return Standing(
            community.permissions_in(user_id, "room", room_id),
            is_stage=room is not None and room.type == STAGE,
            is_speaker=is_speaker,
            server_mute=server_mute,
            server_deaf=server_deaf,
        )

    def user_token(self, user_id: UserId, room_id: RoomId, standing: Standing) -> SignedToken:
        """A member's token."""
        person = self._chat.community.users.get(user_id)
        name = "" if person is None else person.nickname or person.display_name or person.username
        attributes = {"vox.user_id": str(user_id)}
        return self.token(room_id, f"{USER}{user_id}", permission_of(standing), name=name, attributes=attributes)

    async def check(self, user_id: UserId, wish: Wish) -> tuple[Placement, SignedToken]:
        """Where a user's client may try its connection, and the token for a room that is theirs alone; no community room is touched."""
        place = await self._choose(RoomId(0), wish, with_agent=False)
        permission = Permission(can_subscribe=False, can_publish_data=False, sources=frozenset({MICROPHONE}))
        claims = claims_of(f"{self._prefix}-check-{user_id}", f"{USER}{user_id}", permission)
        now = self._chat.clock.unix()
        return place, SignedToken(
            sign_room_token(self.key, claims, now=now, lifetime_s=CHECK_TOKEN_S), int(now + CHECK_TOKEN_S)
        )

    def token(
        self,
        room_id: RoomId,
        identity: str,
        permission: Permission,
        *,
        name: str = "",
        kind: str = "",
        attributes: dict[str, str] | None = None,
    ) -> SignedToken:
        """A participant's token."""
        now, lifetime_s = self._chat.clock.unix(), self._chat.settings.media_token_s
        claims = claims_of(self.room_name(room_id), identity, permission, name=name, kind=kind, attributes=attributes)
        return SignedToken(sign_room_token(self.key, claims, now=now, lifetime_s=lifetime_s), int(now + lifetime_s))

    async def _choose(self, room_id: RoomId, wish: Wish, *, with_agent: bool) -> Placement:
        if self.finder is not None:
            worker = self.worker_place if with_agent else None
            found = await self.finder.find(wish, worker=worker, key=self.room_name(room_id))
            if found is not None:
                return found
        return Placement("", self._chat.config.get("media_url"))


def _insert(connection: Connection, *, room_id: RoomId, place: Placement, now_s: int) -> Change[Placement]:
    return Change(queries.insert_placement(connection, room_id, place, now_s))
