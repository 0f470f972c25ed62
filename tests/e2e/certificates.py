"""Certificates for tests, made here: valid, expired, not yet valid, with whatever key."""

import datetime as dt
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = (x509.DNSName("localhost"), x509.DNSName("vox.example.com"))


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate's file and its key's."""

    cert: Path
    key: Path


def certificate(
    folder: Path, name: str = "server", *, begins_in_days: float = -1, ends_in_days: float = 2, password: str = ""
) -> Pair:
    """Writes `name`.crt and `name`.key; the key is encrypted where there is a password."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    loopback = x509.IPAddress(ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=begins_in_days))
        .not_valid_after(now + dt.timedelta(days=ends_in_days))
        .add_extension(x509.SubjectAlternativeName([*NAMES, loopback]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    protection = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, protection))
    return pair
