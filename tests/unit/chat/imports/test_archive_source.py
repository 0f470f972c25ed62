"""Archives that are hostile, cut or odd: measured before they are read, and refused by name."""

import struct
import zipfile
from pathlib import Path

import pytest

from vox.chat.imports import archive_source
from vox.chat.imports.archive_source import FolderSource, ZipSource, open_source
from vox.errors import UsageError


def zipped(path: Path, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/"), content)
    return path


def refusal(path: Path, name: str = "") -> str:
    with pytest.raises(UsageError) as caught:
        read_all(path, name)
    return caught.value.code


def read_all(path: Path, name: str) -> None:
    source = open_source(path)
    with source.open(name or source.names()[0]) as file:
        while file.read(1 << 16):
            pass


def test_entries_are_found_by_name_and_folders_are_none(tmp_path: Path):
    source = open_source(zipped(tmp_path / "a.zip", a__b=b"12", folder__=b""))
    assert source.names() == ["a/b"]
    assert (source.size("a/b"), source.size("c")) == (2, None)
    with source.open("a/b") as file:
        assert file.read() == b"12"
    assert source.fingerprint("a/b") != source.fingerprint("c")
    source.close()


def test_a_bomb_is_refused_before_and_while_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive_source, "FREE_BYTES", 1000)
    bomb = zipped(tmp_path / "bomb.zip", x=bytes(5_000_000))
    assert refusal(bomb) == "archive_refused"

    monkeypatch.setattr(archive_source, "FREE_BYTES", 200_000)  # each entry passes; all together do not
    many = ZipSource(zipped(tmp_path / "many.zip", **{f"x{n}": bytes(100_000) for n in range(20)}))
    for name in many.names()[:6]:
        many.open(name).read()
    with pytest.raises(UsageError, match="unpacks to"):
        [many.open(name).read() for name in many.names()]


def test_a_lying_size_and_overlapping_entries_end_in_a_refusal(tmp_path: Path):
    honest = zipped(tmp_path / "a.zip", x=b"a" * 1000).read_bytes()
    place = honest.rfind(b"PK\1\2")
    lying = bytearray(honest)
    struct.pack_into("<L", lying, place + 24, 10)  # the unpacked size in the list of files
    (tmp_path / "lying.zip").write_bytes(lying)
    assert refusal(tmp_path / "lying.zip") == "archive_damaged"
    crc = bytearray(honest)
    crc[place + 16] ^= 1
    (tmp_path / "crc.zip").write_bytes(crc)
    assert refusal(tmp_path / "crc.zip") == "archive_damaged"


def test_a_list_of_files_that_would_fill_the_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = zipped(tmp_path / "a.zip", x=b"1", y=b"2")
    monkeypatch.setattr(archive_source, "MAX_ENTRIES", 1)
    assert refusal(path) == "archive_refused"
    monkeypatch.setattr(archive_source, "MAX_ENTRIES", 10)
    monkeypatch.setattr(archive_source, "MAX_DIRECTORY_BYTES", 10)
    assert refusal(path) == "archive_refused"
    monkeypatch.setattr(archive_source, "MAX_ENTRIES", 1)
    with pytest.raises(UsageError):
        FolderSource(_folder(tmp_path))


def test_what_is_cut_or_no_archive_is_damaged(tmp_path: Path):
    whole = zipped(tmp_path / "a.zip", x=b"1" * 5000, y=b"2").read_bytes()
    for number, content in enumerate((b"", b"PK\3\4", whole[: len(whole) // 2], whole[:-1], b"\0" * 100_000)):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(content)
        assert refusal(path) == "archive_damaged", number
    assert refusal(tmp_path / "absent.zip") == "archive_damaged"
    assert refusal(tmp_path / "a.zip", "not there") == "archive_damaged"


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_cannot_be_unpacked_is_damaged_however_it_was_packed(tmp_path: Path, method: int):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x", bytes(range(64)) * 4)
    whole = path.read_bytes()
    packed = range(31, whole.rfind(b"PK\1\2"))
    codes: list[str] = []
    for at in packed:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            read_all(path, "x")  # the last bits may say nothing
        except UsageError as error:
            codes.append(error.code)
    assert len(codes) > len(packed) // 2
    assert set(codes) == {"archive_damaged"}
    unknown = bytearray(whole)
    for place in (8, whole.rfind(b"PK\1\2") + 10):
        struct.pack_into("<H", unknown, place, 97)  # a method that Python does not have
    path.write_bytes(unknown)
    assert refusal(path) == "archive_damaged"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_and_encrypted_ones_are_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("x", b"1")
        archive.writestr("x", b"2")
    assert refusal(tmp_path / "two.zip") == "archive_refused"
    secret = bytearray(zipped(tmp_path / "a.zip", x=b"1").read_bytes())
    secret[secret.rfind(b"PK\1\2") + 8] |= 1
    (tmp_path / "secret.zip").write_bytes(secret)
    assert refusal(tmp_path / "secret.zip") == "archive_refused"


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    (folder / "inner").mkdir(parents=True, exist_ok=True)
    (folder / "inner" / "a.json").write_text("[]")
    (folder / "b.json").write_text("[]")
    return folder


def test_no_name_and_no_link_leads_out_of_a_folder(tmp_path: Path):
    folder = _folder(tmp_path)
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    source = open_source(folder)
    assert source.names() == ["b.json", "inner/a.json"]
    for name in ("../secret", "link", "/etc/passwd", "inner/../../secret", "a\0b", "x" * 5000):
        assert source.size(name) is None
        with pytest.raises(UsageError):
            source.open(name)
    one = open_source(folder / "b.json")
    assert one.names() == ["b.json"]
    assert one.size("inner/a.json") == 2
