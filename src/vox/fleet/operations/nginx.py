"""The nginx configuration for a fleet of workers; pure.

Three groups of the same workers, because nginx has one opinion of a server per group. Calls go by the number of
connections, shared by nginx's processes. A worker that is full or drains says 503: that is no reason to take it for dead,
so the call is asked of the others in a group that never does. A worker that refuses connections is left alone for a moment
in the first group only. Requests of the API keep their connections; calls, which become sockets, have no use for that.
"""

from collections.abc import Sequence
from typing import Final

RETRY_AFTER_FAILURE_S: Final = 2
RETRY_AFTER_S: Final = 5
READ_TIMEOUT_S: Final = 4 * 3600
CALL_PATHS: Final = "ws|exotel|telephony/ws|v1/streams"
"""Where media streams arrive; a regular expression."""

_HEADERS: Final = """\
        # With its port: carriers sign the address that they called
        proxy_set_header Host $http_host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;"""
"""In each location, because one with a header of its own inherits none."""

_TEMPLATE: Final = """\
# Written by `vox fleet nginx`. Goes into the http block, as /etc/nginx/conf.d/{name}.conf
upstream {name}_calls {{
    # One count of connections for all of nginx's processes
    zone {name}_calls 128k;
    least_conn;
{calls}
}}

# Where a refusal (503, 429) is asked again: max_fails=0, because a worker that is full or drains is not dead
upstream {name}_others {{
    zone {name}_others 128k;
    least_conn;
{others}
}}

upstream {name}_api {{
    zone {name}_api 128k;
    least_conn;
{calls}
    keepalive 32;
}}

map $http_upgrade ${name}_connection {{
    default upgrade;
    ""      "";
}}

server {{
    listen {listen};
    server_name {server_name};

    client_max_body_size 1m;
    proxy_http_version 1.1;
    proxy_connect_timeout 2s;
    # Only while no worker has taken the request: an upgraded call is never asked twice
    proxy_next_upstream error timeout;
    proxy_next_upstream_timeout 10s;
    recursive_error_pages on;

    # For Prometheus, which asks each worker itself
    location ~ ^/(metrics|admin)(/|$) {{
        return 404;
    }}

    # Calls: not buffered, and open as long as the longest call
    location ~ ^/({paths})(/|$) {{
        proxy_pass http://{name}_calls;
{headers}
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection ${name}_connection;
        proxy_buffering off;
        proxy_read_timeout {read_timeout_s}s;
        proxy_send_timeout {read_timeout_s}s;
        proxy_intercept_errors on;
        # Nothing has begun before the upgrade, so that a call may be asked again after any failure
        error_page 429 502 503 504 = @{name}_others;
    }}

    location @{name}_others {{
        proxy_pass http://{name}_others;
        proxy_next_upstream error timeout http_503 http_429 non_idempotent;
{headers}
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection ${name}_connection;
        proxy_buffering off;
        proxy_read_timeout {read_timeout_s}s;
        proxy_send_timeout {read_timeout_s}s;
        error_page 502 504 = @{name}_none;
    }}

    # None of them answers: busy, which callers and carriers understand, and when to ask again
    location @{name}_none {{
        default_type application/json;
        add_header Retry-After {retry_after_s} always;
        return 503 '{{"error":{{"code":"UNAVAILABLE","message":"No call worker answers at present"}}}}';
    }}

    # Webhooks, dispatches, health: an empty header, so that the connection is kept
    location / {{
        proxy_pass http://{name}_api;
{headers}
        proxy_set_header Connection "";
        proxy_intercept_errors on;
        # A refusal alone: after any other failure the request may have been carried out
        error_page 429 503 = @{name}_others;
    }}
}}
"""


def nginx_site(workers: Sequence[str], *, name: str = "voxcore", listen: str = "80", server_name: str = "_") -> str:
    """What nginx needs to spread calls over workers.

    Args:
        workers: HOST:PORT of each.
        name: begins the names of the groups.
        listen: where nginx listens.
        server_name: the public host name.
    """
    return _TEMPLATE.format(
        name=name,
        listen=listen,
        server_name=server_name,
        paths=CALL_PATHS,
        read_timeout_s=READ_TIMEOUT_S,
        retry_after_s=RETRY_AFTER_S,
        headers=_HEADERS,
        calls="\n".join(
            f"    server {worker} max_fails=1 fail_timeout={RETRY_AFTER_FAILURE_S}s;" for worker in workers
        ),
        others="\n".join(f"    server {worker} max_fails=0;" for worker in workers),
    )
