"""Categories over REST: headings without permissions of their own. Deleting one keeps what stood under it."""

from functools import partial

from sqlalchemy import Connection, delete, insert, select, update

from vox.chat.api.access import USER, requires
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_length
from vox.chat.database import quotas
from vox.chat.database.quotas import check_quota
from vox.chat.database.schema import categories, feeds, rooms
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import category_create, category_delete, category_update
from vox.chat.events.permissions import P
from vox.chat.features.spaces.layout import categories_in_order, category_info
from vox.chat.features.spaces.positions import moved
from vox.chat.features.spaces.schemas import CategoryInfo, CategoryList, CreateCategory, UpdateCategory

routes = RouteTable()


@routes.get("/categories", access=USER, returns=CategoryList)
async def list_categories(call: Call) -> CategoryList:
    """All categories by position."""
    return CategoryList(categories_in_order(call.chat.community))


@routes.get("/categories/{category_id}", access=USER, returns=CategoryInfo)
async def get_category(call: Call) -> CategoryInfo:
    """One category."""
    return category_info(call.chat.community, call.id("category_id"))


@routes.post("/categories", access=requires(P.MANAGE_SPACES), body=CreateCategory, status=201, returns=CategoryInfo)
async def create_category(call: Call[CreateCategory]) -> CategoryInfo:
    """A new category at a position of one's choice."""
    chat, body = call.chat, call.body
    validate_length(chat.config.limit, "name", body.name, "channel_name_max", "channel_name_min")
    category_id = await chat.change(partial(_create, actor_id=call.user_id, body=body))
    return category_info(chat.community, category_id)


@routes.patch("/categories/{category_id}", access=requires(P.MANAGE_SPACES), body=UpdateCategory, returns=CategoryInfo)
async def update_category(call: Call[UpdateCategory]) -> CategoryInfo:
    """Another name or position; a position re-numbers all categories from 0."""
    chat, body, category_id = call.chat, call.body, call.id("category_id")
    validate_length(chat.config.limit, "name", body.name, "channel_name_max", "channel_name_min")
    await chat.change(partial(_update, actor_id=call.user_id, category_id=category_id, body=body))
    return category_info(chat.community, category_id)


@routes.delete("/categories/{category_id}", access=requires(P.MANAGE_SPACES))
async def delete_category(call: Call) -> None:
    """Deletes a category; its feeds and rooms have none then."""
    await call.chat.change(partial(_delete, actor_id=call.user_id, category_id=call.id("category_id")))


def _create(connection: Connection, *, actor_id: int, body: CreateCategory) -> Change[int]:
    lock_event_order(connection)
    check_quota(connection, categories, quotas.MAX_SPACES, "categories")
    values = {"name": body.name, "position": body.position}
    category_id: int = connection.execute(insert(categories).values(values).returning(categories.c.id)).scalar_one()
    event = category_create(category_id=category_id, name=body.name, position=body.position)
    audit = AuditEntry("category.create", actor_id, category_id, {"name": body.name})
    return Change(category_id, (event,), (audit,))


def _update(connection: Connection, *, actor_id: int, category_id: int, body: UpdateCategory) -> Change[None]:
    lock_event_order(connection)
    rows = connection.execute(
        select(categories.c.id, categories.c.position).order_by(categories.c.id).with_for_update()
    )
    positions: dict[int, int] = {row[0]: row[1] for row in rows}
    if category_id not in positions:
        raise refuse("SPACE_NOT_FOUND", f"There is no category {category_id}.")
    changed: dict[str, object] = {}
    if body.name is not None:
        connection.execute(update(categories).where(categories.c.id == category_id).values(name=body.name))
        changed["name"] = body.name
    moves: dict[int, int] = {}
    if body.position is not None:
        order = sorted(positions, key=lambda id_: (positions[id_], id_))
        for position, id_ in enumerate(moved(order, category_id, body.position)):
            moves[id_] = position
            if positions[id_] != position:
                connection.execute(update(categories).where(categories.c.id == id_).values(position=position))
        changed["position"] = body.position
    if not changed:
        return Change(None)
    event = category_update(category_id=category_id, changed=changed, positions=moves)
    audit = AuditEntry("category.update", actor_id, category_id, {"changed": changed})
    return Change(None, (event,), (audit,))


def _delete(connection: Connection, *, actor_id: int, category_id: int) -> Change[None]:
    lock_event_order(connection)
    query = select(categories.c.name).where(categories.c.id == category_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no category {category_id}.")
    for table in (feeds, rooms):
        connection.execute(update(table).where(table.c.category_id == category_id).values(category_id=None))
    connection.execute(delete(categories).where(categories.c.id == category_id))
    audit = AuditEntry("category.delete", actor_id, category_id, {"name": row[0]})
    return Change(None, (category_delete(category_id=category_id),), (audit,))
