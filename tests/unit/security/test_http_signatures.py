import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import DependencyError, UsageError
from vox.security import http_signatures
from vox.security.digests import verify_ed25519
from vox.security.http_signatures import NonceMemory

NOW = 1_700_000_000
NONCE = "n0nce-n0nce-n0nce"
PAIR = http_signatures.key_pair(base64.b64encode(bytes(range(32))).decode())
OTHER = http_signatures.key_pair(base64.b64encode(bytes(32)).decode())
REQUEST = ("POST", "/v1/relays/r1/heartbeat?force=1", b'{"cpu":0.5}')


def signed(request: tuple[str, str, bytes] = REQUEST, *, pair=PAIR, created=NOW, nonce=NONCE, **kwargs):
    return http_signatures.sign(*request, created=created, nonce=nonce, private_key=pair.private, **kwargs)


def check(headers, request: tuple[str, str, bytes] = REQUEST, *, pair=PAIR, now=NOW, nonces=None, **kwargs):
    nonces = NonceMemory() if nonces is None else nonces
    return http_signatures.verify(*request, headers, public_key=pair.public, now=now, nonces=nonces, **kwargs)


def refusal(*args, **kwargs):
    with pytest.raises(UsageError) as caught:
        check(*args, **kwargs)
    return caught.value.code


def changed(headers, name, old, new):
    assert old in headers[name]
    return {**headers, name: headers[name].replace(old, new)}


def test_a_signed_request_is_recognised():
    headers = signed()
    assert http_signatures.claimed_key_id(headers) == PAIR.key_id
    assert check(headers) == http_signatures.Signed(PAIR.key_id, NOW, NONCE)


def test_the_signature_is_made_as_rfc_9421_says():
    headers = signed(("GET", "/v1/relays", b""), authority="Directory.example", key_id="k1")
    # The digest of an empty body is well known; the base is written here by hand after section 2.5.
    digest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    parameters = (
        '("@method" "@path" "@query" "content-digest" "@authority")'
        f';created={NOW};nonce="{NONCE}";keyid="k1";alg="ed25519"'
    )
    base = "\n".join(
        [
            '"@method": GET',
            '"@path": /v1/relays',
            '"@query": ?',
            f'"content-digest": {digest}',
            '"@authority": directory.example',
            f'"@signature-params": {parameters}',
        ]
    )
    assert headers["content-digest"] == digest
    assert headers["signature-input"] == f"vox={parameters}"
    raw = base64.b64decode(headers["signature"].removeprefix("vox=:").removesuffix(":"))
    Ed25519PublicKey.from_public_bytes(base64.b64decode(PAIR.public)).verify(raw, base.encode())


def test_another_programs_signature_is_taken_with_its_own_label_order_and_without_alg():
    digest = http_signatures.content_digest(b"")
    parameters = f'("content-digest" "@query" "@path" "@method");keyid="k";nonce="{NONCE}";created={NOW}'
    base = f'"content-digest": {digest}\n"@query": ?\n"@path": /\n"@method": GET\n"@signature-params": {parameters}'
    raw = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).sign(base.encode())
    headers = {
        "content-digest": digest,
        "signature-input": f"sig1={parameters}",
        "signature": f"sig1=:{base64.b64encode(raw).decode()}:",
    }
    assert check(headers, ("GET", "", b"")).key_id == "k"


@pytest.mark.parametrize(
    "other",
    [
        ("DELETE", *REQUEST[1:]),
        ("POST", "/v1/relays/r2/heartbeat?force=1", REQUEST[2]),
        ("POST", "/v1/relays/r1/heartbeat", REQUEST[2]),
        ("POST", "/v1/relays/r1/heartbeat?force=2", REQUEST[2]),
        (*REQUEST[:2], b'{"cpu":0.6}'),
        (*REQUEST[:2], b""),
    ],
)
def test_a_signature_fits_no_other_request(other):
    assert refusal(signed(), other) == "bad_signature"


def test_the_key_decides():
    assert refusal(signed(pair=OTHER)) == "bad_signature"
    assert refusal(signed(), pair=OTHER) == "bad_signature"
    assert refusal(signed(key_id=OTHER.key_id), pair=OTHER) == "bad_signature"


@pytest.mark.parametrize(
    ("old", "new"),
    [(str(NOW), str(NOW + 1)), (NONCE, NONCE[::-1]), (PAIR.key_id, OTHER.key_id), (';alg="ed25519"', "")],
)
def test_what_the_signature_says_of_itself_cannot_be_changed(old, new):
    assert refusal(changed(signed(), "signature-input", old, new)) == "bad_signature"


@pytest.mark.parametrize("digest", ["", http_signatures.content_digest(b"other"), "sha-512=:AA==:"])
def test_a_digest_that_is_not_the_bodys_is_refused(digest):
    assert refusal({**signed(), "content-digest": digest}) == "bad_signature"


def test_a_body_with_a_digest_of_its_own_is_refused():
    other = (*REQUEST[:2], b"other")
    assert refusal({**signed(), "content-digest": http_signatures.content_digest(b"other")}, other) == "bad_signature"


@pytest.mark.parametrize("now", [NOW - 60, NOW - 59.5, NOW, NOW + 60])
def test_clocks_may_differ_by_a_minute(now):
    check(signed(), now=now)


@pytest.mark.parametrize("now", [NOW - 60.5, NOW - 1e6, NOW + 60.5, NOW + 1e6])
def test_clocks_may_not_differ_by_more(now):
    assert refusal(signed(), now=now) == "signature_expired"


def test_a_request_is_taken_once_as_long_as_it_is_fresh():
    nonces = NonceMemory()
    headers = signed()
    check(headers, nonces=nonces, now=NOW - 60)  # the earliest
    for now in (NOW - 60, NOW, NOW + 60):
        assert refusal(headers, nonces=nonces, now=now) == "signature_replayed"
    assert refusal(headers, nonces=nonces, now=NOW + 61) == "signature_expired"


def test_one_key_under_two_names_cannot_replay():
    nonces = NonceMemory()
    check(signed(key_id="a"), nonces=nonces)
    assert refusal(signed(key_id="b"), nonces=nonces) == "signature_replayed"


def test_a_stranger_spends_nobodys_nonce():
    nonces = NonceMemory()
    refusal(signed(pair=OTHER), nonces=nonces)
    refusal(changed(signed(), "signature", "vox=:", "vox=:AAAA"), nonces=nonces)
    check(signed(), nonces=nonces)


def test_two_keys_may_use_one_nonce():
    nonces = NonceMemory()
    check(signed(), nonces=nonces)
    check(signed(pair=OTHER), pair=OTHER, nonces=nonces)


def test_a_request_for_one_server_is_refused_by_another():
    headers = signed(authority="a.example:8090")
    check(headers, authority="A.example:8090")
    assert refusal(headers, authority="b.example:8090") == "bad_signature"


def test_both_ends_must_agree_on_covering_the_authority():
    assert refusal(signed(), authority="a.example") == "signature_malformed"
    assert refusal(signed(authority="a.example")) == "signature_malformed"


def test_an_unsigned_request_is_told_apart():
    assert refusal({}) == "signature_missing"
    assert refusal({"signature": signed()["signature"]}) == "signature_missing"
    with pytest.raises(UsageError) as caught:
        http_signatures.claimed_key_id({})
    assert caught.value.code == "signature_missing"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("signature-input", '"@method" ', ""),
        ("signature-input", '"@path" ', ""),
        ("signature-input", '"@query" ', ""),
        ("signature-input", ' "content-digest"', ""),
        ("signature-input", '"@query"', '"@path"'),
        ("signature-input", '"@query"', '"@query" "@query"'),
        ("signature-input", '"@query"', '"@query" "date"'),
        ("signature-input", '"@query"', '"@query";req'),
        ("signature-input", "ed25519", "hmac-sha256"),
        ("signature-input", f";created={NOW}", ""),
        ("signature-input", f"={NOW}", f"={NOW};created={NOW}"),
        ("signature-input", f"={NOW}", "=x"),
        ("signature-input", f"={NOW}", "=-1"),
        ("signature-input", f"={NOW}", f'="{NOW}x"'),
        ("signature-input", f"={NOW}", "=" + "9" * 400),
        ("signature-input", NONCE, "short"),
        ("signature-input", NONCE, "n" * 65),
        ("signature-input", PAIR.key_id, ""),
        ("signature-input", PAIR.key_id, "k" * 129),
        ("signature-input", "vox=", "other="),
        ("signature-input", "vox=", 'a=("@method"), vox='),
        ("signature-input", ";alg", ";expires=1;alg"),
        ("signature", "vox=:", "vox="),
        ("signature", "vox=:", "vox=:\u00fc"),
    ],
)
def test_a_malformed_signature_is_refused_as_such(name, old, new):
    assert refusal(changed(signed(), name, old, new)) == "signature_malformed"


@pytest.mark.parametrize("path", ['/a\n"@query": ?b', "/a b", "/\u00fc"])
def test_a_decoded_path_is_refused_by_both_ends(path):
    with pytest.raises(UsageError) as caught:
        signed(("GET", path, b""))
    assert caught.value.code == "signature_malformed"
    assert refusal(signed(("GET", "/", b"")), ("GET", path, b"")) == "signature_malformed"


@given(
    st.dictionaries(
        st.sampled_from(["signature-input", "signature", "content-digest"]),
        st.text(alphabet='vox=("@method" ");:,created1ky\u00fc\n', max_size=60),
    )
)
def test_garbage_is_refused_as_usage(headers):
    assert refusal(headers) in {"signature_missing", "signature_malformed"}


@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.from_regex(r"/[a-z/%0-9]{0,20}(\?[a-z=&?]{0,20})?", fullmatch=True),
    st.binary(max_size=200),
)
def test_whatever_is_signed_is_verified(method, path, body):
    request = (method, path, body)
    assert check(signed(request), request).nonce == NONCE


def test_memory_of_nonces_is_bounded_and_forgets_in_time():
    nonces = NonceMemory(memory_s=120, max_nonces=2)
    assert nonces.spend("k", "a", 0.0)
    assert nonces.spend("k", "b", 1.0)
    with pytest.raises(DependencyError) as caught:
        nonces.spend("k", "c", 2.0)
    assert (caught.value.code, caught.value.retryable) == ("nonces_exhausted", True)
    assert not nonces.spend("k", "a", 120.0)
    assert nonces.spend("k", "c", 120.5)
    assert len(nonces) == 2


def test_keys_are_made_named_and_hidden():
    pair = http_signatures.new_key_pair()
    assert pair != http_signatures.new_key_pair()
    assert http_signatures.key_pair(pair.private) == pair
    assert pair.private not in repr(pair)
    check(signed(pair=pair, nonce=http_signatures.new_nonce()), pair=pair)
    assert http_signatures.new_nonce() != http_signatures.new_nonce()


def test_the_public_key_is_the_one_rfc_8032_derives():
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert base64.b64decode(http_signatures.key_pair(base64.b64encode(seed).decode()).public) == public
    assert http_signatures.fingerprint(base64.b64encode(public).decode()) == (
        "sha256:21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9"
    )


@pytest.mark.parametrize("text", ["", "x", base64.b64encode(bytes(31)).decode(), "\u00fc"])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(UsageError) as caught:
        http_signatures.key_pair(text)
    assert caught.value.code == "invalid_private_key"
    with pytest.raises(UsageError) as caught:
        http_signatures.fingerprint(text)
    assert caught.value.code == "invalid_public_key"
    with pytest.raises(UsageError) as caught:
        http_signatures.verify(*REQUEST, signed(), public_key=text, now=NOW, nonces=NonceMemory())
    assert caught.value.code == "invalid_public_key"


def test_bytes_are_signed_for_the_common_check():
    signature = http_signatures.sign_bytes(PAIR.private, b"vox challenge x")
    verify_ed25519(PAIR.public, signature, b"vox challenge x")
    with pytest.raises(UsageError):
        verify_ed25519(PAIR.public, signature, b"vox challenge y")


@pytest.mark.parametrize("bad", [{"nonce": "short"}, {"key_id": 'a"b'}])
def test_what_would_not_travel_is_not_signed(bad):
    with pytest.raises(ValueError):
        signed(**bad)
