"""What DNS records say, and that no record is more than a stranger's text."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.federation.dns_records import Service, ServiceRecord, key_text, keys_of, policy_of, service_of

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        key_text(KEY),
        f"p={KEY}",
        f"v=vox1;k=ed25519;p={KEY}",
        f" V=vox1 ; K=Ed25519 ; P={KEY} ;",
        f"p={KEY.rstrip('=')}",
        f"ed25519:{KEY}",
        f"v=vox1; ed25519:{KEY}",
        f"v=vox1; p=ed25519:{KEY}",
    ],
)
def test_both_spellings_of_a_key_are_read(text: str):
    assert keys_of([text]) == (KEY,)


@pytest.mark.parametrize("text", ["", "p=", "p=AAAA", f"v=vox2; p={KEY}", f"k=rsa; p={KEY}", "p=!!!", "ed25519:AAAA"])
def test_what_is_no_key_is_left_out(text: str):
    assert keys_of([text, key_text(OTHER)]) == (OTHER,)


def test_keys_are_read_once_each_and_not_without_end():
    assert keys_of([key_text(KEY), key_text(OTHER), key_text(KEY)]) == (KEY, OTHER)
    many = [key_text(base64.b64encode(bytes([one] * 32)).decode()) for one in range(50)]
    assert len(keys_of(many)) == 8


@pytest.mark.parametrize(
    ("texts", "policy"),
    [
        ([], "open"),
        (["v=spf1 -all"], "open"),
        (["v=vox1; federation=closed"], "closed"),
        (["federation=allow_list"], "allowlist"),
        (["federation=allowlist"], "allowlist"),
        (["federation=everyone"], "closed"),
    ],
)
def test_policies(texts: list[str], policy: str):
    assert policy_of(texts) == policy


def test_a_service_is_the_best_record_or_the_domain():
    assert service_of([], "example.com") == Service("example.com", 443)
    records = [ServiceRecord(2, "b.example.com", 8443), ServiceRecord(1, "a.example.com")]
    assert service_of(records, "example.com") == Service("a.example.com", 443)
    assert service_of([ServiceRecord(1, ".", 8443)], "example.com") == Service("example.com", 8443)
    assert service_of([ServiceRecord(0, "alias.example.org", 99)], "example.com") == Service("alias.example.org", 443)
    odd = [ServiceRecord(1, "127.0.0.1", 22), ServiceRecord(2, "a.example.com", 8443)]
    assert service_of(odd, "example.com") == Service("a.example.com", 8443)


@given(st.lists(st.text(max_size=120), max_size=5))
def test_any_text_is_read_without_an_error(texts: list[str]):
    assert len(keys_of(texts)) <= 8
    assert policy_of(texts) in {"open", "allowlist", "closed"}
