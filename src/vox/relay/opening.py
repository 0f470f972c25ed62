"""Opens the media engine, which is a native module: built by `make native`, or installed from a wheel."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from vox.errors import UsageError
from vox.relay.engine.contract import MediaEngine
from vox.relay.settings import Media

MODULE: Final = "vox_native"
ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  compared with, not listened on
REMEDY: Final = (
    "run `make native`, which needs cargo 1.89 or later and a C compiler, or install the wheel vox-native of a release"
)


def is_engine_installed() -> bool:
    """Whether the native module is there."""
    return find_spec(MODULE) is not None


def open_engine(media: Media, host: str) -> MediaEngine:
    """The engine on its ports.

    Args:
        media: its settings.
        host: bind address of the media ports.

    Raises:
        UsageError: native_missing without the module, media_ports_unusable where its ports cannot be had.
    """
    if not is_engine_installed():
        raise UsageError(
            "the relay's media engine, the module vox_native, is not installed", code="native_missing", hint=REMEDY
        )
    native: Any = import_module(MODULE)
    try:
        return native.Engine(
            host=host,
            udp_port=media.udp_port,
            tcp_port=None if media.tcp_port < 0 else media.tcp_port,
            threads=media.threads,
            public_addresses=media.public_addresses or ([] if host in ANY else [host]),
        )
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the media ports of {host} cannot be used: {error}",
            code="media_ports_unusable",
            hint="stop what holds them, or set media.udp_port and media.tcp_port; 0 picks free ones",
        ) from error
