"""Passkeys checked against an authenticator of our own, and against bytes of any kind."""

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.authenticator import ORIGIN, Authenticator, b64, cbor, unb64
from vox.chat.events.ids import UserId
from vox.chat.identity.public_address import RelyingParty
from vox.chat.identity.webauthn import (
    Assertion,
    Attestation,
    Credential,
    InvalidPasskey,
    canonical_id,
    check_assertion,
    check_attestation,
    creation_options,
    read_assertion,
    read_attestation,
    request_options,
    same_id,
    transports_of,
    transports_text,
)

PARTY = RelyingParty("chat.example.com", (ORIGIN,))
CHALLENGE = b"c" * 32
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.binary(max_size=40).map(b64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["challenge_id", "id", "rawId", "type", "response", "clientDataJSON", "attestationObject", "authenticatorData",
     "signature", "userHandle", "client_data_json", "attestation_object", "authenticator_data", "credential_id", "transports"]
)  # fmt: skip


def made(device: Authenticator) -> Credential:
    options = creation_options(
        PARTY, CHALLENGE, server_name="Vox", user_id=UserId(7), username="ada", display_name="Ada", existing=()
    )
    return check_attestation(PARTY, CHALLENGE, read_attestation({**device.create(options), "challenge_id": "x"}))


def answered(device: Authenticator, credential: Credential, **client: Any) -> Assertion:
    options = request_options(PARTY, CHALLENGE, allowed=(credential,), must_verify_user=True)
    return read_assertion(device.get(options, challenge_id="x", **client))


def test_a_passkey_is_made_and_used():
    device = Authenticator()
    credential = made(device)
    assert credential.credential_id == b64(device.credential_id)
    assert credential.transports == ("internal",)
    count = check_assertion(PARTY, CHALLENGE, credential, answered(device, credential), must_verify_user=True)
    assert count == 1
    used = replace(credential, sign_count=1)
    with pytest.raises(InvalidPasskey):
        check_assertion(PARTY, CHALLENGE, replace(used, sign_count=5), answered(device, used), must_verify_user=True)


def test_a_key_in_other_base64_as_an_original_stored_it_still_works():
    device = Authenticator()
    credential = made(device)
    padded = credential.public_key.replace("-", "+").replace("_", "/")
    stored = replace(credential, public_key=padded + "=" * (-len(padded) % 4))
    assert check_assertion(PARTY, CHALLENGE, stored, answered(device, credential), must_verify_user=True) == 1
    assert same_id(canonical_id(padded), credential.public_key)


def test_an_algorithm_that_was_not_asked_for_is_refused():
    device = Authenticator()
    options = creation_options(
        PARTY, CHALLENGE, server_name="Vox", user_id=UserId(7), username="ada", display_name="Ada", existing=()
    )
    answer = device.create(options)
    forged = unb64(answer["response"]["attestationObject"]).replace(cbor({3: -7})[1:], cbor({3: -47})[1:])
    answer["response"]["attestationObject"] = b64(forged)
    with pytest.raises(InvalidPasskey):
        check_attestation(PARTY, CHALLENGE, read_attestation({**answer, "challenge_id": "x"}))


def test_a_signature_over_other_bytes_is_refused():
    device = Authenticator()
    credential = made(device)
    right = answered(device, credential)
    for name in ("client_data_json", "authenticator_data", "signature"):
        data = bytearray(unb64(getattr(right, name)))
        for at in range(0, len(data), 7):
            changed = bytes(data[:at]) + bytes([data[at] ^ 1]) + bytes(data[at + 1 :])
            wrong = replace(right, **{name: b64(changed)})
            with pytest.raises(InvalidPasskey):
                check_assertion(PARTY, CHALLENGE, credential, wrong, must_verify_user=True)
    check_assertion(PARTY, CHALLENGE, credential, right, must_verify_user=True)


@given(value=st.dictionaries(FIELDS, ANY_JSON, max_size=10))
def test_any_json_is_read_or_refused(value: dict[str, Any]):
    for read in (read_assertion, read_attestation):
        with contextlib.suppress(InvalidPasskey):
            read(value)


@given(
    client=st.binary(max_size=80) | ANY_JSON.map(lambda value: json.dumps(value).encode()), data=st.binary(max_size=120)
)
def test_any_bytes_are_refused(client: bytes, data: bytes):
    with pytest.raises(InvalidPasskey):
        check_attestation(PARTY, CHALLENGE, Attestation("x", b64(data), b64(client), b64(data)))
    credential = Credential(b64(b"id"), b64(data), 0)
    with pytest.raises(InvalidPasskey):
        check_assertion(
            PARTY,
            CHALLENGE,
            credential,
            Assertion("x", b64(b"id"), b64(client), b64(data), b64(data)),
            must_verify_user=False,
        )


def test_deep_nesting_is_refused():
    deep = b"\x81" * 3000
    client = json.dumps({"type": "webauthn.create", "challenge": b64(CHALLENGE), "origin": ORIGIN}).encode()
    with pytest.raises(InvalidPasskey):
        check_attestation(PARTY, CHALLENGE, Attestation("x", b64(b"id"), b64(client), b64(deep)))
    with pytest.raises(InvalidPasskey):
        check_attestation(PARTY, CHALLENGE, Attestation("x", b64(b"id"), b64(b"[" * 3000), b64(deep)))


def test_transports_are_stored_as_a_list():
    assert transports_of(transports_text(("usb", "nfc"))) == ("usb", "nfc")
    assert transports_text(()) is None
    assert transports_of(None) == ()
