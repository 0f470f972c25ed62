from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vox.security.addresses import (
    METADATA_ADDRESSES,
    embedded_ipv4,
    is_global,
    loopback_addresses,
    network_key,
    parse_address,
    refusal,
    surrounding_networks,
    unmapped,
)

NOT_GLOBAL = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.1.1 169.254.169.254
    172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255
    198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16 100.100.100.200
    :: ::1 ::2 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8
    64:ff9b::127.0.0.1 64:ff9b::10.1.2.3 64:ff9b::169.254.169.254 64:ff9b::224.0.0.1 64:ff9b::255.255.255.255
    64:ff9b:1::8.8.8.8 64:ff9b:1:7f00:0:100:: 100::1 100:0:0:1::1 1000::1 4000::1 5f00::1 8000::1
    2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:808:808::1
    3ffe::1 3fff::1 3fff:fff::1 fc00::1 fd00:ec2::254 fe80::1 fe80::5efe:10.0.0.1 febf::1 fec0::1 ff02::1 ff0e::1
    2a00:1450::5efe:10.0.0.1 2a00:1450::200:5efe:127.0.0.1
"""
GLOBAL = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
    172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 ::ffff:8.8.8.8
    64:ff9b::8.8.8.8 2001:4860:4860::8888 2606:4700:4700::1111 2a00:1450:4001:81b::200e 2003::1 2a00:1450::5efe:8.8.8.8
"""


@pytest.mark.parametrize("text", NOT_GLOBAL.split())
def test_what_is_not_one_public_host_is_refused(text):
    assert not is_global(ip_address(text))


@pytest.mark.parametrize("text", GLOBAL.split())
def test_public_hosts_are_let_through(text):
    assert is_global(ip_address(text))


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("::ffff:10.1.2.3", {"10.1.2.3"}),
        ("::ffff:0:10.1.2.3", {"10.1.2.3"}),
        ("::10.1.2.3", {"10.1.2.3"}),
        ("64:ff9b::10.1.2.3", {"10.1.2.3"}),
        ("2002:a01:203::1", {"10.1.2.3"}),
        ("2001:0:a01:203:0:0:f5fe:fdfc", {"10.1.2.3"}),  # server and client, the client's bits inverted
        ("2a00::5efe:10.1.2.3", {"10.1.2.3"}),
        ("2a00::200:5efe:10.1.2.3", {"10.1.2.3"}),
        ("2a00::1", set()),
    ],
)
def test_the_ipv4_address_inside_is_found(text, inside):
    assert embedded_ipv4(IPv6Address(text)) == {IPv4Address(inner) for inner in inside}


@pytest.mark.parametrize(
    "text",
    # RFC 6052, 2.2, with the prefixes of 48, 56, 64 and 96 bits
    ["64:ff9b:1:a01:2:300::", "64:ff9b:1:ff0a:1:203::", "64:ff9b:1:0:a:102:300::", "64:ff9b:1::10.1.2.3"],
)
def test_local_nat64_is_read_with_every_length_of_prefix(text):
    assert IPv4Address("10.1.2.3") in embedded_ipv4(IPv6Address(text))


@given(st.ip_addresses())
def test_nothing_is_global_that_the_standard_library_calls_otherwise(address):
    if is_global(address):
        assert unmapped(address).is_global
        assert not address.is_multicast
        assert not address.is_link_local


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_that_the_standard_library_calls_global_is_refused_for_a_reason_only(address):
    assume(address.is_global)
    if not is_global(address):
        known = (
            "192.0.0.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.175.48.0/24",
            "224.0.0.0/4",
        )
        listed = any(address in ip_network(network) for network in known)
        assert listed or address in METADATA_ADDRESSES


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:{}", "64:ff9b::{}", "::{}", "64:ff9b:1::{}", "2a00::5efe:{}"]))
def test_wrapping_makes_no_address_public(inner, form):
    if not is_global(inner):
        assert not is_global(IPv6Address(form.format(inner)))


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_the_address_it_is(inner):
    assert refusal(IPv6Address(f"::ffff:{inner}")) == refusal(inner)


@given(st.ip_addresses(v=4))
def test_6to4_and_teredo_stay_shut(inner):
    assert not is_global(IPv6Address((0x2002 << 112) | (int(inner) << 80)))
    assert not is_global(IPv6Address((0x20010000 << 96) | (int(inner) << 64) | (~int(inner) & 0xFFFF_FFFF)))


@pytest.mark.parametrize("text", ["10.20.3.4", "::ffff:10.20.3.4", "fd12::1", "127.0.0.1"])
def test_an_allowed_network_opens_its_addresses(text):
    allowed = [ip_network("10.20.0.0/16"), ip_network("fd12::/32"), ip_network("127.0.0.0/8")]
    assert refusal(ip_address(text), allowed_private=allowed) is None


@pytest.mark.parametrize("text", ["10.21.3.4", "64:ff9b::10.20.3.4", "::10.20.3.4", "2002:a14:304::1", "fd13::1"])
def test_an_allowed_network_opens_nothing_else(text):
    assert refusal(ip_address(text), allowed_private=[ip_network("10.20.0.0/16"), ip_network("fd12::/32")]) is not None


@pytest.mark.parametrize(
    "text",
    [
        *sorted(map(str, METADATA_ADDRESSES)),
        *["::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1"],
        *["0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1"],
    ],
)
def test_no_allowed_network_opens_metadata_services_or_what_is_not_one_host(text):
    everything = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    assert refusal(ip_address(text), allowed_private=everything) is not None


@pytest.mark.parametrize("text", ["198.20.0.9", "::ffff:198.20.0.9", "64:ff9b::198.20.0.9"])
def test_the_servers_own_addresses_are_refused(text):
    own = [ip_address("198.20.0.9")]
    assert refusal(ip_address(text), own_addresses=own, allowed_private=[ip_network("0.0.0.0/0")]) is not None
    assert refusal(ip_address("198.20.0.10"), own_addresses=own) is None


@pytest.mark.parametrize(
    "text",
    ["", "127.1", "0x7f.0.0.1", "0177.0.0.1", "010.0.0.1", "2130706433", "1.2.3.4 ", "fe80::1%eth0", "host", "[::1]"],
)
def test_only_the_usual_notation_is_an_address(text):
    assert parse_address(text) is None


def test_a_mapped_address_is_read_as_ipv4():
    assert parse_address("::FFFF:7f00:1") == IPv4Address("127.0.0.1")


def test_one_subscriber_owns_a_whole_ipv6_network():
    assert network_key("2001:db8::1") == network_key("2001:db8::ffff:1") == "2001:db8::/64"
    assert network_key("2001:db8::1") == network_key("2001:0DB8:0:0::2")
    assert network_key("2001:db8::1") != network_key("2001:db8:0:1::1")


def test_ipv4_addresses_are_their_own_key_mapped_into_ipv6_too():
    assert network_key("192.0.2.1") == "192.0.2.1"
    assert network_key("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_key("::ffff:c000:201") == "192.0.2.1"
    assert network_key("192.0.2.1") != network_key("192.0.2.2")


def test_a_zone_does_not_make_another_network():
    assert network_key("fe80::1%eth0") == network_key("fe80::2%eth1") == "fe80::/64"


@pytest.mark.parametrize("text", ["unknown", "", "localhost", "1:2:3", "2001:db8::g", "::ffff:300.0.0.1"])
def test_what_is_no_address_is_its_own_key(text):
    assert network_key(text) == text


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_no_host_part_changes_the_network(address, host):
    other = IPv6Address(int(address) >> 64 << 64 | host)
    if address.ipv4_mapped is None and other.ipv4_mapped is None:
        assert network_key(str(address)) == network_key(str(other))


def test_networks_around_an_address_are_the_providers_and_the_sites():
    area, network = surrounding_networks("198.51.100.7") or ("", 0)
    assert surrounding_networks("198.51.100.200") == (area, network)
    assert surrounding_networks("::ffff:198.51.100.7") == (area, network)
    same_area = surrounding_networks("198.51.101.7") or ("", 0)
    assert same_area[0] == area
    assert same_area[1] != network
    assert (surrounding_networks("198.52.100.7") or ("", 0))[0] != area


def test_networks_around_an_ipv6_address_leave_the_zone_out():
    area, network = surrounding_networks("2001:db8:1:2::3") or ("", 0)
    assert surrounding_networks("2001:db8:1:ffff::1%eth0") == (area, network)
    assert (surrounding_networks("2001:db8:2::1") or ("", 0))[0] == area
    assert (surrounding_networks("2001:db8:2::1") or ("", 0))[1] != network
    assert (surrounding_networks("2001:db9:1::1") or ("", 0))[0] != area


@pytest.mark.parametrize("text", ["", "testclient", "198.51.100", "2001:db8::1::2"])
def test_what_is_no_address_has_no_networks_around(text: str):
    assert surrounding_networks(text) is None


@given(st.ip_addresses())
def test_networks_around_different_versions_are_never_the_same(address):
    found = surrounding_networks(str(address))
    assert found is not None
    assert found[0].startswith(f"{unmapped(address).version}:")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "relay.localhost"])
def test_names_of_this_machine_have_their_addresses_without_a_look_up(host):
    assert loopback_addresses(host) == ("127.0.0.1", "::1")


@pytest.mark.parametrize("host", ["", "localhost.example", "mylocalhost", "127.0.0.1", "::1"])
def test_other_names_and_addresses_are_looked_up(host):
    assert loopback_addresses(host) == ()
