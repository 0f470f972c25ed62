"""Many members at once: compact pages, by their ids, and by the beginning of a name. Answered from memory."""

from itertools import islice
from typing import Annotated, Final

from msgspec import Meta, Struct

from vox.chat.api.access import USER
from vox.chat.api.fields import Id, Limit
from vox.chat.api.rate_categories import LOOKUP
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_text
from vox.chat.community.state import Person
from vox.chat.events.ids import UserId

MAX_LOOKUP: Final = 500
MAX_FOUND: Final = 50

routes = RouteTable()


class CompactMember(Struct, omit_defaults=True):
    """A member without what is empty; `display_name` is left out where it is the username, `left` is true for who is no member any more."""

    user_id: int
    username: str
    display_name: str | None = None
    nickname: str | None = None
    avatar: str | None = None
    role_ids: list[int] | None = None
    left: bool = False


class CompactPage(Struct):
    """A page of members by id; `cursor` is null on the last one."""

    items: list[CompactMember]
    cursor: str | None
    total: int


class CompactQuery(Struct):
    """Which page; up to 1000 members."""

    limit: Limit = 1000
    after: Id = 0


class Lookup(Struct):
    """The users to look up."""

    user_ids: Annotated[list[Id], Meta(max_length=MAX_LOOKUP)]


class FoundMembers(Struct):
    """Members, or users who were."""

    members: list[CompactMember]


class FindQuery(Struct):
    """The beginning of a name, or of a word of it; at most 50 members are found."""

    query: Annotated[str, Meta(min_length=1, max_length=64)]
    limit: Limit = 10


@routes.get("/members/compact", access=USER, query=CompactQuery, returns=CompactPage, category=LOOKUP)
async def list_compact_members(call: Call[None, CompactQuery]) -> CompactPage:
    """All active members in large pages, by id."""
    members, query = call.chat.members, call.query
    found = list(islice(members.after(query.after), query.limit + 1))
    page = found[: query.limit]
    cursor = str(page[-1].id) if len(found) > query.limit else None
    return CompactPage([compact(person) for person in page], cursor, len(members.ids()))


@routes.post("/members/lookup", access=USER, body=Lookup, returns=FoundMembers, category=LOOKUP)
async def look_up_members(call: Call[Lookup]) -> FoundMembers:
    """The users with these ids, also those who have left; unknown ids are left out."""
    users = call.chat.community.users
    ids = dict.fromkeys(UserId(user_id) for user_id in call.body.user_ids)
    return FoundMembers([compact(users[user_id]) for user_id in ids if user_id in users])


@routes.get("/members/find", access=USER, query=FindQuery, returns=FoundMembers, category=LOOKUP)
async def find_members(call: Call[None, FindQuery]) -> FoundMembers:
    """Active members whose name begins so, whatever the case and the accents; for completing mentions."""
    typed, limit = call.query.query, min(call.query.limit, MAX_FOUND)
    validate_text("query", typed)
    return FoundMembers([compact(person) for person in call.chat.names.find(typed, limit)])


def compact(person: Person) -> CompactMember:
    """A person without what is empty."""
    return CompactMember(
        person.id,
        person.username,
        None if person.display_name == person.username else person.display_name or None,
        person.nickname or None,
        person.avatar or None,
        sorted(person.role_ids) or None,
        not person.is_active,
    )
