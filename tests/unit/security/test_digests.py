import base64
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import UsageError
from vox.security import digests

NOW = 1_700_000_000.0
KEY = "s3cret"


def token(claims, *, secret=KEY, header=None):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'} if header is None else header)}.{part(claims)}"
    mac = base64.urlsafe_b64encode(digests.hmac_digest(secret, signed, "sha256")).rstrip(b"=").decode()
    return f"{signed}.{mac}"


def read(text, *, secret=KEY, now=NOW):
    return digests.jwt_claims(text, secret, now=now, tolerance_s=300)


def refused(text, **kwargs):
    with pytest.raises(UsageError) as caught:
        read(text, **kwargs)
    return caught.value.code == "bad_signature"


def test_a_signed_and_fresh_token_yields_its_claims():
    assert read(token({"iat": NOW, "jti": "x"}))["jti"] == "x"
    assert read(token({"iat": NOW, "exp": NOW + 1, "nbf": NOW - 1}))


def test_the_key_decides():
    assert refused(token({"iat": NOW}, secret="another"))
    changed = token({"iat": NOW, "who": "a"}).split(".")
    changed[1] = token({"iat": NOW, "who": "b"}).split(".")[1]
    assert refused(".".join(changed))


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "HS512"}, {"alg": ["HS256"]}, {}])
def test_a_token_does_not_choose_its_own_check(header):
    assert refused(token({"iat": NOW}, header=header))
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    assert refused(f"{head}.{token({'iat': NOW}).split('.')[1]}.")


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"iat": NOW - 301},
        {"iat": NOW + 301},
        {"iat": "now"},
        {"iat": True},
        {"iat": NOW, "exp": NOW - 1},
        {"iat": NOW, "exp": "tomorrow"},
        {"iat": NOW, "nbf": NOW + 301},
        {"iat": NOW, "nbf": [1]},
    ],
)
def test_a_token_out_of_its_time_is_refused(claims):
    assert refused(token(claims))


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_no_text_is_a_token_by_chance(text):
    assert refused(text)


@given(st.text() | st.binary(), st.text() | st.binary())
def test_equality_is_that_of_the_bytes(left, right):
    def as_bytes(value):
        return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value

    assert digests.is_equal(left, right) == (as_bytes(left) == as_bytes(right))
    assert digests.is_equal(left, left)


# RFC 8032, section 7.1, test 2
RFC_KEY = base64.b64encode(bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")).decode()
RFC_SIGNATURE = base64.b64encode(
    bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
).decode()


def test_ed25519_follows_the_rfc():
    pytest.importorskip("cryptography")
    digests.verify_ed25519(RFC_KEY, RFC_SIGNATURE, b"\x72")
    for key, signature, message, code in [
        (RFC_KEY, RFC_SIGNATURE, b"\x73", "bad_signature"),
        (RFC_KEY, "AAAA", b"\x72", "bad_signature"),
        (RFC_KEY, "not base64!", b"\x72", "bad_signature"),
        ("AAAA", RFC_SIGNATURE, b"\x72", "invalid_public_key"),
        ("not base64!", RFC_SIGNATURE, b"\x72", "invalid_public_key"),
    ]:
        with pytest.raises(UsageError) as caught:
            digests.verify_ed25519(key, signature, message)
        assert caught.value.code == code


def test_without_the_library_nothing_passes(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(UsageError) as caught:
        digests.verify_ed25519(RFC_KEY, RFC_SIGNATURE, b"\x72")
    assert caught.value.code == "missing_dependency"
    assert "cryptography" in str(caught.value)
