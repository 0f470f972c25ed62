import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vox.chat.errors import Refusal
from vox.chat.storage import images
from vox.chat.storage.images import FORMATS, Dimensions, re_encode

MIMES = ["image/png", "image/jpeg", "image/gif", "image/webp"]


def encoded(image: Image.Image, mime: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, format=FORMATS[mime], **options)
    return out.getvalue()


def again(content: bytes, mime: str) -> tuple[Dimensions | None, Image.Image | None]:
    out = io.BytesIO()
    found = re_encode(io.BytesIO(content), mime, out)
    return found, Image.open(io.BytesIO(out.getvalue())) if found else None


@pytest.mark.parametrize("mime", MIMES)
def test_picture_keeps_its_pixels(mime):
    found, image = again(encoded(Image.new("RGB", (30, 20), (200, 100, 50)), mime), mime)
    assert found == Dimensions(30, 20)
    assert image is not None
    red, green, blue = image.convert("RGB").tobytes()[:3]
    assert abs(red - 200) + abs(green - 100) + abs(blue - 50) < 12


MODES_OF = {
    "image/png": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "image/jpeg": ["1", "L", "RGB", "CMYK"],
    "image/gif": ["1", "L", "LA", "P", "RGB", "RGBA"],
    "image/webp": ["L", "LA", "P", "RGB", "RGBA"],
}


@pytest.mark.parametrize(("mime", "mode"), [(mime, mode) for mime, modes in MODES_OF.items() for mode in modes])
def test_every_mode_that_a_format_has(mode, mime):
    picture = Image.new("RGB" if mode == "P" else mode, (5, 4)).convert(mode)
    assert again(encoded(picture, mime), mime)[0] == Dimensions(5, 4)


def test_transparency_stays():
    for mime in ("image/png", "image/gif", "image/webp"):
        picture = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
        picture.paste((0, 0, 255, 255), (0, 0, 5, 10))
        _, image = again(encoded(picture, mime), mime)
        assert image is not None
        alpha = image.convert("RGBA").getchannel("A")
        assert (alpha.getpixel((2, 2)), alpha.getpixel((8, 8))) == (255, 0), mime


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mime", ["image/png", "image/jpeg", "image/webp"])
def test_orientation_is_applied(mime, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    found, image = again(encoded(Image.new("L", (40, 20)), mime, exif=exif), mime)
    assert found == (Dimensions(40, 20) if orientation <= 4 else Dimensions(20, 40))
    assert image is not None
    assert 0x0112 not in image.getexif()


@pytest.mark.parametrize("mime", ["image/png", "image/gif", "image/webp"])
def test_animation_keeps_frames_and_timing(mime):
    frames = [Image.new("RGB", (8, 6), (index * 30, 0, 0)) for index in range(5)]
    content = encoded(frames[0], mime, save_all=True, append_images=frames[1:], duration=[40, 50, 60, 70, 80], loop=3)
    found, image = again(content, mime)
    assert found == Dimensions(8, 6)
    assert image is not None
    assert getattr(image, "n_frames", 1) == 5
    assert image.info["loop"] == 3
    image.seek(2)
    image.load()
    assert round(image.info["duration"]) == 60
    assert abs(image.convert("RGB").tobytes()[0] - 60) < 12


def test_what_no_decoder_knows_is_left_alone():
    for mime in MIMES:
        out = io.BytesIO()
        assert re_encode(io.BytesIO(b"GIF89a" + bytes(50)), mime, out) is None
        assert out.getvalue() == b""


def test_only_the_decoder_of_the_type_runs():
    assert again(encoded(Image.new("L", (2, 2)), "image/png"), "image/gif")[0] is None


def test_damaged_picture_is_refused():
    noise = Image.effect_noise((200, 200), 80)
    for mime in ("image/png", "image/jpeg", "image/webp"):
        content = encoded(noise, mime)
        with pytest.raises(Refusal) as error:
            again(content[: len(content) // 2], mime)
        assert error.value.wire_code == "UNSUPPORTED_MEDIA_TYPE", mime


def test_pixels_are_bounded_for_one_picture_and_for_all_frames(monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    assert again(encoded(Image.new("L", (40, 25)), "image/png"), "image/png")[0] == Dimensions(40, 25)
    frames = [Image.new("L", (20, 20), index * 60) for index in range(3)]
    bombs = [
        encoded(Image.new("L", (41, 25)), "image/png"),
        encoded(frames[0], "image/gif", save_all=True, append_images=frames[1:]),
    ]
    for content in bombs:
        with pytest.raises(Refusal) as error:
            again(content, "image/png" if content.startswith(b"\x89") else "image/gif")
        assert error.value.wire_code == "FILE_TOO_LARGE"


def test_comments_and_unknown_chunks_are_gone():
    gif = encoded(Image.new("L", (4, 4)), "image/gif", comment=b"secret words")
    jpeg = encoded(Image.new("L", (4, 4)), "image/jpeg", comment=b"secret words")
    for content, mime in ((gif, "image/gif"), (jpeg, "image/jpeg")):
        assert b"secret words" in content
        out = io.BytesIO()
        re_encode(io.BytesIO(content), mime, out)
        assert b"secret words" not in out.getvalue()


SPECKLED = Image.frombytes("RGB", (12, 12), bytes(index * 89 % 256 for index in range(432)))
CONTENTS = {mime: encoded(SPECKLED, mime) for mime in MIMES}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(MIMES), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=6))
def test_flipped_bytes_are_refused_or_decoded_and_nothing_else(mime, flips):
    content, out = bytearray(CONTENTS[mime]), io.BytesIO()
    for at, value in flips:
        content[at % len(content)] = value
    try:
        found = re_encode(io.BytesIO(bytes(content)), mime, out)
    except Refusal:
        return
    assert found is None or out.getvalue()
