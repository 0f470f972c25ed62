"""Thumbnails: a picture's first frame, made smaller, as WebP. It blocks; it runs in threads or in a process of its own.

The decoders and bounds are those of `images`; nothing of the source but its pixels gets into the result.
"""

from typing import Any, BinaryIO, Final

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from vox.chat.errors import Refusal
from vox.chat.storage.images import FORMATS, MAX_PIXELS, MAX_PROFILE_BYTES, Dimensions, assert_size, damaged, too_large
from vox.chat.storage.png_chunks import without_texts

SIDES: Final = (64, 128, 320, 640, 1280)
"""The longest side that may be asked for, in pixels: few, so that few are made and kept."""
MIME: Final = "image/webp"
QUALITY: Final = 82


def make_thumbnail(
    source: BinaryIO, mime: str, out: BinaryIO, side: int, max_pixels: int = 0, *, is_square: bool = False
) -> Dimensions | None:
    """Writes a smaller copy of a picture; a picture that is small already keeps its size.

    Args:
        source: the picture, from its beginning.
        mime: a key of FORMATS.
        out: where the WebP is written.
        side: the longest side in pixels.
        max_pixels: of the picture; MAX_PIXELS where it is 0.
        is_square: whether the middle of the picture is cut out as a square, as for avatars.

    Returns:
        The size of the copy; None where no decoder recognises the file.

    Raises:
        Refusal: FILE_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE for a damaged picture.
    """
    plain = without_texts(source, MAX_PROFILE_BYTES) if FORMATS[mime] == "PNG" else source
    try:
        with Image.open(plain, formats=[FORMATS[mime]]) as image:
            return _written(image, out, side, max_pixels or MAX_PIXELS, is_square=is_square)
    except Refusal:
        raise
    except UnidentifiedImageError:
        return None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise too_large() from None
    except Exception as error:  # the top of a decoder on hostile bytes: it may raise anything
        raise damaged() from error
    finally:
        if plain is not source:
            plain.close()


def _written(image: ImageFile.ImageFile, out: BinaryIO, side: int, max_pixels: int, *, is_square: bool) -> Dimensions:
    assert_size(image.width, image.height, MAX_PIXELS)
    if image.format == "JPEG":
        image.draft("RGB", (2 * side, 2 * side))  # decodes at a fraction of the size
    assert_size(image.width, image.height, max_pixels)
    image.load()
    picture: Any = ImageOps.exif_transpose(image)
    has_alpha = "A" in picture.getbands() or "transparency" in picture.info
    picture = picture.convert("RGBA" if has_alpha else "RGB")
    if is_square:
        short = min(picture.width, picture.height)
        left, top = (picture.width - short) // 2, (picture.height - short) // 2
        picture = picture.crop((left, top, left + short, top + short))
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    picture.info = {}
    picture.save(out, format="WEBP", quality=QUALITY)
    return Dimensions(picture.width, picture.height)
