"""Where a search may look: the feeds the caller may read, or one conversation."""

from vox.chat.community import Community
from vox.chat.errors import missing_permission, refuse
from vox.chat.events.ids import DmId, FeedId, UserId
from vox.chat.features.messages.schemas import SearchQuery
from vox.chat.features.messages.search_queries import Scope
from vox.chat.features.messages.send import READ


def scope_of(community: Community, user_id: UserId, query: SearchQuery) -> Scope:
    """The places that a search covers.

    Raises:
        Refusal: NOT_DM_PARTICIPANT, SPACE_NOT_FOUND, MISSING_PERMISSIONS.
    """
    if query.dm_id is not None:
        dm_id = DmId(query.dm_id)
        if not community.in_dm(user_id, dm_id):
            raise refuse("NOT_DM_PARTICIPANT", "You are not part of this conversation.")
        return Scope(dm_id=dm_id)
    if query.feed_id is not None:
        feed_id = FeedId(query.feed_id)
        if feed_id not in community.feeds and community.may(user_id, READ):
            raise refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")
        if not community.may_in(user_id, "feed", feed_id, READ):
            raise missing_permission(READ.name or "")
        return Scope([feed_id])
    return Scope(sorted(community.readable_feeds(user_id)))
