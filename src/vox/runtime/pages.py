"""Finds and serves the built web client: precompressed files, those with a hash in their name for ever, each with the policy header.

The client is built by `make web` into `runtime/client`, which no commit holds and every wheel carries. A part mounts it by giving a route
to each of `PATHS`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import FileResponse

BUILT: Final = Path(__file__).parent / "client"
"""Where `make web` puts the client, and where the wheel has it."""

PATHS: Final = ("/index.html", "/client.json", "/icon.svg", "/assets/{name}")
"""What there is besides `/`."""

HOW_TO_BUILD: Final = "build it with `make web` in the folder of Vox"

POLICY_FILE: Final = "content-security-policy.txt"
"""Beside an exported client: the header for whatever serves it."""

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_CODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
_FOR_EVER: Final = "public, max-age=31536000, immutable"


class ClientPages:
    """The files of the client.

    Args:
        connect: addresses besides the page's own that its scripts connect to, as `wss://relay.example:7880`; paths are cut off.
        folder: where the client was built.
        to_any_secure: whether scripts connect to any encrypted address, because those of the relays are known only when one joins.
    """

    def __init__(self, connect: Sequence[str] = (), folder: Path = BUILT, *, to_any_secure: bool = False) -> None:
        self._folder = folder
        self._headers = {
            "content-security-policy": policy(connect, to_any_secure=to_any_secure),
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "permissions-policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=()",
        }

    @property
    def is_built(self) -> bool:
        """Whether there is a client to serve; looked up each time, because `make web` may run beside the server."""
        return (self._folder / "index.html").is_file()

    def index(self, accepted: str) -> FileResponse | None:
        """The page, or None where it is not built.

        Args:
            accepted: the Accept-Encoding header.
        """
        return self.file("index.html", accepted)

    def file(self, path: str, accepted: str) -> FileResponse | None:
        """One file, compressed as the browser accepts it; None where there is none.

        Args:
            path: below the client's folder, `index.html` or `assets/NAME`; anything else is not there.
            accepted: the Accept-Encoding header.
        """
        folder, _, name = path.rpartition("/")
        found = self._folder / folder / name
        if folder not in {"", "assets"} or name.startswith(".") or "\\" in name or found.suffix not in _TYPES:
            return None
        if not found.is_file():
            return None
        kept = _FOR_EVER if folder == "assets" else "no-cache"
        headers = {**self._headers, "cache-control": kept, "vary": "accept-encoding"}
        codings = {coding.partition(";")[0].strip().lower() for coding in accepted.split(",")}
        for coding, suffix in _CODINGS:
            packed = found.with_name(name + suffix)
            if coding in codings and packed.is_file():
                headers["content-encoding"] = coding
                return FileResponse(packed, headers=headers, media_type=_TYPES[found.suffix])
        return FileResponse(found, headers=headers, media_type=_TYPES[found.suffix])


def policy(connect: Sequence[str], *, to_any_secure: bool = False) -> str:
    """The Content-Security-Policy of the client.

    Args:
        connect: further addresses that scripts connect to; of each only scheme, host and port count, and one that is no address is left out.
        to_any_secure: allows every `https:` and `wss:` address besides.
    """
    named = [origin for address in connect for origin in _origins(address)]
    origins = " ".join(dict.fromkeys([*named, *(("https:", "wss:") if to_any_secure else ())]))
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            f"connect-src 'self' {origins}".strip(),
            "font-src 'self'",
            "worker-src 'self'",
            "manifest-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types svelte-trusted-html vox-worker",
        )
    )


def _origins(address: str) -> Sequence[str]:
    """An address as both its HTTP and its WebSocket origin: relays and agents speak both at one port."""
    try:
        parts = urlsplit(address)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return ()
    host = parts.hostname or ""
    if not host or any(letter in "'\";, *" for letter in host):
        return ()
    host = f"[{host}]" if ":" in host else host
    secure = {"https": True, "wss": True, "http": False, "ws": False}.get(parts.scheme)
    if secure is None:
        return ()
    return tuple(f"{scheme}://{host}{port}" for scheme in (("https", "wss") if secure else ("http", "ws")))
