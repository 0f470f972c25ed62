import io
from typing import Any

import pytest
from PIL import Image

from vox.chat.errors import Refusal
from vox.chat.storage.image_worker import thumbnail_apart
from vox.chat.storage.images import Dimensions
from vox.chat.storage.thumbnails import make_thumbnail


def picture(kind: str, size: tuple[int, int], mode: str = "RGB", **more: Any) -> io.BytesIO:
    out = io.BytesIO()
    Image.new(mode, size, "red").save(out, format=kind, **more)
    out.seek(0)
    return out


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_the_longest_side_is_bounded_and_the_shape_kept(kind: str):
    out = io.BytesIO()
    assert make_thumbnail(picture(kind, (800, 200)), f"image/{kind.lower()}", out, 320) == Dimensions(320, 80)
    with Image.open(out) as made:
        assert (made.format, made.size) == ("WEBP", (320, 80))


def test_a_small_picture_is_not_made_larger():
    assert make_thumbnail(picture("PNG", (40, 20)), "image/png", io.BytesIO(), 320) == Dimensions(40, 20)


def test_the_middle_is_cut_out_as_a_square():
    out = io.BytesIO()
    assert make_thumbnail(picture("PNG", (300, 100)), "image/png", out, 64, is_square=True) == Dimensions(64, 64)


def test_a_photo_is_turned_upright_and_its_place_does_not_get_along():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "secret camera"
    out = io.BytesIO()
    found = make_thumbnail(picture("JPEG", (200, 100), exif=exif), "image/jpeg", out, 64)
    assert found == Dimensions(32, 64)
    assert b"secret camera" not in out.getvalue()


def test_what_is_see_through_stays_so():
    source = io.BytesIO()
    Image.new("RGBA", (50, 50), (255, 0, 0, 0)).save(source, format="PNG")
    source.seek(0)
    out = io.BytesIO()
    make_thumbnail(source, "image/png", out, 64)
    with Image.open(out) as made:
        assert made.convert("RGBA").getpixel((5, 5))[3] == 0  # pyright: ignore[reportOptionalSubscript, reportIndexIssue]


def test_too_many_pixels_are_refused_before_they_are_decoded():
    with pytest.raises(Refusal, match="pixels"):
        make_thumbnail(picture("PNG", (400, 400)), "image/png", io.BytesIO(), 64, 1000)


def test_another_format_than_named_is_not_decoded():
    assert make_thumbnail(picture("GIF", (4, 4)), "image/png", io.BytesIO(), 64) is None


def test_a_damaged_picture_is_refused():
    broken = io.BytesIO(picture("PNG", (90, 90)).getvalue()[:60])
    with pytest.raises(Refusal):
        make_thumbnail(broken, "image/png", io.BytesIO(), 64)


def test_a_process_of_its_own_makes_the_same(tmp_path):
    (tmp_path / "in").write_bytes(picture("PNG", (300, 100)).getvalue())
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("w+b") as out:
        assert thumbnail_apart(source, "image/png", out, 64, is_square=True) == Dimensions(64, 64)
        out.seek(0)
        with Image.open(out) as made:
            assert made.format == "WEBP"
