import datetime as dt
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.certificates import Pair, certificate
from vox.errors import UsageError
from vox.http.tls import TlsFiles

NOW = dt.datetime.now(dt.UTC)


def files(pair: Pair) -> TlsFiles:
    return TlsFiles(pair.cert, pair.key)


def test_a_good_pair_says_until_when(tmp_path: Path):
    until = files(certificate(tmp_path, ends_in_days=30)).check(NOW)
    assert dt.timedelta(days=29) < until - NOW < dt.timedelta(days=31)


def with_text(where: str) -> Callable[[Path], TlsFiles]:
    def make(folder: Path) -> TlsFiles:
        pair = certificate(folder)
        getattr(pair, where).write_text("certainly no PEM\n")
        return files(pair)

    return make


def mismatched(folder: Path) -> TlsFiles:
    return TlsFiles(certificate(folder, "one").cert, certificate(folder, "other").key)


def swapped(folder: Path) -> TlsFiles:
    pair = certificate(folder)
    return TlsFiles(pair.key, pair.cert)


@pytest.mark.parametrize(
    ("make", "code", "named"),
    [
        (lambda folder: TlsFiles(folder / "no.crt", certificate(folder).key), "tls_unreadable", "no.crt"),
        (lambda folder: TlsFiles(certificate(folder).cert, folder / "no.key"), "tls_unreadable", "no.key"),
        (lambda folder: TlsFiles(folder, certificate(folder).key), "tls_unreadable", "directory"),
        (with_text("cert"), "tls_unreadable", "server.crt"),
        (with_text("key"), "tls_unreadable", "server.key"),
        (swapped, "tls_unreadable", "tls_cert_file"),
        (mismatched, "tls_mismatch", "other.key"),
        (lambda folder: files(certificate(folder, ends_in_days=-0.5)), "tls_expired", "server.crt"),
        (lambda folder: files(certificate(folder, begins_in_days=1)), "tls_not_yet_valid", "clock"),
        (lambda folder: files(certificate(folder, password="secret words")), "tls_key_encrypted", "openssl pkey"),
    ],
    ids=[
        "no certificate", "no key", "a folder", "text as certificate", "text as key", "swapped", "of two pairs", "expired",
        "of tomorrow", "encrypted",
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_named_with_the_remedy(
    make: Callable[[Path], TlsFiles], code: str, named: str, tmp_path: Path
):
    with pytest.raises(UsageError) as caught:
        make(tmp_path).check(NOW)
    assert (caught.value.code, named.lower() in f"{caught.value}".lower()) == (code, True), str(caught.value)


def test_files_that_do_not_fit_leave_the_old_certificate_in_service(tmp_path: Path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files(certificate(tmp_path)).load_into(context)
    with pytest.raises(UsageError) as caught:
        mismatched(tmp_path).load_into(context)
    assert caught.value.code == "tls_unreadable"
    files(certificate(tmp_path, "renewed")).load_into(context)


def test_a_file_that_is_being_replaced_is_no_change(tmp_path: Path):
    pair = certificate(tmp_path)
    assert all(files(pair).changed_at())
    pair.key.unlink()
    assert files(pair).changed_at() == (0, 0)
