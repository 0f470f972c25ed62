"""The clear header of MLS messages: as RFC 9420 writes it, and hostile bytes."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.protocols.mls_framing import MlsHeader, read_header

COMMIT = base64.b64decode("AAEAAgFnAAAAAAAAAAADABzXecLsKRivXgdlLbYPSmGGyiZ/3g==")
"""The beginning of a commit in the group "g", epoch 0, as the library ts-mls wrote it."""


def vector(content: bytes) -> bytes:
    """A vector behind its length (section 2.1.2)."""
    size = len(content)
    if size < 64:
        return bytes([size]) + content
    return (0x4000 | size).to_bytes(2) + content


def private(group_id: bytes, epoch: int, kind: int) -> bytes:
    """A PrivateMessage (section 6.3)."""
    return b"\0\1\0\2" + vector(group_id) + epoch.to_bytes(8) + bytes([kind]) + b"ciphertext"


def public(group_id: bytes, epoch: int, sender: bytes, data: bytes, kind: int) -> bytes:
    """A PublicMessage (section 6.2)."""
    return b"\0\1\0\1" + vector(group_id) + epoch.to_bytes(8) + sender + vector(data) + bytes([kind]) + b"content"


def test_a_commit_of_a_library():
    assert read_header(COMMIT) == MlsHeader("commit", b"g", 0)


@given(
    st.binary(max_size=255),
    st.integers(0, 2**64 - 1),
    st.sampled_from([(1, "application"), (2, "proposal"), (3, "commit")]),
    st.sampled_from([b"\1\0\0\0\7", b"\2\0\0\0\1", b"\3", b"\4"]),
    st.binary(max_size=300),
)
def test_what_was_written_is_read(group_id: bytes, epoch: int, kind: tuple[int, str], sender: bytes, data: bytes):
    header = MlsHeader(kind[1], group_id, epoch)  # pyright: ignore[reportArgumentType]  one of the three
    assert read_header(private(group_id, epoch, kind[0])) == header
    assert read_header(public(group_id, epoch, sender, data, kind[0])) == header


def test_a_welcome_names_no_group():
    assert read_header(b"\0\1\0\3" + b"anything") == MlsHeader("welcome")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0\1\0",
        b"\0\2\0\2" + COMMIT[4:],  # another version
        b"\0\1\0\4" + COMMIT[4:],  # a GroupInfo
        b"\0\1\0\5" + COMMIT[4:],  # a KeyPackage
        private(b"g", 0, 4),  # no kind of content
        private(b"g" * 256, 0, 3),  # a group id longer than is taken
        b"\0\1\0\2\x40\1g" + bytes(8) + b"\3",  # a length that is not in the shortest form
        b"\0\1\0\2\x80\0\0\1g" + bytes(8) + b"\3",
        b"\0\1\0\2\xc0\0\0\0\0\0\0\1g" + bytes(8) + b"\3",  # a prefix that is not defined
        b"\0\1\0\2\xbf\xff\xff\xff" + b"g" * 100,  # a length of a gigabyte
        public(b"g", 0, b"\5", b"", 3),  # no kind of sender
        public(b"g", 0, b"\0", b"", 3),
    ],
)
def test_bytes_that_are_no_message_of_a_group(message: bytes):
    assert read_header(message) is None


@given(st.binary(max_size=400))
def test_garbage_is_read_or_is_none(message: bytes):
    read_header(message)
    read_header(b"\0\1\0\1" + message)
    read_header(b"\0\1\0\2" + message)


@given(st.integers(0, 13))
def test_a_message_cut_within_its_header_is_none(length: int):
    assert read_header(COMMIT[:length]) is None
