"""What a browser sees at the server's address: what this is, and where to go on. Clients that ask for no HTML get the API's 404."""

from html import escape
from typing import Final

from vox.http.openapi import PAGE_STYLE

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-cache",
    "content-security-policy": _POLICY,
}

_REGISTER: Final = {
    "open": "Anyone may register",
    "invite": "Registering needs an invite, as <code>invite_code</code>",
    "closed": "Registration is closed; those who have an account log in at <code>/api/v1/auth/login</code>",
}
_EXAMPLE: Final = (
    "curl -H 'content-type: application/json' \\\n"
    '  -d \'{"username": "ada", "password": "correct horse battery"}\' \\\n'
    "  {address}/api/v1/auth/register"
)


def wants_page(accept: bytes) -> bool:
    """Whether an Accept header is a browser's."""
    return b"text/html" in accept.lower()


def landing_page(server_name: str, registration: str, address: str) -> bytes:
    """The page.

    Args:
        server_name: of the community.
        registration: VOX_REGISTRATION.
        address: of this server as the browser knows it, such as `http://127.0.0.1:8000`.
    """
    name = escape(server_name)
    example = escape(_EXAMPLE.replace("{address}", address))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{name}</title><style>{PAGE_STYLE}pre{{overflow-x:auto}}</style><h1>{name}</h1>"
        "<p>This is the chat server of a Vox community: an API for clients and bots. Its web client is not built here: type "
        "<code>make web</code> in the folder of Vox on this machine, then load this page again.</p>"
        '<ul><li><a href="/docs">All routes</a></li><li><a href="/openapi.json">OpenAPI document</a></li>'
        "<li>Events: a WebSocket at <code>/gateway</code></li>"
        '<li>Probes: <a href="/health">/health</a> and <a href="/ready">/ready</a></li></ul>'
        f"<p>{_REGISTER[registration]}. The answer to a registration has the token that every other request sends as "
        "<code>Authorization: Bearer</code>:</p>"
        f"<pre><code>{example}</code></pre></html>"
    ).encode()
