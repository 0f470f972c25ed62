from vox.chat.api.rate_categories import CATEGORIES, HISTORY, MEDIA, category_of, opted_in


def test_paths_are_classified_in_the_order_of_the_original():
    expected = {
        "/api/v1/feeds/1/messages": "messages",
        "/api/v1/messages/search": "messages",
        "/api/v1/webhooks/1/token/execute": "messages",
        "/api/v1/webhooks/1/token": "webhooks",
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
    assert {path: category_of(path).name for path in expected} == expected


def test_only_what_asks_for_more_has_buckets_of_its_own():
    messages, files = CATEGORIES["messages"], CATEGORIES["files"]
    assert opted_in(messages, b"limit=50&include=authors") is HISTORY
    assert opted_in(messages, b"limit=50") is messages
    assert opted_in(files, b"expires=1&user=2&signature=x") is MEDIA
    assert opted_in(files, b"") is files
    assert opted_in(CATEGORIES["server"], b"include=a&signature=b") is CATEGORIES["server"]
