from vox.chat.api.rate_categories import CATEGORIES, HISTORY, MEDIA, category_of, opted_in
from vox.chat.features.routes import all_routes


def test_every_route_of_the_server_has_a_category_with_numbers():
    paths = {route.template for table in all_routes() for route in table}
    assert {category_of(path).name for path in paths} <= CATEGORIES.keys()
    assert category_of("/api/v1/webhooks/1/token/execute") is CATEGORIES["messages"]


def test_only_what_asks_for_more_has_buckets_of_its_own():
    messages, files = CATEGORIES["messages"], CATEGORIES["files"]
    assert opted_in(messages, b"limit=50&include=authors") is HISTORY
    assert opted_in(messages, b"limit=50") is messages
    assert opted_in(files, b"expires=1&user=2&signature=x") is MEDIA
    assert opted_in(files, b"") is files
    assert opted_in(CATEGORIES["server"], b"include=a&signature=b") is CATEGORIES["server"]
