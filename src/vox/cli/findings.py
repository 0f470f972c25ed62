"""What a check of an installation finds, and the check of a certificate, which several parts have."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from vox.errors import UsageError

Status = Literal["ok", "off", "warn", "fail"]

RENEW_WITHIN = timedelta(days=14)
"""What is left of a certificate when its renewal is late: authorities' clients renew a month before the end."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `remedy` says what to do unless the status is ok."""

    check: str
    status: Status
    detail: str
    remedy: str = ""


def check_certificate(cert_file: str, key_file: str) -> Finding:
    """Whether a server would start with certificate and key, and for how long."""
    from vox.http.tls import TlsFiles
    from vox.runtime.clock import SystemClock

    now = SystemClock().wall()
    try:
        until = TlsFiles(Path(cert_file), Path(key_file)).check(now)
    except UsageError as error:
        return Finding("tls", "fail", error.args[0], error.hint)
    shown = f"{cert_file} and its key, valid until {until:%Y-%m-%d}"
    if until - now < RENEW_WITHIN:
        return Finding(
            "tls", "warn", shown, "renew the certificate; a running server reads the new files within a minute"
        )
    return Finding("tls", "ok", shown)
