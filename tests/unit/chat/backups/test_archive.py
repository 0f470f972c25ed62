"""The file of a backup: written and read in pieces, damage found wherever it is."""

import contextlib
import io
import tarfile
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from vox.chat.backups.archive import (
    END_NAME,
    HEADER_NAME,
    LONGEST_NAME,
    ArchiveWriter,
    End,
    Header,
    opened_archive,
    verified_end,
)
from vox.errors import UsageError

HEADER = Header("sqlite", "abc", 1)


def written(path: Path, members: dict[str, bytes], *, end: bool = True, header: Header = HEADER) -> Path:
    with path.open("wb") as out:
        writer = ArchiveWriter(out)
        writer.add(HEADER_NAME, msgspec.json.encode(header))
        for name, content in members.items():
            writer.add(name, content)
        if end:
            writer.add(END_NAME, msgspec.json.encode(End(writer.digest, len(members))))
        writer.close()
    return path


def code_of(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        verified_end(path)
    return caught.value.code


def test_it_comes_back_as_it_was_and_other_tools_can_read_it(tmp_path: Path):
    members = {"files/a": b"x" * 100_000, "files/b": b"", "keys/secrets.key": b"k"}
    path = written(tmp_path / "b", members)
    assert verified_end(path).files == 3
    with opened_archive(path) as (header, found, _):
        assert header == HEADER
        read = {member.name: b"".join(member.pieces()) for member in found if member.name != END_NAME}
    assert read == members
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert tar.getnames() == [HEADER_NAME, *members, END_NAME]


def test_names_of_any_length_come_back_but_none_without_bound(tmp_path: Path):
    names = ["files/" + "x" * 94, "files/" + "x" * 95, "files/" + "é" * 200, "files/" + "y" * (LONGEST_NAME - 6)]
    members = {name: bytes([number]) * 600 for number, name in enumerate(names)}
    path = written(tmp_path / "b", members)
    assert verified_end(path).files == 4
    with opened_archive(path) as (_, found, _):
        assert {member.name: member.content() for member in found if member.name != END_NAME} == members
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert tar.getnames() == [HEADER_NAME, *members, END_NAME]
    with pytest.raises(ValueError, match="too long"):
        ArchiveWriter(io.BytesIO()).begin("z" * (LONGEST_NAME + 1), 0)


@pytest.mark.parametrize(
    ("heads", "reason"),
    [
        ([("L", LONGEST_NAME + 600)], "name is too long"),
        ([("L", 0)], "name is too long"),
        ([("L", 3, b"ab\0"), ("L", 3, b"ab\0")], "no file"),
        ([("L", 3, b"\xff\xfe\0"), ("0", 0)], "name is not readable"),
    ],
)
def test_a_name_that_is_too_long_or_none_is_damage(
    tmp_path: Path, heads: list[tuple[str, int] | tuple[str, int, bytes]], reason: str
):
    header = tarfile.TarInfo(HEADER_NAME)
    content = msgspec.json.encode(HEADER)
    header.size = len(content)
    tar = header.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)
    for kind, size, *held in heads:
        info = tarfile.TarInfo("././@LongLink" if kind == "L" else "ab")
        info.type, info.size = kind.encode(), size
        tar += info.tobuf(tarfile.GNU_FORMAT)
        for piece in held:
            tar += piece + bytes(-len(piece) % 512)
    path = tmp_path / "b"
    path.write_bytes(zstandard.ZstdCompressor().compress(tar + bytes(65_536)))
    with pytest.raises(UsageError, match=reason) as caught:
        verified_end(path)
    assert caught.value.code == "backup_damaged"


@settings(max_examples=60)
@given(st.data())
def test_no_cut_and_no_changed_byte_passes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    path = written(tmp_path_factory.mktemp("b") / "b", {"files/a": bytes(range(256)) * 20})
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(whole[:place])
    else:
        path.write_bytes(
            whole[:place] + bytes([whole[place] ^ (1 << data.draw(st.integers(0, 7)))]) + whole[place + 1 :]
        )
    with contextlib.suppress(UsageError):
        verified_end(path)
        # Only a bit of the stream's head that says nothing about its content gets here.
        with opened_archive(path) as (_, found, _):
            assert next(found).content() == bytes(range(256)) * 20


def test_what_is_no_backup_is_refused(tmp_path: Path):
    (tmp_path / "zip").write_bytes(b"PK\3\4" + bytes(100))
    (tmp_path / "tar.zst").write_bytes(zstandard.compress(bytes(10_240)))
    written(tmp_path / "endless", {"files/a": b"1"}, end=False)
    written(tmp_path / "later", {}, header=Header("sqlite", "abc", 1, version=2))
    for name in ("zip", "tar.zst", "endless", "later", "absent"):
        assert code_of(tmp_path / name) == "backup_damaged"


def test_a_member_has_the_size_that_it_announces(tmp_path: Path):
    with (tmp_path / "b").open("wb") as out:
        writer = ArchiveWriter(out)
        writer.begin("a", 2)
        with pytest.raises(ValueError, match="longer"):
            writer.write(b"123")
        writer.begin("a", 2)
        writer.write(b"1")
        with pytest.raises(ValueError, match="shorter"):
            writer.finish_member()
