from vox.protocols.chat_rate_categories import category_name


def test_paths_are_classified_in_the_order_of_the_original():
    expected = {
        "/api/v1/feeds/1/messages": "messages",
        "/api/v1/messages/search": "messages",
        "/api/v1/webhooks/1/token/execute": "messages",
        "/api/v1/webhooks/1/token": "webhooks",
        "/api/v1/outgoing-webhooks": "webhooks",
        "/api/v1/interactions/1/callback": "interactions",
        "/api/v1/files/1": "files",
        "/api/v1/federation/event": "federation",
        "/api/v1/gifs/search": "search",
        "/api/v1/auth/login": "auth",
        "/api/v1/feeds/1": "channels",
        "/api/v1/rooms/1/voice/join": "channels",
        "/api/v1/threads/1": "channels",
        "/api/v1/stickers": "emoji",
        "/api/v1/keys/prekeys/1": "e2ee",
        "/api/v1/dms": "messages",
        "/api/v1/reports": "moderation",
        "/api/v1/users/1": "members",
        "/api/v1/bans": "server",
        "/api/v1/sync": "server",
        "/health": "server",
    }
    assert {path: category_name(path) for path in expected} == expected
