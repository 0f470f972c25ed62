"""Data source names in every form of the documents; whatever is wrong with one, its password is not repeated."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.transcripts.address import DatabaseAddress, parse_address
from vox.errors import UsageError

FOLDER = Path("/srv/vox")
PASSWORD = "hunter2"


def parsed(dsn: str, driver: str = "") -> DatabaseAddress:
    return parse_address(driver, dsn, FOLDER)


def taken(dsn: str, driver: str = "", *names: str) -> dict[str, object]:
    arguments = parsed(dsn, driver).arguments
    return {name: arguments[name] for name in names if name in arguments}


LOGIN = ("host", "port", "user", "password", "dbname", "database", "sslmode", "unix_socket")


@pytest.mark.parametrize(
    ("driver", "dsn", "expected"),
    [
        (
            "postgres",
            "postgres://user:pass@host:5432/db?sslmode=require",
            {"host": "host", "port": "5432", "user": "user", "password": "pass", "dbname": "db", "sslmode": "require"},
        ),
        (
            "pgx",
            "postgresql://user:p%40ss@h1:5432,h2:5433/db?pool_max_conns=10&pool_min_conns=2&default_query_exec_mode=exec",
            {"host": "h1,h2", "port": "5432,5433", "user": "user", "password": "p@ss", "dbname": "db"},
        ),
        (
            "",
            "postgres://u:a@b@[::1]:5432/db",
            {"host": "::1", "port": "5432", "user": "u", "password": "a@b", "dbname": "db"},
        ),
        ("postgres", "postgres:///db?host=/var/run/postgresql", {"host": "/var/run/postgresql", "dbname": "db"}),
        ("postgres", "postgresql+psycopg://u@h/db", {"host": "h", "user": "u", "dbname": "db"}),
        (
            "postgres",
            r"host=h port=5433 user=u password='it\'s a secret' dbname=db sslmode=disable",
            {
                "host": "h",
                "port": "5433",
                "user": "u",
                "password": "it's a secret",
                "dbname": "db",
                "sslmode": "disable",
            },
        ),
        (
            "mysql",
            "user:pass@tcp(host:3306)/db?parseTime=true&loc=Europe%2FBerlin&charset=utf8mb4",
            {"host": "host", "port": 3306, "user": "user", "password": "pass", "database": "db"},
        ),
        (
            "mariadb",
            "user:p@ss:w/rd@tcp([::1])/db",
            {"host": "::1", "port": 3306, "user": "user", "password": "p@ss:w/rd", "database": "db"},
        ),
        (
            "mysql",
            "user@unix(/run/mysqld.sock)/db",
            {"unix_socket": "/run/mysqld.sock", "user": "user", "password": "", "database": "db"},
        ),
        ("mysql", "/db", {"host": "127.0.0.1", "port": 3306, "user": "", "password": "", "database": "db"}),
        (
            "",
            "mysql://user:pass@host/db",
            {"host": "host", "port": 3306, "user": "user", "password": "pass", "database": "db"},
        ),
        ("sqlite", "transcripts.db", {"database": "/srv/vox/transcripts.db"}),
        ("sqlite3", "/var/lib/vox/t.db", {"database": "/var/lib/vox/t.db"}),
        ("sqlite", "file:t.db?cache=shared&mode=rwc&_journal_mode=WAL", {"database": "/srv/vox/t.db"}),
        ("", "sqlite:///t.db", {"database": "/srv/vox/t.db"}),
        ("", "sqlite:////var/t.db", {"database": "/var/t.db"}),
    ],
)
def test_the_forms_of_the_documents_are_read(driver, dsn, expected):
    assert taken(dsn, driver, *LOGIN) == expected


def test_a_pool_has_the_size_that_is_asked_for_within_reason():
    assert parsed("postgres://h/db?pool_max_conns=10").pool_size == 10
    assert parsed("u@tcp(h)/db?max_open_conns=100000", "mysql").pool_size == 32
    assert parsed("postgres://h/db?max_open_conns=0&max_idle_conns=5").pool_size == 3


def test_a_checked_certificate_is_checked_against_the_systems_authorities_unless_others_are_named():
    assert parsed("postgres://h/db?sslmode=verify-full").arguments["sslrootcert"] == "system"
    assert parsed("postgres://h/db?sslmode=verify-ca&sslrootcert=/ca.pem").arguments["sslrootcert"] == "/ca.pem"
    assert "sslrootcert" not in parsed("postgres://h/db?sslmode=require").arguments


@pytest.mark.parametrize(
    ("value", "tls"),
    [("true", "verified"), ("skip-verify", "unverified"), ("false", "disabled"), ("preferred", "preferred")],
)
def test_mysqls_tls_is_what_the_name_says(value, tls):
    assert parsed(f"u@tcp(h)/db?tls={value}", "mysql").tls == tls


def test_times_are_go_durations():
    address = parsed("u@tcp(h)/db?timeout=1m30s&readTimeout=500ms&writeTimeout=20s", "mysql")
    assert [address.arguments[name] for name in ("connect_timeout", "read_timeout", "write_timeout")] == [90, 1, 20]


def test_schemas_are_those_of_the_search_path():
    assert parsed("postgres://h/db?search_path=voice,public").search_path == ("voice", "public")


@pytest.mark.parametrize(
    ("driver", "dsn", "told"),
    [
        ("postgre", "postgres://h/db", "did you mean postgres?"),
        ("oracle", "x", "set it to postgres, mysql or sqlite"),
        ("", "host=h", "transcripts.driver is not set"),
        ("postgres", "", "transcripts.dsn is empty"),
        ("mysql", f"postgres://u:{PASSWORD}@h/db", "the same database"),
        ("postgres", f"u:{PASSWORD}@tcp(h)/db", "postgres://USER:PASSWORD@HOST"),
        ("postgres", f"postgres://u:{PASSWORD}@h/db?sslmod=require", "did you mean sslmode?"),
        ("postgres", f"postgres://u:{PASSWORD}@h/db?sslmode=required", "verify-full"),
        ("postgres", f"postgres://u:{PASSWORD}@h:port/db", "percent-encode"),
        ("postgres", f"postgres://u:{PASSWORD}/x@h/db", "percent-encode"),
        ("postgres", f"postgres://u:{PASSWORD}@h/db?pool_max_conns=many", "number of connections"),
        ("postgres", "postgres://h/db?search_path=a;drop", "search_path=NAME"),
        ("mysql", f"u:{PASSWORD}@tcp(h:3306)", "no `/`"),
        ("mysql", f"u:{PASSWORD}@tcp(h:3306)/", "names no database"),
        ("mysql", f"u:{PASSWORD}@tcp(h:3306/db", "bracket"),
        ("mysql", f"u:{PASSWORD}@tcp(h:99999)/db", "65535"),
        ("mysql", f"u:{PASSWORD}@udp(h)/db", "tcp and unix"),
        ("mysql", f"u:{PASSWORD}@tcp(h)/db?parsTime=true", "did you mean parsetime?"),
        ("mysql", f"u:{PASSWORD}@tcp(h)/db?tls=on", "skip-verify"),
        ("mysql", f"u:{PASSWORD}@tcp(h)/db?timeout=5", "5s"),
        ("sqlite", ":memory:", "names no file"),
        ("sqlite", "file:t.db?mode=ro", "mode=rwc"),
        ("sqlite", "file:t.db?journal=WAL", "which sqlite does not have"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy_and_without_the_password(driver, dsn, told):
    with pytest.raises(UsageError) as caught:
        parsed(dsn, driver)
    assert told in str(caught.value)
    assert str(caught.value).startswith("transcripts.")
    assert PASSWORD not in str(caught.value)
    assert caught.value.code in {"transcript_dsn_invalid", "transcript_driver_unknown"}


@given(
    st.sampled_from(["postgres", "mysql", "sqlite"]),
    st.text(st.sampled_from("abc:/@()?&=%'\\ ,[]1"), max_size=30),
    st.sampled_from(["postgres://", "", "mysql://"]),
)
def test_no_name_fails_otherwise_than_by_saying_so(driver, rest, scheme):
    with suppress(UsageError):
        assert parsed(f"{scheme}{rest}", driver).kind == driver


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12))
def test_any_password_of_go_s_mysql_form_arrives_whole(password):
    assert parsed(f"user:{password}@tcp(h)/db", "mysql").arguments["password"] == password


def test_a_printed_address_shows_no_password():
    for address in (parsed(f"postgres://u:{PASSWORD}@h/db"), parsed(f"u:{PASSWORD}@tcp(h)/db", "mysql")):
        assert PASSWORD not in repr(address)
        assert PASSWORD not in address.place
