"""Pictures, written anew: what was hidden in or behind them is gone, and so is where they were taken.

Four decoders and no more (CVE-2024-53863 of a peer). A picture is measured by its header before anything is decoded, and
animations frame by frame, so a bomb is refused before it takes memory. It blocks; it runs in threads.

What no decoder recognises is left as it is: it is then an attachment like any other and is never shown inline.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from PIL import Image, ImageFile, UnidentifiedImageError

from vox.chat.errors import Refusal, refuse
from vox.chat.storage.png_chunks import without_texts

MAX_PIXELS: Final = 50_000_000
"""Of a picture, and of all frames of an animation together: 200 MB decoded, and as much again while it is turned."""
SMALL_PIXELS: Final = 2_000_000
"""A picture with more, in all frames together, is decoded in a process of its own."""
MAX_FRAMES: Final = 512
MAX_SIDE: Final = 16_383
"""WebP's largest side; the other formats hold more, but no screen does."""
MAX_PROFILE_BYTES: Final = 131_072
"""A larger colour profile is dropped."""
JPEG_QUALITY: Final = 92
WEBP_QUALITY: Final = 90
FORMATS: Final = {
    "image/png": "PNG",
    "image/apng": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
}
"""What is decoded, by MIME type."""

_KEPT: Final = ("transparency", "icc_profile", "loop", "duration")
_ORIENTATION: Final = 0x0112
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by EXIF orientation."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Pixels of a picture, upright."""

    width: int
    height: int


def re_encode(source: BinaryIO, mime: str, out: BinaryIO, max_pixels: int = 0) -> Dimensions | None:
    """Decodes a picture and writes it anew in its own format.

    Args:
        source: the upload, from its beginning.
        mime: a key of FORMATS.
        out: where the new file is written.
        max_pixels: of the picture or all frames together; MAX_PIXELS where it is 0.

    Returns:
        Its size; None where no decoder recognises the file, and nothing was written.

    Raises:
        Refusal: FILE_TOO_LARGE for too many pixels or frames, UNSUPPORTED_MEDIA_TYPE for a damaged picture.
    """
    if FORMATS[mime] != "PNG":
        return _re_encode(source, mime, out, max_pixels or MAX_PIXELS)
    plain = without_texts(source, MAX_PROFILE_BYTES)
    try:
        return _re_encode(plain, mime, out, max_pixels or MAX_PIXELS)
    finally:
        if plain is not source:
            plain.close()


def _re_encode(source: BinaryIO, mime: str, out: BinaryIO, max_pixels: int) -> Dimensions | None:
    try:
        image = Image.open(source, formats=[FORMATS[mime]])
    except UnidentifiedImageError:
        return None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_large() from None
    except Exception as error:  # the top of a decoder on hostile bytes: it may raise anything
        raise damaged() from error
    try:
        with image:
            return _written(image, FORMATS[mime], out, max_pixels)
    except Refusal:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise too_large() from None
    except Exception as error:  # the top of a decoder on hostile bytes: it may raise anything
        raise damaged() from error


def _written(image: ImageFile.ImageFile, kind: str, out: BinaryIO, max_pixels: int) -> Dimensions:
    assert_size(image.width, image.height, max_pixels)
    frames: list[Image.Image] = []
    durations: list[float] = []
    loop, is_progressive = image.info.get("loop"), bool(image.info.get("progressive"))
    if kind != "JPEG":
        for frame in _frames(image, max_pixels):
            frames.append(frame)
            durations.append(float(frame.info.get("duration") or 0))
    if len(frames) > 1:
        more: dict[str, Any] = {} if loop is None else {"loop": loop}
        if kind == "GIF":
            more["disposal"] = 2
        _save(frames[0], out, kind, frames[1:], duration=[_milliseconds(each) for each in durations], **more)
        return Dimensions(frames[0].width, frames[0].height)
    picture: Image.Image = frames[0] if frames else image
    picture.load()
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 0))
    upright = picture.transpose(turn) if turn is not None else picture
    upright.info = _kept(picture.info)
    options: dict[str, Any] = {}
    if kind == "JPEG":
        options["quality"] = "keep" if upright is image and image.format == "JPEG" else JPEG_QUALITY
        options["progressive"] = is_progressive
    elif kind == "WEBP":
        options["lossless"] = _is_lossless(image)
    _save(upright, out, kind, [], **options)
    return Dimensions(upright.width, upright.height)


def _save(first: Image.Image, out: BinaryIO, kind: str, rest: list[Image.Image], **options: Any) -> None:
    profile = first.info.pop("icc_profile", None)
    if profile and kind != "GIF" and len(profile) <= MAX_PROFILE_BYTES:
        options["icc_profile"] = profile
    if kind == "WEBP":
        options.setdefault("quality", WEBP_QUALITY)
    if rest:
        options |= {"save_all": True, "append_images": rest}
    first.save(out, format=kind, **options)


def _frames(image: ImageFile.ImageFile, max_pixels: int) -> Iterator[Image.Image]:
    """Copies of all frames, counted and measured as they come; without anything but pixels and timing."""
    total = 0
    for index in range(MAX_FRAMES + 1):
        try:
            image.seek(index)
        except EOFError:
            return
        if index == MAX_FRAMES:
            raise too_large()
        total += image.width * image.height
        assert_size(image.width, image.height, max_pixels)
        if total > max_pixels:
            raise too_large()
        frame = image.copy()
        frame.info = _kept(image.info)
        yield frame
        if not getattr(image, "is_animated", False):
            return


def _kept(info: dict[Any, Any]) -> dict[Any, Any]:
    return {name: info[name] for name in _KEPT if name in info}


def assert_size(width: int, height: int, max_pixels: int) -> None:
    """Refuses a picture with too many pixels or too long a side.

    Raises:
        Refusal: FILE_TOO_LARGE.
    """
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise too_large()


def _milliseconds(duration: float) -> int:
    return max(0, min(round(duration), 65_535))


def _is_lossless(image: ImageFile.ImageFile) -> bool:
    source = image.fp
    if source is None or not source.seekable():
        return False
    source.seek(0)
    return b"VP8L" in source.read(64)


def too_large() -> Refusal:
    """The refusal of a picture with too many pixels or frames."""
    return refuse("FILE_TOO_LARGE", f"A picture has at most {MAX_PIXELS} pixels in at most {MAX_FRAMES} frames.")


def damaged() -> Refusal:
    """The refusal of a picture that cannot be decoded."""
    return refuse("UNSUPPORTED_MEDIA_TYPE", "The picture is damaged.")
