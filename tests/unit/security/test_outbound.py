"""What the guard decides before anything is sent; the real connections are in tests/contract/test_outbound.py."""

from ipaddress import ip_network

import pytest

from vox.errors import DependencyError, UsageError
from vox.security.outbound import OutboundGuard, Target


def names(*addresses: str):
    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return resolve


def refused(outbound: OutboundGuard, url: str) -> bool:
    with pytest.raises(UsageError) as caught:
        outbound.check_url(url)
    return caught.value.code == "url_refused"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://relay.example/",
        "wss://relay.example/",
        "https://user:password@relay.example/",
        "https://relay.example:22/",
        "https://relay.example:8443/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[::7f00:1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://168.63.129.16/",
        "http://[fd00:ec2::254]/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://255.255.255.255/",
        "http://198.18.0.1/",
        "http://localhost/",
        "http://relay.localhost/",
        "http://LocalHost./",
    ],
)
def test_without_configuration_only_the_public_web_is_open(url):
    assert refused(OutboundGuard(), url)


@pytest.mark.parametrize(
    "url", ["https://relay.example", "http://relay.example:443/x", "https://8.8.8.8/", "https://[2606:4700::1]/"]
)
def test_public_urls_pass(url):
    OutboundGuard().check_url(url)


def test_configuration_opens_what_it_names():
    outbound = OutboundGuard(
        allowed_private=[ip_network("10.20.0.0/16"), ip_network("127.0.0.0/8")],
        allowed_ports=frozenset({8090}),
        allowed_schemes=frozenset({"wss"}),
        own_addresses=["10.20.0.1"],
    )
    outbound.check_url("wss://10.20.0.2:8090/")
    outbound.check_url("wss://localhost:8090/")
    assert refused(outbound, "wss://10.20.0.1:8090/")
    assert refused(outbound, "wss://10.21.0.1:8090/")
    assert refused(outbound, "wss://10.20.0.2/")
    assert refused(outbound, "https://10.20.0.2:8090/")


async def test_a_name_becomes_its_first_address():
    outbound = OutboundGuard(resolver=names("2606:4700::1", "8.8.8.8"))
    target = await outbound.resolve("https://Relay.Example/a?b")
    assert target == Target("relay.example", 443, "2606:4700::1", "https", "/a?b", "relay.example")


async def test_an_address_in_the_url_needs_no_look_up():
    outbound = OutboundGuard(resolver=names())
    target = await outbound.resolve("http://[2606:4700::1]/")
    assert (target.address, target.authority) == ("2606:4700::1", "[2606:4700::1]")


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["::ffff:10.0.0.1"], ["8.8.8.8", "nonsense"]],
)
async def test_every_address_of_a_name_must_pass(addresses):
    with pytest.raises(UsageError) as caught:
        await OutboundGuard(resolver=names(*addresses)).resolve("https://relay.example/")
    assert caught.value.code == "url_refused"
    assert "10.0.0.1" not in str(caught.value)


async def test_a_name_without_addresses_may_have_some_later():
    with pytest.raises(DependencyError) as caught:
        await OutboundGuard(resolver=names()).resolve("https://relay.example/")
    assert (caught.value.code, caught.value.retryable) == ("host_unresolvable", True)


def test_own_addresses_are_addresses():
    with pytest.raises(ValueError):
        OutboundGuard(own_addresses=["relay.example"])
