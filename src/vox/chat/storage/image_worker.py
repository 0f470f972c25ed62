"""One large picture, re-encoded or made smaller in a process of its own: ended when its time is over, and its memory is given back with it.

A decoder's work cannot be interrupted in a thread, and pixels say little of the time they take. The process inherits nothing but
three files: the upload as its standard input, the new file as its output, and a pipe for the result.
"""

import os
import subprocess
import sys
from typing import BinaryIO, Final, cast

import msgspec

from vox.chat.errors import Refusal, refuse
from vox.chat.storage.images import SMALL_PIXELS, Dimensions, re_encode
from vox.chat.storage.thumbnails import make_thumbnail

TIME_LIMIT_S: Final = 15.0
MEMORY_LIMIT_BYTES: Final = 2 << 30
"""Of addresses, of which a picture of MAX_PIXELS needs about half while it is turned."""


class Result(msgspec.Struct, omit_defaults=True):
    """What the process found: a size, the code and message of a refusal, or nothing where no decoder knows the file."""

    width: int = 0
    height: int = 0
    code: str = ""
    message: str = ""


def re_encode_apart(
    source: BinaryIO, mime: str, out: BinaryIO, time_limit_s: float = TIME_LIMIT_S
) -> Dimensions | None:
    """`re_encode` in a process of its own; blocks, for threads.

    Args:
        source: the upload, a file with a descriptor.
        mime: as for `re_encode`.
        out: an empty file with a descriptor.
        time_limit_s: how long it may take.

    Raises:
        Refusal: as `re_encode`; FILE_TOO_LARGE also where it takes too long or too much memory.
    """
    return _apart(source, out, [mime], time_limit_s)


def re_encode_here_or_apart(source: BinaryIO, mime: str, out: BinaryIO) -> Dimensions | None:
    """`re_encode`, a large picture in a process of its own: for programs that have one picture at a time; blocks.

    Args:
        source: as for `re_encode_apart`.
        mime: as for `re_encode`.
        out: as for `re_encode_apart`.

    Raises:
        Refusal: as `re_encode_apart`.
    """
    try:
        return re_encode(source, mime, out, SMALL_PIXELS)
    except Refusal as refusal:
        if refusal.wire_code != "FILE_TOO_LARGE":
            raise
    out.seek(0)
    out.truncate()
    return re_encode_apart(source, mime, out)


def thumbnail_apart(
    source: BinaryIO, mime: str, out: BinaryIO, side: int, *, is_square: bool = False
) -> Dimensions | None:
    """`make_thumbnail` in a process of its own; blocks, for threads.

    Args:
        source: the picture, a file with a descriptor.
        mime: as for `make_thumbnail`.
        out: an empty file with a descriptor.
        side: the longest side in pixels.
        is_square: as for `make_thumbnail`.

    Raises:
        Refusal: as `make_thumbnail`; FILE_TOO_LARGE also where it takes too long or too much memory.
    """
    return _apart(source, out, [mime, str(side), "square" if is_square else ""], TIME_LIMIT_S)


def _apart(source: BinaryIO, out: BinaryIO, arguments: list[str], time_limit_s: float) -> Dimensions | None:
    source.flush()
    out.flush()
    try:
        done = subprocess.run(  # noqa: S603  our own module; the type is a key of FORMATS
            [sys.executable, "-m", __name__, *arguments],
            stdin=source.fileno(),
            stdout=out.fileno(),
            stderr=subprocess.PIPE,
            env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
            timeout=time_limit_s,
            check=False,
        )
        result = msgspec.json.decode(done.stderr.splitlines()[-1], type=Result)
    except (subprocess.TimeoutExpired, msgspec.MsgspecError, IndexError):
        raise too_costly() from None
    if result.code:
        raise refuse(result.code, result.message)
    out.seek(0, 2)
    return Dimensions(result.width, result.height) if result.width else None


def too_costly() -> Refusal:
    """The refusal of a picture that takes more time or memory than one may."""
    return refuse("FILE_TOO_LARGE", f"The picture takes longer than {TIME_LIMIT_S:g} s to process; send a smaller one.")


def main() -> None:
    """Reads standard input, writes standard output, and says on standard error what it found."""
    _bound_memory()
    source, out = os.fdopen(0, "rb"), os.fdopen(1, "wb")
    source.seek(0)
    try:
        mime, target = sys.argv[1], cast("BinaryIO", out)
        if len(sys.argv) > 2:  # noqa: PLR2004  a side: a thumbnail
            found = make_thumbnail(source, mime, target, int(sys.argv[2]), is_square=sys.argv[3] == "square")
        else:
            found = re_encode(source, mime, target)
        out.flush()
        result = Result() if found is None else Result(found.width, found.height)
    except Refusal as refusal:
        result = Result(code=refusal.wire_code, message=str(refusal))
    os.write(2, b"\n" + msgspec.json.encode(result))
    os._exit(0)


def _bound_memory() -> None:
    try:
        import resource  # noqa: PLC0415  absent on Windows
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))


if __name__ == "__main__":
    main()
