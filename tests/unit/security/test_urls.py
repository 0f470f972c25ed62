import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import UsageError
from vox.security.urls import DEFAULT_PORTS, join_url, normalized_url, parse_url, split_authority

WEB = frozenset({"http", "https"})
HOSTILE = [
    "",
    "relay.example",
    "//relay.example/",
    "http:relay.example",
    "http:/relay.example",
    "http:///relay.example",
    "http://",
    "http://:80/",
    "http://?x",
    "ftp://relay.example/",
    "file:///etc/passwd",
    "gopher://relay.example/",
    "dict://relay.example:11211/",
    "javascript://relay.example/",
    "data:text/plain,x",
    "unix:///run/docker.sock",
    "http+unix://relay.example/",
    "http\x00://relay.example/",
    " http://relay.example/",
    "http://relay.example/ ",
    "http://relay.example/\r\nHost: other",
    "http://relay.example/\tx",
    "http://rel\nay.example/",
    "http://rel\tay.example/",
    "http://relay.example\x00.other/",
    "http://relay.example\u3000/",
    "http://relay\u00ad.example/",
    "http://relay\u200b.example/",
    "http://\u202erelay.example/",
    "http://relay.example\\@other.example/",
    "http://relay.example\\.other.example/",
    "http:\\\\relay.example/",
    "http://user@relay.example/",
    "http://user:password@relay.example/",
    "http://relay.example@127.0.0.1/",
    "http://relay.example:80@127.0.0.1/",
    "http://@relay.example/",
    "http://relay.example%40127.0.0.1/",
    "http://relay%2eexample/",
    "http://%31%32%37.0.0.1/",
    "http://relay.example:0/",
    "http://relay.example:65536/",
    "http://relay.example:99999999999/",
    "http://relay.example:-80/",
    "http://relay.example:+80/",
    "http://relay.example:80:90/",
    "http://relay.example:http/",
    "http://relay.example:\uff18\uff10/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0X7F.0.0.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://0x/",
    "http://127.0.0.1.5/",
    "http://127.0.0.256/",
    "http://1.2.3.08/",
    "http://relay.example.1/",
    "http://relay.0x10/",
    "http://127.1./",
    "http://\uff11\uff12\uff17.\uff11/",
    "http://\u2460\u2461\u2466.1/",
    "http://[::1",
    "http://[::1]x/",
    "http://[::1]:x/",
    "http://[fe80::1%eth0]/",
    "http://[fe80::1%25eth0]/",
    "http://[::1%25]/",
    "http://[127.0.0.1]/",
    "http://[relay.example]/",
    "http://[v1.x]/",
    "http://[]/",
    "http://::1/",
    "http://relay..example/",
    "http://.relay.example/",
    "http://relay.example../",
    "http://./",
    "http://-relay.example/",
    "http://relay-.example/",
    "http://rel*ay.example/",
    "http://relay,example/",
    "http://relay.example;x/",
    "http://\u2100.example/",
    "http://fa\u00df.example/",
    "http://\u03c2.example/",
    "http://" + "a" * 64 + ".example/",
    "http://" + "a." * 127 + "example/",
    "http://relay.example/" + "a" * 2048,
    "http://\ud800.example/",
    "http://relay.example/\udfff",
]


def refused(text):
    with pytest.raises(UsageError) as caught:
        parse_url(text, allowed_schemes=WEB)
    return caught.value.code == "url_refused"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_urls_are_refused(text):
    assert refused(text)


@pytest.mark.parametrize("text", ["http://user@relay.example/", "http://relay.example:80@127.0.0.1/"])
def test_a_user_name_is_named_as_what_is_wrong(text):
    with pytest.raises(UsageError, match="user name"):
        parse_url(text, allowed_schemes=WEB)


@pytest.mark.parametrize(
    ("text", "host", "port", "path"),
    [
        ("https://relay.example", "relay.example", 443, "/"),
        ("HTTPS://Relay.EXAMPLE:443/A?b=C#d", "relay.example", 443, "/A?b=C"),
        ("http://relay.example?x=1", "relay.example", 80, "/?x=1"),
        ("http://relay.example#x", "relay.example", 80, "/"),
        ("http://relay.example.:8080/", "relay.example", 8080, "/"),
        ("http://relay.example:/", "relay.example", 80, "/"),
        ("http://relay_1/", "relay_1", 80, "/"),
        ("http://1relay.example/", "1relay.example", 80, "/"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example", 80, "/"),
        ("http://B\u00fccher.example/", "xn--bcher-kva.example", 80, "/"),
        ("http://relay\u3002example/", "relay.example", 80, "/"),
        ("http://\uff52\uff45\uff4c\uff41\uff59.example/", "relay.example", 80, "/"),
        ("http://relay.example/a/../%2e/\u00fc'\"", "relay.example", 80, "/a/../%2e/%C3%BC'%22"),
        ("http://relay.example/http://other@x", "relay.example", 80, "/http://other@x"),
    ],
)
def test_a_url_is_taken_apart(text, host, port, path):
    url = parse_url(text, allowed_schemes=WEB)
    assert (url.host, url.port, url.path, url.address) == (host, port, path, None)


@pytest.mark.parametrize(
    ("text", "address", "authority"),
    [
        ("http://127.0.0.1/", "127.0.0.1", "127.0.0.1"),
        ("http://127.0.0.1.:81/", "127.0.0.1", "127.0.0.1:81"),
        ("http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/", "127.0.0.1", "127.0.0.1"),
        ("http://127\u30020\u30020\u30021/", "127.0.0.1", "127.0.0.1"),
        ("http://[::1]/", "::1", "[::1]"),
        ("http://[0:0:0:0:0:0:0:1]:81/", "::1", "[::1]:81"),
        ("http://[::ffff:7f00:1]/", "127.0.0.1", "127.0.0.1"),
        ("http://[::FFFF:127.0.0.1]/", "127.0.0.1", "127.0.0.1"),
    ],
)
def test_an_address_is_recognised_however_it_is_dressed(text, address, authority):
    url = parse_url(text, allowed_schemes=WEB)
    assert (str(url.address), url.authority) == (address, authority)


def test_a_websocket_url_has_a_port_of_its_own_where_its_scheme_is_allowed():
    assert parse_url("wss://relay.example/", allowed_schemes={"wss"}).port == 443
    assert refused("wss://relay.example/")


@given(st.text(alphabet="htps:/@\\.%[]0127xa\u00fc\uff11\t#?- ", max_size=40))
def test_what_is_read_has_one_reading(text):
    try:
        url = parse_url(text, allowed_schemes=DEFAULT_PORTS)
    except UsageError:
        return  # any other error fails the test
    assert parse_url(str(url), allowed_schemes=DEFAULT_PORTS) == url
    assert str(url).isascii()


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/b", "https://relay.example:8443/b"),
        ("b?c", "https://relay.example:8443/a/b?c"),
        ("?c", "https://relay.example:8443/a/x?c"),
        ("//other.example/b", "https://other.example/b"),
        ("http://other.example", "http://other.example/"),
    ],
)
def test_a_redirect_is_resolved(location, leads_to):
    base = parse_url("https://relay.example:8443/a/x", allowed_schemes=WEB)
    assert str(join_url(base, location, allowed_schemes=WEB)) == leads_to


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "//user@other.example", "/\\other", "ht\ttp://other.example", "//[::1", "//127.1/"],
)
def test_a_redirect_is_read_as_strictly(location):
    base = parse_url("https://relay.example/", allowed_schemes=WEB)
    with pytest.raises(UsageError) as caught:
        join_url(base, location, allowed_schemes=WEB)
    assert caught.value.code == "url_refused"


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("http://r.example/x?", "/x"),
        ("http://r.example?", "/"),
        ("http://r.example/%7Ex", "/~x"),
        ("http://r.example/%7ex/%41%2d%2E%5F", "/~x/A-._"),
        ("http://r.example/a/../b", "/b"),
        ("http://r.example/a/%2e%2E/b", "/b"),
        ("http://r.example/a/b/c/./../../g", "/a/g"),
        ("http://r.example/a/..", "/"),
        ("http://r.example/a/.", "/a/"),
        ("http://r.example/../../a", "/a"),
        ("http://r.example/a//../b", "/a/b"),
        ("http://r.example//a", "//a"),
        ("http://r.example/%c3%bc%2f", "/%C3%BC%2F"),
        ("http://r.example/\u00fc", "/%C3%BC"),
        ("http://r.example/%252e%252e/a", "/%252e%252e/a"),
        ("http://r.example/%zz%4", "/%zz%4"),
        ("http://r.example/...", "/..."),
        ("http://r.example/x?a=%7e&b=/../c", "/x?a=~&b=/../c"),
        ("HTTP://R.EXAMPLE.:80/x#y", "/x"),
    ],
)
def test_equivalent_urls_have_one_normal_form(text: str, same_as: str):
    assert str(normalized_url(parse_url(text, allowed_schemes=WEB))) == f"http://r.example{same_as}"


@given(st.text(alphabet="/.%2eE7~a?&\u00fc#", max_size=40))
def test_the_normal_form_is_its_own(path: str):
    once = normalized_url(parse_url(f"http://r.example/{path}", allowed_schemes=WEB))
    again = parse_url(str(once), allowed_schemes=WEB)
    assert normalized_url(again) == again == once
    assert not {".", ".."} & set(once.path.partition("?")[0].split("/"))


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ("Directory.Example", ("directory.example", None)),
        ("directory.example:8090", ("directory.example", 8090)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:8090", ("::1", 8090)),
        ("", ("", None)),
        ("a b", ("", None)),
        ("user@directory.example", ("", None)),
        ("directory.example:x", ("", None)),
    ],
)
def test_a_host_header_is_read_as_strictly_as_a_url(header: str, parts: tuple[str, int | None]):
    assert split_authority(header) == parts
