"""Requests to a provider and its answers, judged without a network."""

import base64
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import RSAKey

from vox.chat.features.oidc.id_token import (
    Client,
    Metadata,
    Tokens,
    UnknownKey,
    UntrustedAnswer,
    authorization_url,
    check_id_token,
    read_keys,
    read_metadata,
    read_tokens,
    read_userinfo,
    s256,
    token_request,
)

NOW = 1_800_000_000
ISSUER = "https://login.example.com"
METADATA = Metadata(ISSUER, f"{ISSUER}/auth?tenant=1", f"{ISSUER}/token", f"{ISSUER}/keys")
CLIENT = Client("vox", "s:e/cret", "https://chat.example.com/back", "openid profile")
KEY = RSAKey.generate_key(2048, {"kid": "one"})
KEYS = read_keys(msgspec.json.encode({"keys": [KEY.as_dict(private=False)]}))
RIGHT: dict[str, Any] = {"iss": ISSUER, "aud": "vox", "sub": "7", "nonce": "n", "iat": NOW, "exp": NOW + 60}


def signed(claims: dict[str, Any], key: RSAKey = KEY, algorithm: str = "RS256") -> Tokens:
    told = {name: value for name, value in claims.items() if value is not None}
    return Tokens(jwt.encode({"alg": algorithm, "kid": key.kid}, told, key, algorithms=[algorithm]), "access")


def check(tokens: Tokens) -> dict[str, Any]:
    return check_id_token(tokens, KEYS, METADATA, CLIENT, nonce="n", now_s=NOW)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_a_token_for_this_login_is_believed(algorithm: str):
    assert check(signed(RIGHT, algorithm=algorithm))["sub"] == "7"
    assert check(signed(RIGHT | {"aud": ["vox"], "azp": "vox"}))["sub"] == "7"


@pytest.mark.parametrize(
    "lie",
    [
        {"iss": "https://evil.test"}, {"aud": "other"}, {"aud": ["vox", "other"]}, {"azp": "other"}, {"nonce": "x"},
        {"nonce": None}, {"exp": NOW - 61}, {"exp": None}, {"exp": "soon"}, {"iat": NOW + 61}, {"nbf": NOW + 61}, {"sub": None},
        {"sub": 7}, {"sub": ""}, {"sub": "x" * 256}, {"sub": "a\0b"}, {"at_hash": "AAAA"}, {"nonce_supported": False, "nonce": "x"},
    ],
)  # fmt: skip
def test_any_other_token_is_not(lie: dict[str, Any]):
    with pytest.raises(UntrustedAnswer):
        check(signed(RIGHT | lie))


def test_a_key_that_is_not_published():
    with pytest.raises(UnknownKey):
        check(signed(RIGHT, RSAKey.generate_key(2048, {"kid": "two"})))
    with pytest.raises(UntrustedAnswer):
        check(signed(RIGHT, RSAKey.generate_key(2048, {"kid": "one"})))


@given(
    st.text(max_size=40) | st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).decode() + ".e30.")
)
def test_what_is_no_token(text: str):
    with pytest.raises(UntrustedAnswer):
        check(Tokens(text))


def test_the_address_to_log_in_at():
    parts = urlsplit(authorization_url(METADATA, CLIENT, state="s", nonce="n", code_verifier="v" * 43))
    assert dict(parse_qsl(parts.query)) == {
        "tenant": "1", "response_type": "code", "client_id": "vox", "redirect_uri": CLIENT.redirect_url,
        "scope": "openid profile", "state": "s", "nonce": "n", "code_challenge": s256("v" * 43), "code_challenge_method": "S256",
    }  # fmt: skip
    # RFC 7636, appendix B
    assert s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize(
    ("secret", "methods", "header", "fields"),
    [
        ("s:e/cret", ("client_secret_basic", "client_secret_post"), "vox:s%3Ae%2Fcret", {}),
        ("s:e/cret", ("client_secret_post",), "", {"client_id": ["vox"], "client_secret": ["s:e/cret"]}),
        ("", ("none",), "", {"client_id": ["vox"]}),
    ],
)
def test_how_a_code_is_exchanged(secret: str, methods: tuple[str, ...], header: str, fields: dict[str, list[str]]):
    metadata = msgspec.structs.replace(METADATA, token_endpoint_auth_methods_supported=methods)
    client = Client("vox", secret, CLIENT.redirect_url, "openid")
    url, headers, body = token_request(metadata, client, code="c", code_verifier="v")
    assert url == METADATA.token_endpoint
    given_header = headers.get("Authorization", "Basic ").removeprefix("Basic ")
    assert base64.b64decode(given_header).decode() == header
    assert parse_qs(body.decode()) == {
        "grant_type": ["authorization_code"], "redirect_uri": [CLIENT.redirect_url], "code": ["c"], "code_verifier": ["v"],
        **fields,
    }  # fmt: skip


@pytest.mark.parametrize(
    "lie",
    [{"issuer": "https://evil.test"}, {"token_endpoint": "http://login.example.com/token"}, {"jwks_uri": None}, []],
)
def test_metadata_of_another_or_in_clear(lie: Any):
    told: Any = [] if lie == [] else msgspec.to_builtins(METADATA) | lie
    with pytest.raises(UntrustedAnswer):
        read_metadata(msgspec.json.encode(told), ISSUER)


def test_right_metadata_with_or_without_a_slash():
    assert read_metadata(msgspec.json.encode(METADATA), ISSUER + "/") == METADATA


@given(st.binary(max_size=60))
def test_bodies_that_are_none(body: bytes):
    for read in (
        read_keys,
        read_tokens,
        lambda data: read_userinfo(data, "7"),
        lambda data: read_metadata(data, ISSUER),
    ):
        with pytest.raises(UntrustedAnswer):
            read(body)


def test_user_info_of_the_same_person():
    assert read_userinfo(b'{"sub": "7", "name": "Grace"}', "7")["name"] == "Grace"
    with pytest.raises(UntrustedAnswer):
        read_userinfo(b'{"sub": "8"}', "7")
