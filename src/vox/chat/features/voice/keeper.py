"""Keeps rooms and their media in agreement: after every change, after every webhook, and every few seconds.

The one thing to know before changing it: the media server's participants are read first and the community's members after them. A
member exists before its token, so a participant who is no member has left or been removed, and is disconnected.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change
from vox.chat.events import CHANGES_ACCESS, Event, media_token_refresh
from vox.chat.events.ids import RoomId
from vox.chat.features.voice import agents, placement_queries, queries, service
from vox.chat.features.voice.grants import may_stay, permission_of
from vox.chat.features.voice.media import Media
from vox.chat.features.voice.placement import Placement
from vox.chat.features.voice.placement_queries import PlacementRow
from vox.chat.features.voice.queries import MemberRow
from vox.chat.features.voice.reconciliation import Expected, ExpectedGuest, Plan, plan
from vox.chat.features.voice.service import RoomState
from vox.clients.rooms.contract import Participant
from vox.errors import VoxError
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection

EVERY_S: Final = 5.0
SETTLE_S: Final = 3.0
"""How long a request waits for the media server to follow."""
GONE_AFTER_S: Final = 10
"""A relay that has not answered for so long has lost its rooms."""
REFRESH_SHARE: Final = 0.2
"""A token is renewed when so much of its life is left."""

_log = get_logger(__name__)


class Keeper:
    """Looks after all rooms of this server.

    Args:
        chat: the server.
        media: its media servers.
    """

    def __init__(self, chat: ChatContext, media: Media) -> None:
        self._chat = chat
        self.media = media
        self._asked: set[RoomId] = set()
        self._running: set[RoomId] = set()
        self._places: dict[RoomId, Placement] = {}
        self._closing: set[RoomId] = set()
        self._all_asked = False
        self._all_running = False

    def offer(self, events: Sequence[Event]) -> None:
        """Takes what was changed in this process: those who may no longer be in a room, or speak there, are seen to at once."""
        kinds = {event.type for event in events}
        if not kinds & CHANGES_ACCESS or not self.media.is_configured:
            return
        for event in events:
            if event.type == "room_delete":
                self.request(RoomId(event.payload["room_id"]))
        if any(kind.startswith(_AFFECTING) for kind in kinds):
            self._all_asked = True
            if not self._all_running:
                self._chat.background.start(self._check_all, "voice rooms after a change")

    def request(self, room_id: RoomId) -> None:
        """Has a room looked at soon; asking again while that is under way has it looked at once more, however often."""
        self._asked.add(room_id)
        if room_id not in self._running:
            self._chat.background.start(partial(self._run, room_id), "voice room")

    async def settle(self, room_id: RoomId) -> None:
        """Has a room looked at now; where the media server is slow or away, the next round does it."""
        if not self.media.is_configured:
            return
        try:
            async with asyncio.timeout(SETTLE_S):
                await self.check(room_id)
        except (TimeoutError, VoxError) as error:
            _log.warning("the media server does not follow yet", room_id=room_id, error=str(error) or "timeout")
            self.request(room_id)

    async def remove_now(self, room_id: RoomId, identity: str) -> None:
        """Disconnects a participant at once, then looks at the room."""
        row = await self._chat.read(partial(placement_queries.placement_of, room_id=room_id))
        if row is not None and self.media.is_configured:
            try:
                async with asyncio.timeout(SETTLE_S):
                    media = self.media.service(row.placement)
                    await media.remove_participant(self.media.room_name(room_id), identity)
            except (TimeoutError, VoxError) as error:
                _log.warning("a participant is not removed yet", room_id=room_id, error=str(error) or "timeout")
        self.request(room_id)

    async def sweep(self) -> None:
        """One round over all rooms; of several processes each room is one's.

        Raises:
            DependencyError: the database failed.
        """
        chat, media = self._chat, self.media
        if not media.is_configured:
            return
        placed = await chat.read(placement_queries.placed_rooms)
        self._places |= dict(placed)
        for room_id in tuple(self._closing):
            await self.settle(room_id)
        leaving: dict[str, bool] = {}
        for room_id, place in placed:
            now_ms = chat.clock.unix_ms()
            if not await chat.change(partial(_take_turn, room_id=room_id, now_ms=now_ms)):
                continue
            if place.relay_id and media.finder is not None:
                if place.relay_id not in leaving:
                    leaving[place.relay_id] = await media.finder.is_leaving(place.relay_id) is True
                if leaving[place.relay_id]:
                    await self._put_elsewhere(room_id, place)
                    continue
            await self.settle(room_id)

    async def check(self, room_id: RoomId) -> None:
        """Compares a room with its media, and makes both agree.

        Raises:
            VoxError: the media server or the database failed.
        """
        chat = self._chat
        row = await chat.read(partial(placement_queries.placement_of, room_id=room_id))
        if row is not None:
            self._places[room_id] = row.placement
        there = [] if row is None else await self._there(room_id, row)
        state = await chat.read(partial(service.read_state, room_id=room_id))
        if state is None:
            await self._close(room_id)
            return
        state = await self._evict(room_id, state)
        if there is None:
            return
        now_s = chat.clock.unix_s()
        found = plan(
            [self._expected(one, room_id, state) for one in state.members],
            [
                ExpectedGuest(one.identity, one.id, one.created_at, one.joined_at, one.absent_since)
                for one in state.guests
            ],
            there,
            now_s=now_s,
            grace_s=chat.settings.media_grace_s,
        )
        if row is not None:
            await self._carry_out(room_id, row.placement, found)
        if found.changes_state:
            await chat.change(partial(service.learn, room_id=room_id, found=found, now_s=now_s))
        if row is not None:
            await self._renew_tokens(room_id, row.placement, state)
        if (not state.members and not state.guests) or found.gone or found.guests_gone:
            await chat.change(partial(_delete_empty, room_id=room_id))

    async def _run(self, room_id: RoomId) -> None:
        self._running.add(room_id)
        try:
            while room_id in self._asked:
                self._asked.discard(room_id)
                await self.check(room_id)
        finally:
            self._running.discard(room_id)

    async def _check_all(self) -> None:
        self._all_running = True
        try:
            while self._all_asked:
                self._all_asked = False
                for room_id in await self._chat.read(queries.occupied_rooms):
                    await self.settle(room_id)
        finally:
            self._all_running = False

    async def _there(self, room_id: RoomId, row: PlacementRow) -> list[Participant] | None:
        """The media server's participants; None where it does not answer."""
        chat, now_s = self._chat, self._chat.clock.unix_s()
        try:
            found = await self.media.service(row.placement).list_participants(self.media.room_name(room_id))
        except VoxError as error:
            if row.failing_since is None:
                _log.warning("a media server does not answer", room_id=room_id, code=error.code, error=str(error))
                await chat.change(partial(_set_failing, room_id=room_id, since_s=now_s))
            elif now_s - row.failing_since >= GONE_AFTER_S and row.relay_id:
                await self._put_elsewhere(room_id, row.placement)
            return None
        if row.failing_since is not None:
            await chat.change(partial(_set_failing, room_id=room_id, since_s=None))
        return found

    async def _evict(self, room_id: RoomId, state: RoomState) -> RoomState:
        """Takes out who may not be in the room any more."""
        community = self._chat.community
        out = [
            one.user_id for one in state.members if not may_stay(community.permissions_in(one.user_id, "room", room_id))
        ]
        if not out:
            return state
        await self._chat.change(partial(service.leave, room_id=room_id, user_ids=out))
        left = [one for one in state.members if one.user_id not in out]
        return RoomState(state.room, left, state.guests, state.speakers - set(out))

    def _expected(self, row: MemberRow, room_id: RoomId, state: RoomState) -> Expected:
        standing = self.media.standing(
            row.user_id,
            room_id,
            is_speaker=row.user_id in state.speakers,
            server_mute=row.server_mute,
            server_deaf=row.server_deaf,
        )
        return Expected(
            row.user_id,
            permission_of(standing),
            row.absent_since,
            bool(row.was_present),
            row.user_id in self._chat.presence.shown,
            row.self_mute,
            row.video,
            row.streaming,
            row.server_mute,
        )

    async def _carry_out(self, room_id: RoomId, place: Placement, found: Plan) -> None:
        media, name = self.media.service(place), self.media.room_name(room_id)
        for identity in found.remove:
            await media.remove_participant(name, identity)
        for identity, permission in found.permit.items():
            await media.update_permission(name, identity, permission)

    async def _renew_tokens(self, room_id: RoomId, place: Placement, state: RoomState) -> None:
        chat = self._chat
        renewed_s = chat.settings.media_token_s * REFRESH_SHARE
        now_s = chat.clock.unix_s()
        for row in state.members:
            if row.token_until and row.token_until - now_s < renewed_s and row.absent_since is None:
                await self.send_token(row, room_id, place, state, reason="expiring")

    async def send_token(
        self, row: MemberRow, room_id: RoomId, place: Placement, state: RoomState, *, reason: str
    ) -> None:
        """Sends a member a new token."""
        chat, media = self._chat, self.media
        standing = media.standing(
            row.user_id,
            room_id,
            is_speaker=row.user_id in state.speakers,
            server_mute=row.server_mute,
            server_deaf=row.server_deaf,
        )
        token = media.user_token(row.user_id, room_id, standing)
        await chat.change(partial(service.note_token, user_id=row.user_id, until_s=token.until_s))
        chat.tell(
            media_token_refresh(
                room_id=room_id,
                user_id=row.user_id,
                media_url=place.media_url,
                media_token=token.text,
                reason=reason,
            )
        )

    async def _put_elsewhere(self, room_id: RoomId, old: Placement) -> None:
        """The room's relay is gone or drains: it goes to another one, and its members get tokens for that."""
        chat = self._chat
        state = await chat.read(partial(service.read_state, room_id=room_id))
        if state is None:
            return
        if not state.members and not state.guests:
            await chat.change(partial(_delete_empty, room_id=room_id))
            return
        with_agent = any(one.kind == "agent" for one in state.guests)
        new = await self.media.replacement(room_id, old, with_agent=with_agent)
        if new is None:
            return
        now_s = chat.clock.unix_s()
        if not await chat.change(partial(_replace, room_id=room_id, old=old, new=new, now_s=now_s)):
            return
        _log.info("a room goes to another relay", room_id=room_id, relay=old.relay_id, to=new.relay_id)
        for row in state.members:
            await self.send_token(row, room_id, new, state, reason="relay")
        for guest in state.guests:
            if guest.kind == "agent":
                await agents.send_again(chat, self.media, guest, new)

    async def _close(self, room_id: RoomId) -> None:
        """The room is deleted: its media ends where it was last known to be, and is ended again where that failed."""
        self._closing.add(room_id)
        place = self._places.get(room_id) or Placement("", self._chat.config.get("media_url"))
        await self.media.service(place).delete_room(self.media.room_name(room_id))
        self._closing.discard(room_id)
        self._places.pop(room_id, None)


_AFFECTING: Final = ("member_", "role_", "permission_override_", "_login_revoked")


def _take_turn(connection: Connection, *, room_id: RoomId, now_ms: int) -> Change[bool]:
    every_ms = int(EVERY_S * 800)
    return Change(placement_queries.take_turn(connection, room_id, now_ms=now_ms, every_ms=every_ms))


def _set_failing(connection: Connection, *, room_id: RoomId, since_s: int | None) -> Change[None]:
    placement_queries.set_failing(connection, room_id, since_s)
    return Change(None)


def _delete_empty(connection: Connection, *, room_id: RoomId) -> Change[bool]:
    queries.lock_room(connection, room_id)
    return Change(placement_queries.delete_empty(connection, room_id))


def _replace(connection: Connection, *, room_id: RoomId, old: Placement, new: Placement, now_s: int) -> Change[bool]:
    return Change(placement_queries.replace_placement(connection, room_id, old, new, now_s))
