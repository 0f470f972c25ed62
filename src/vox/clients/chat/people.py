"""Users, members, roles, bans and invites, and the groups of calls `client.people`, `client.roles` and `client.invites`."""

from collections.abc import AsyncGenerator

import msgspec

from vox.clients.chat.bound import Bound, bind
from vox.clients.chat.pages import listed
from vox.clients.chat.permissions import Permissions, combined
from vox.clients.chat.rest import Rest, segment
from vox.clients.chat.spaces import Conversation, Conversations


class User(Bound, kw_only=True):
    """An account, as every member sees it."""

    user_id: int
    username: str = ""
    display_name: str = ""
    avatar: str | None = None
    bio: str = ""
    roles: list[int] = msgspec.field(default_factory=list[int])
    created_at: int | None = None
    federated: bool = False
    home_domain: str | None = None

    @property
    def mention(self) -> str:
        """How a text names this person; their id must be in `mentions`, too, to notify them."""
        return f"<@{self.user_id}>"

    async def conversation(self) -> Conversation:
        """The conversation with this person."""
        return await Conversations(self.rest).open(self.user_id)


class Member(Bound, kw_only=True):
    """A person in this community."""

    user_id: int
    username: str = ""
    display_name: str = ""
    avatar: str | None = None
    nickname: str = ""
    role_ids: list[int] = msgspec.field(default_factory=list[int])

    @property
    def shown_name(self) -> str:
        """The name that others see."""
        return self.nickname or self.display_name or self.username

    @property
    def mention(self) -> str:
        """How a text names this person; their id must be in `mentions`, too, to notify them."""
        return f"<@{self.user_id}>"

    async def conversation(self) -> Conversation:
        """The conversation with this person."""
        return await Conversations(self.rest).open(self.user_id)

    async def rename(self, nickname: str) -> "Member":
        """Sets the nickname; empty takes it away."""
        return bind(await self.rest.patch(f"/members/{self.user_id}", Member, {"nickname": nickname}), self.rest)

    async def add_role(self, role_id: int) -> None:
        """Gives a role."""
        await self.rest.put(f"/members/{self.user_id}/roles/{role_id}")

    async def remove_role(self, role_id: int) -> None:
        """Takes a role away."""
        await self.rest.delete(f"/members/{self.user_id}/roles/{role_id}")

    async def kick(self, reason: str | None = None) -> None:
        """Removes this person; an invite lets them come back."""
        await self.rest.delete(f"/members/{self.user_id}", {"reason": reason})

    async def ban(self, reason: str | None = None, *, delete_msg_days: int | None = None) -> None:
        """Bans this person, and deletes what they wrote in the last days."""
        await self.rest.put(f"/bans/{self.user_id}", {"reason": reason, "delete_msg_days": delete_msg_days})


class Role(Bound, kw_only=True):
    """A role; a lower position is a higher rank, and position 0 of the name @everyone is the role of all."""

    role_id: int
    name: str = ""
    color: int | None = None
    permissions: int = 0
    position: int = 0

    async def change(
        self,
        *,
        name: str | None = None,
        color: int | None = None,
        permissions: int | None = None,
        position: int | None = None,
    ) -> "Role":
        """Changes what is given."""
        body = {"name": name, "color": color, "permissions": permissions, "position": position}
        return bind(await self.rest.patch(f"/roles/{self.role_id}", Role, body), self.rest)

    async def delete(self) -> None:
        """Deletes it."""
        await self.rest.delete(f"/roles/{self.role_id}")

    async def members(self) -> AsyncGenerator[Member]:
        """The people who have it."""
        async for member in listed(self.rest, f"/roles/{self.role_id}/members", Member):
            yield member


class Ban(Bound, kw_only=True):
    """A ban."""

    user_id: int
    display_name: str = ""
    reason: str = ""
    created_at: int = 0

    async def lift(self) -> None:
        """Ends it."""
        await self.rest.delete(f"/bans/{self.user_id}")


class Invite(Bound, kw_only=True):
    """An invite."""

    code: str
    creator_id: int | None = None
    feed_id: int | None = None
    max_uses: int | None = None
    uses: int = 0
    expires_at: int | None = None
    created_at: int | None = None

    async def delete(self) -> None:
        """Ends it."""
        await self.rest.delete(f"/invites/{segment(self.code)}")


class People:
    """Users and members."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def user(self, user_id: int) -> User:
        """One account."""
        return bind(await self._rest.get(f"/users/{user_id}", User), self._rest)

    async def me(self) -> User:
        """The own account."""
        return bind(await self._rest.get("/users/@me", User), self._rest)

    async def change_me(
        self, *, display_name: str | None = None, avatar: str | None = None, bio: str | None = None
    ) -> User:
        """Changes the own account."""
        body = {"display_name": display_name, "avatar": avatar, "bio": bio}
        return bind(await self._rest.patch("/users/@me", User, body), self._rest)

    async def member(self, user_id: int) -> Member:
        """One member."""
        return bind(await self._rest.get(f"/members/{user_id}", Member), self._rest)

    async def members(self) -> AsyncGenerator[Member]:
        """Everyone in the community."""
        async for member in listed(self._rest, "/members", Member):
            yield member

    async def bans(self) -> AsyncGenerator[Ban]:
        """Every ban."""
        async for ban in listed(self._rest, "/bans", Ban):
            yield ban

    async def permissions(self, user_id: int) -> Permissions:
        """What a member may do in the community as a whole; overrides of a space are not part of it."""
        role_ids = set((await self.member(user_id)).role_ids)
        roles = [role async for role in Roles(self._rest).all()]
        return combined(role.permissions for role in roles if role.role_id in role_ids or role.position == 0)

    async def join(self, invite_code: str) -> None:
        """Joins again by an invite, after having left or been kicked."""
        await self._rest.post("/members/join", object, {"invite_code": invite_code})


class Roles:
    """Roles."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def all(self) -> AsyncGenerator[Role]:
        """Every role."""
        async for role in listed(self._rest, "/roles", Role):
            yield role

    async def create(self, name: str, *, permissions: int = 0, position: int = 2, color: int | None = None) -> Role:
        """Makes a role."""
        body = {"name": name, "permissions": int(permissions), "position": position, "color": color}
        return bind(await self._rest.post("/roles", Role, body), self._rest)


class Invites:
    """Invites."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def create(
        self, *, feed_id: int | None = None, max_uses: int | None = None, max_age_s: int | None = None
    ) -> Invite:
        """Makes an invite."""
        body = {"feed_id": feed_id, "max_uses": max_uses, "max_age": max_age_s}
        return bind(await self._rest.post("/invites", Invite, body), self._rest)

    async def all(self) -> AsyncGenerator[Invite]:
        """The invites that the account may see."""
        async for invite in listed(self._rest, "/invites", Invite):
            yield invite
