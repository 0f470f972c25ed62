"""Links in a text: however an address is written, its host is found, and hosts are told apart by their labels."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vox.chat.features.automod.links import (
    LINKS_READ,
    Domains,
    is_invite,
    links_in,
    normalised_domain,
)

LABEL = st.from_regex(r"\A[a-z][a-z0-9]{2,8}\Z")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://evil.example/x", "evil.example"), ("HTTP://EVIL.example", "evil.example"), ("hxxps://evil[.]example", "evil.example"),
        ("https://good.example@evil.example/", "evil.example"), ("https:\\\\evil.example\\a", "evil.example"), ("https://evil.example.", "evil.example"),
        ("https://%65vil.example", "evil.example"), ("evil.example.", "evil.example"), ("ｅｖｉｌ．example", "evil.example"), ("evil。example/a", "evil.example"),
        ("https://evil.example:8443/", "evil.example"), ("[text](https://evil.example)", "evil.example"), ("<https://evil.example>", "evil.example"),
        ("evil(dot)example", "evil.example"), ("https://xn--bcher-kva.example", "bücher.example"), ("ev\u200bil.example", "evil.example"),
        ("https://a:b@evil.example", "evil.example"), ("||https://evil.example||", "evil.example"), ("https://1.2.3.4/x", "1.2.3.4"),
    ],
)  # fmt: skip
def test_the_host_is_found(text: str, host: str):
    assert host in [link.host for link in links_in(text)]


@pytest.mark.parametrize(
    "text", ["", "e.g. this", "3.14", "me@evil.example", "a. b", "...", "no links here", "10.30 o'clock"]
)
def test_what_is_no_link(text: str):
    assert links_in(text) == []


@given(labels=st.lists(LABEL, min_size=2, max_size=4), other=LABEL)
def test_a_domain_covers_what_is_below_it_and_nothing_beside_it(labels: list[str], other: str):
    assume(other not in labels)
    domain = ".".join(labels)
    assert normalised_domain(f"https://{domain.upper()}/path") == domain
    for host in (domain, f"{other}.{domain}"):
        assert Domains([domain]).covers(host)
        assert [link.host for link in links_in(f"see https://{host}/x now")] == [host]
    assert not Domains([domain]).covers(f"{other}{domain}")
    assert not Domains([domain]).covers(f"{domain}.{other}")


def test_look_alike_hosts_are_denied_and_never_allowed():
    domains = Domains(["discord.gg"])
    assert domains.resembles("disсord.gg")
    assert domains.resembles("a.disсord.gg")
    assert not domains.covers("disсord.gg")
    assert not domains.resembles("accord.gg")
    assert not domains.resembles("discordxgg")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("discord.gg/abc", True), ("https://discord.com/invite/abc", True), ("https://discord.com/channels/1", False), ("discord.gg", False),
        ("https://t.me/+abc", True), ("https://t.me/someone", False), ("https://any.example/invite/Abcd1234", True), ("https://any.example/invited", False),
    ],
)  # fmt: skip
def test_invites(text: str, is_one: bool):
    assert any(is_invite(link) for link in links_in(text)) == is_one


@pytest.mark.parametrize(
    ("text", "is_certain"), [("main.py", False), ("shop.com", True), ("www.shop.zz", True), ("a.zz/x", True)]
)
def test_what_surely_is_a_link_without_a_scheme(text: str, is_certain: bool):
    assert [link.is_certain for link in links_in(text)] == [is_certain]


@given(st.text(alphabet=st.sampled_from("a.:/@\\[]%xn-жあ\u200b "), max_size=300))
def test_no_text_breaks_it(text: str):
    assert len(links_in(text)) <= LINKS_READ


def test_many_links_are_looked_at_up_to_a_number():
    assert len(links_in("https://a.example " * 500)) == LINKS_READ


@pytest.mark.parametrize("domain", ["", "nodots", "a b.example", "me@evil.example", "x" * 300 + ".example"])
def test_what_is_no_domain(domain: str):
    assert not normalised_domain(domain)
