import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from typing import BinaryIO, cast

import pytest
from PIL import Image

from vox.chat.errors import Refusal
from vox.chat.storage import image_worker, limits
from vox.chat.storage.image_worker import re_encode_apart, re_encode_here_or_apart
from vox.chat.storage.images import Dimensions


@contextmanager
def files(content: bytes | None = None) -> Generator[tuple[BinaryIO, BinaryIO]]:
    with tempfile.SpooledTemporaryFile() as source, tempfile.SpooledTemporaryFile() as out:
        if content is None:
            Image.new("RGB", (30, 20), (9, 8, 7)).save(source, "PNG")
        else:
            source.write(content)
        yield cast("BinaryIO", source), cast("BinaryIO", out)


def test_a_picture_is_written_anew_in_another_process():
    with files() as (source, out):
        assert re_encode_apart(source, "image/png", out) == Dimensions(30, 20)
        assert out.tell() > 0
        out.seek(0)
        assert Image.open(out).size == (30, 20)


def test_its_refusals_come_back():
    with files(b"\x89PNG\r\n\x1a\n" + bytes(100)) as (source, out):
        assert re_encode_apart(source, "image/png", out) is None
    with files() as (source, out):
        source.seek(0)
        half = source.read()[:60]
        source.seek(0)
        source.truncate()
        source.write(half)
        with pytest.raises(Refusal) as error:
            re_encode_apart(source, "image/png", out)
        assert (error.value.wire_code, str(error.value)) == ("UNSUPPORTED_MEDIA_TYPE", "The picture is damaged.")


def test_one_that_takes_too_long_is_ended():
    with files() as (source, out), pytest.raises(Refusal) as error:
        re_encode_apart(source, "image/png", out, time_limit_s=0.001)
    assert error.value.wire_code == "FILE_TOO_LARGE"


def test_only_a_large_picture_costs_a_process_in_a_program_of_one(monkeypatch: pytest.MonkeyPatch):
    apart: list[str] = []

    def told(source: BinaryIO, mime: str, out: BinaryIO) -> Dimensions | None:
        apart.append(mime)
        return re_encode_apart(source, mime, out)

    monkeypatch.setattr(image_worker, "re_encode_apart", told)
    with files() as (source, out):
        assert re_encode_here_or_apart(source, "image/png", out) == Dimensions(30, 20)
    assert apart == []
    monkeypatch.setattr(image_worker, "SMALL_PIXELS", 10)
    with files() as (source, out):
        assert re_encode_here_or_apart(source, "image/png", out) == Dimensions(30, 20)
        out.seek(0)
        assert Image.open(out).size == (30, 20)
    assert apart == ["image/png"]


async def test_large_pictures_go_there(monkeypatch: pytest.MonkeyPatch):
    from vox.chat.config.settings import load_chat_settings
    from vox.chat.events.ids import UserId

    monkeypatch.setattr(limits, "SMALL_PIXELS", 10)
    desk = limits.UploadLimits(load_chat_settings({}, {}).settings)
    with files() as (source, out):
        assert await desk.reencode(source, "image/png", out, UserId(1)) == Dimensions(30, 20)
    desk.close()
