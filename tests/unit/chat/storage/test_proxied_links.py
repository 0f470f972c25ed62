"""Signed addresses of pictures from elsewhere."""

from urllib.parse import parse_qs, urlsplit

from vox.chat.events.ids import UserId
from vox.chat.storage.proxied_links import LONGEST_URL, is_signed, proxied

SECRET = b"s" * 32
SOURCE = "https://pictures.example/ä?a=1&b=2"


def test_a_picture_s_address_says_whose_until_when_and_where_from():
    (found,) = proxied(SECRET, UserId(5), 1000, [SOURCE])
    query = {name: values[0] for name, values in parse_qs(urlsplit(found.url).query).items()}
    assert query["source"] == found.source == SOURCE
    signature = query["signature"]
    assert is_signed(SECRET, UserId(5), 1000, SOURCE, signature)
    assert not is_signed(SECRET, UserId(6), 1000, SOURCE, signature)
    assert not is_signed(SECRET, UserId(5), 1001, SOURCE, signature)
    assert not is_signed(SECRET, UserId(5), 1000, SOURCE + "x", signature)
    assert not is_signed(b"t" * 32, UserId(5), 1000, SOURCE, signature)


def test_only_addresses_of_the_web_are_signed():
    sources = ["data:image/png,x", "javascript:1", "/api/v1/files/x", "ftp://x/y", "https://x/" + "y" * LONGEST_URL]
    assert proxied(SECRET, UserId(5), 1000, sources) == []
