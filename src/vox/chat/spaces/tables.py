"""The route tables of this folder, in the order in which the documentation shows them."""

from vox.chat.spaces import (
    categories,
    dm_messages,
    dms,
    feeds,
    layout,
    messages,
    pins,
    reactions,
    read_state,
    rooms,
    search,
    sync,
    threads,
)

TABLES = (
    layout.routes,
    categories.routes,
    feeds.routes,
    rooms.routes,
    threads.routes,
    messages.routes,
    search.routes,
    reactions.routes,
    pins.routes,
    dms.routes,
    dm_messages.routes,
    read_state.routes,
    sync.routes,
)
