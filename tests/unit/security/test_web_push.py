"""Web Push: read back by a browser that goes through RFC 8291 step by step, itself held to the RFC's own example."""

import importlib.util
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fakes.push_service import Browser, checked_sender, decoded, encoded
from tests.require import require
from vox.errors import UsageError
from vox.security.web_push import (
    MAX_PAYLOAD,
    PADDED_BYTES,
    PushKey,
    encrypted,
    from_base64url,
    kept_key,
    receiver,
    to_base64url,
)


@pytest.fixture
def library() -> None:
    """The extra `push` is there, or the test is skipped."""
    is_there = importlib.util.find_spec("http_ece") is not None
    require(is_there, "http_ece", "pip install 'vox[push]'")


RFC_BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
    "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)
RFC_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
RFC_AUTH = "BTBZMqHH6r4Tts7J_aSIgg"


def test_the_browser_reads_the_example_of_the_rfc():
    key = ec.derive_private_key(int.from_bytes(decoded(RFC_PRIVATE)), ec.SECP256R1())
    browser = Browser(key, decoded(RFC_AUTH))
    assert browser.decrypted(decoded(RFC_BODY)) == b"When I grow up, I want to be a watermelon"


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("payload", [b"{}", b'{"a":1}', b"x" * PADDED_BYTES, b"x" * MAX_PAYLOAD])
def test_the_browser_reads_what_was_encrypted_for_it(payload: bytes):
    browser = Browser()
    to = receiver(encoded(browser.public), encoded(browser.auth))
    body = encrypted(payload, to)
    assert browser.decrypted(body).rstrip(b" ") == payload
    assert encrypted(payload, to) != body
    assert len(body) <= 4096


@pytest.mark.usefixtures("library")
def test_short_payloads_cannot_be_told_apart_by_their_length():
    to = receiver(encoded(Browser().public), encoded(b"0" * 16))
    assert len(encrypted(b"{}", to)) == len(encrypted(b'{"body":"a longer text"}', to))


def test_a_payload_that_is_too_long_is_refused():
    with pytest.raises(UsageError, match="too long"):
        encrypted(b"x" * (MAX_PAYLOAD + 1), receiver(encoded(Browser().public), encoded(b"0" * 16)))


@pytest.mark.parametrize(
    ("public", "auth"),
    [("", ""), ("ä", "x"), (encoded(b"\x04" + b"\0" * 64), encoded(b"0" * 16)), (encoded(Browser().public), "AAAA")],
    ids=["nothing", "no base64", "no point", "short secret"],
)
def test_keys_that_are_none_are_refused(public: str, auth: str):
    with pytest.raises(UsageError):
        receiver(public, auth)


def test_the_sender_is_signed_for_one_push_service():
    key = PushKey(b"\x01" * 32)
    header = key.authorization("https://push.example", "mailto:a@example.com", 1000)
    claims = checked_sender(header, "https://push.example")
    assert (claims["sub"], claims["exp"], claims["k"]) == ("mailto:a@example.com", 1000 + 12 * 3600, key.public_text)
    assert len(from_base64url(key.public_text)) == 65


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path):
    file = tmp_path / "push.key"
    first = kept_key(file)
    assert kept_key(file).public_text == first.public_text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["push.key"]


@pytest.mark.parametrize("content", ["", "nonsense!", to_base64url(b"\0" * 32), "ü"])
def test_a_file_without_a_key_is_named_with_the_remedy(tmp_path: Path, content: str):
    (tmp_path / "push.key").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"push\.key"):
        kept_key(tmp_path / "push.key")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(UsageError, match=r"push\.key"):
        kept_key(tmp_path / "missing" / "push.key")
