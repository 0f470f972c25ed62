"""Encrypted secrets, and the file that their key is in."""

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import UsageError
from vox.security.secret_box import SecretBox, create_key_file, is_encrypted, read_key, read_key_file

KEY = bytes(range(32))


@given(secret=st.binary(max_size=100), purpose=st.text(max_size=20))
def test_what_is_encrypted_opens_for_its_purpose_and_with_its_key_only(secret: bytes, purpose: str):
    box = SecretBox(KEY)
    text = box.encrypt(secret, purpose)
    assert is_encrypted(text)
    assert box.decrypt(text, purpose) == secret
    assert box.encrypt(secret, purpose) != text
    for other, asked in ((SecretBox(bytes(32)), purpose), (box, purpose + "x")):
        with pytest.raises(UsageError) as caught:
            other.decrypt(text, asked)
        assert caught.value.code == "secret_unreadable"


@pytest.mark.parametrize("text", ["", "aes256gcm1:", "aes256gcm1:!!!", "aes256gcm1:AAAA", "JBSWY3DPEHPK3PXP"])
def test_what_is_not_encrypted_does_not_open(text: str):
    with pytest.raises(UsageError):
        SecretBox(KEY).decrypt(text, "x")


def test_processes_that_start_at_once_make_one_key(tmp_path: Path):
    path = tmp_path / "vox.key"
    assert read_key_file(path) is None
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: create_key_file(path), range(16)))
    assert keys == {read_key_file(path)}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(bytes(31)).decode(), "!" * 44])
def test_what_is_no_key_is_refused_by_name(text: str, tmp_path: Path):
    with pytest.raises(UsageError) as caught:
        read_key(text)
    assert caught.value.code == "invalid_setting"
    (tmp_path / "vox.key").write_text(text)
    with pytest.raises(UsageError):
        read_key_file(tmp_path / "vox.key")


def test_fingerprints_tell_keys_apart_and_nothing_else():
    assert SecretBox(KEY).fingerprint == SecretBox(KEY).fingerprint
    assert SecretBox(KEY).fingerprint != SecretBox(bytes(32)).fingerprint
    assert KEY.hex() not in SecretBox(KEY).fingerprint
