"""A server's certificate and key: checked before it listens, and read again when the files are renewed.

OpenSSL's own errors name neither the file nor the remedy, and an expired certificate or a key of another certificate is none
to it until clients fail. So both are read here first.
"""

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from vox.errors import UsageError

RENEWAL_CHECK_S: Final = 60.0
"""How often the files are looked at. Kubernetes brings a renewed secret into the pod within about as long."""
_MAX_FILE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of one server.

    Args:
        cert: PEM file with the certificate, and those between it and its authority.
        key: PEM file with the private key, not encrypted.
    """

    cert: Path
    key: Path

    def check(self, now: datetime) -> datetime:
        """The end of the certificate's validity, where a server can be started with the files.

        Raises:
            UsageError: a file cannot be read or is no PEM, the key is encrypted or belongs to another certificate, or the
                certificate is not valid at this time.
        """
        certificate = _certificate(self.cert)
        key = _private_key(self.key)
        if _spki(certificate.public_key()) != _spki(key.public_key()):
            raise UsageError(
                f"the key in {self.key} does not belong to the certificate in {self.cert}",
                code="tls_mismatch",
                hint="give the pair that was made together; in the certificate's file the server's own comes first",
            )
        if now >= certificate.not_valid_after_utc:
            raise UsageError(
                f"the certificate in {self.cert} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
                code="tls_expired",
                hint="renew it, and start again",
            )
        if now < certificate.not_valid_before_utc:
            raise UsageError(
                f"the certificate in {self.cert} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
                code="tls_not_yet_valid",
                hint="check the clock of this machine, or wait",
            )
        return certificate.not_valid_after_utc

    def changed_at(self) -> tuple[int, int]:
        """When each file was written, in ns; zeros while one of them is being replaced."""
        try:
            return self.cert.stat().st_mtime_ns, self.key.stat().st_mtime_ns
        except OSError:
            return 0, 0

    def load_into(self, context: ssl.SSLContext) -> None:
        """Serves these files to handshakes from now on; connections that exist keep theirs.

        Raises:
            UsageError: OpenSSL does not take them.
        """
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.cert, self.key, password=_no_password)
            context.load_cert_chain(self.cert, self.key, password=_no_password)
        except OSError as error:  # ssl.SSLError is one
            raise UsageError(
                f"the TLS files cannot be used: {error.strerror or error}",
                code="tls_unreadable",
                hint=f"check {self.cert} and {self.key}",
            ) from error


def _certificate(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(_read(file, "certificate"))[0]
    except ValueError as error:
        raise UsageError(
            f"there is no certificate in {file}",
            code="tls_unreadable",
            hint="tls_cert_file is a PEM file that contains `BEGIN CERTIFICATE`",
        ) from error


def _private_key(file: Path) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(_read(file, "key"), None)
    except TypeError as error:
        raise UsageError(
            f"the key in {file} is encrypted",
            code="tls_key_encrypted",
            hint="decrypt it with `openssl pkey -in FILE -out NEW`, and let the server's user alone read it",
        ) from error
    except ValueError as error:  # UnsupportedAlgorithm is told apart by nothing the operator could do
        raise UsageError(
            f"there is no private key in {file}",
            code="tls_unreadable",
            hint="tls_key_file is a PEM file that contains `BEGIN PRIVATE KEY`",
        ) from error


def _read(file: Path, what: str) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise UsageError(
            f"the TLS {what} {file} cannot be read: {error.strerror or error}",
            code="tls_unreadable",
            hint="check the path, and that the server's user may read it",
        ) from error


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _no_password() -> str:
    """Keeps OpenSSL from asking on the terminal; an encrypted key has been refused before."""
    return ""
