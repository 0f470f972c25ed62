"""Reads the data source names of the documents: PostgreSQL's URLs and pairs, go-sql-driver's for MySQL, paths for SQLite.

Parameters that steer a Go driver and mean nothing here are accepted; unknown ones are refused, because a misspelt `sslmode`
must not mean an open connection. No message repeats a part of the name that may hold a password.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote

from vox.errors import UsageError

Kind = Literal["postgres", "mysql", "sqlite"]
Tls = Literal["preferred", "disabled", "unverified", "verified"]

KEY: Final = "transcripts.dsn"
POOL_SIZE: Final = 3
"""Connections by default: one writes, the others read."""
MAX_POOL_SIZE: Final = 32
CONNECT_TIMEOUT_S: Final = 5
MYSQL_TIMEOUT_S: Final = 10

_KINDS: Final[Mapping[str, Kind]] = {
    "postgres": "postgres",
    "postgresql": "postgres",
    "pgx": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
    "sqlite3": "sqlite",
}
_POOL = frozenset({"pool_max_conns", "max_open_conns"})
_POOL_IGNORED = frozenset(
    {
        "max_idle_conns",
        "conn_max_lifetime",
        "conn_max_idle_time",
        "pool_min_conns",
        "pool_min_idle_conns",
        "pool_max_conn_lifetime",
        "pool_max_conn_lifetime_jitter",
        "pool_max_conn_idle_time",
        "pool_health_check_period",
    }
)
_PGX_IGNORED = frozenset(
    {
        "binary_parameters",
        "datestyle",
        "default_query_exec_mode",
        "description_cache_capacity",
        "disable_prepared_binary_result",
        "idle_in_transaction_session_timeout",
        "lock_timeout",
        "prefer_simple_protocol",
        "statement_cache_capacity",
        "statement_cache_mode",
        "statement_timeout",
        "timezone",
    }
)
_LIBPQ = frozenset({
    "application_name", "channel_binding", "connect_timeout", "dbname", "fallback_application_name", "gssdelegation",
    "gssencmode", "gsslib", "host", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle",
    "keepalives_interval", "krbsrvname", "load_balance_hosts", "options", "passfile", "password", "port",
    "require_auth", "requirepeer", "service", "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert",
    "sslcertmode", "sslcompression", "sslcrl", "sslcrldir", "sslkey", "sslmode", "sslnegotiation", "sslpassword",
    "sslrootcert", "sslsni", "target_session_attrs", "tcp_user_timeout", "user",
})  # fmt: skip
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_LIBPQ_DEFAULTS: Final[Mapping[str, Any]] = {
    "application_name": "vox",
    "connect_timeout": CONNECT_TIMEOUT_S,
    # A server that vanished without a word must not keep a write waiting: milliseconds, seconds.
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_GO_MYSQL_IGNORED = frozenset(
    {
        "allowallfiles",
        "allowcleartextpasswords",
        "allowfallbacktoplaintext",
        "allownativepasswords",
        "allowoldpasswords",
        "charset",
        "checkconnliveness",
        "clientfoundrows",
        "collation",
        "columnswithalias",
        "compress",
        "connectionattributes",
        "interpolateparams",
        "loc",
        "maxallowedpacket",
        "multistatements",
        "parsetime",
        "rejectreadonly",
        "serverpubkey",
        "sql_mode",
        "time_zone",
        "timetruncate",
    }
)
_MYSQL_TLS: Final[Mapping[str, Tls]] = {
    "true": "verified",
    "false": "disabled",
    "skip-verify": "unverified",
    "preferred": "preferred",
}
_MYSQL_TIMEOUTS: Final[Mapping[str, str]] = {
    "timeout": "connect_timeout",
    "readtimeout": "read_timeout",
    "writetimeout": "write_timeout",
}
_MATTN_KNOWN = frozenset({"cache", "mode"})

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PAIR = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?=\s|$)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SCHEMA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where a database is and how to connect.

    Attributes:
        kind: which database it is.
        arguments: what the driver's `connect` takes; a password is among them.
        place: what may be shown of it.
        pool_size: most connections.
        tls: how MySQL's connection is protected; PostgreSQL's is in `arguments`.
        search_path: PostgreSQL's schemas, in their order; empty for the user's own.
    """

    kind: Kind
    arguments: Mapping[str, Any] = field(repr=False)
    place: str
    pool_size: int = POOL_SIZE
    tls: Tls = "preferred"
    search_path: tuple[str, ...] = ()


def parse_address(driver: str, dsn: str, folder: Path) -> DatabaseAddress:
    """The address that a driver and a data source name stand for.

    Args:
        driver: postgres, mysql or sqlite, or another usual name of one; empty where the name begins with a scheme.
        dsn: the data source name.
        folder: where a relative path to a SQLite file begins.

    Raises:
        UsageError: the driver is unknown (transcript_driver_unknown), or the name is wrong (transcript_dsn_invalid).
    """
    dsn = dsn.strip()
    scheme = _scheme(dsn)
    kind = _kind(driver, scheme)
    if not dsn:
        raise _invalid("is empty", "set it to the address of the database")
    if scheme and _KINDS.get(scheme) != kind and not (kind == "sqlite" and scheme == "file"):
        raise _invalid(
            f"is no address for the driver {kind}", "set transcripts.driver and transcripts.dsn to the same database"
        )
    match kind:
        case "postgres":
            return _postgres(_url(dsn) if scheme else dict(_pairs(dsn)))
        case "mysql":
            return _mysql_url(dsn) if scheme else _mysql(dsn)
        case "sqlite":
            return _sqlite(dsn, folder)


def _scheme(dsn: str) -> str:
    """The scheme in front of `://`, without the driver that SQLAlchemy's spelling adds; empty where there is none."""
    found = _SCHEME.match(dsn)
    return found.group(1).lower().partition("+")[0] if found else ""


def _kind(driver: str, scheme: str) -> Kind:
    name = driver.strip().lower() or scheme
    if name in _KINDS:
        return _KINDS[name]
    if not name:
        raise UsageError(
            "transcripts.driver is not set",
            code="transcript_driver_unknown",
            hint="set it to postgres, mysql or sqlite",
        )
    near = get_close_matches(name, _KINDS, n=1)
    raise UsageError(
        f"transcripts.driver {name[:40]!r} is unknown{f'; did you mean {near[0]}?' if near else ''}",
        code="transcript_driver_unknown",
        hint="set it to postgres, mysql or sqlite",
    )


def _invalid(what: str, hint: str) -> UsageError:
    return UsageError(f"{KEY} {what}", code="transcript_dsn_invalid", hint=hint)


def _unknown(name: str, known: Sequence[str], kind: Kind) -> UsageError:
    near = get_close_matches(name.lower(), [one.lower() for one in known], n=1)
    hint = f"did you mean {near[0]}?" if near else "remove it, or correct its name"
    return _invalid(f"has the parameter {name[:40]!r}, which {kind} does not have", hint)


# PostgreSQL


def _url(dsn: str) -> dict[str, str]:
    """A URL's parts as libpq's parameters. The user's name and password end at the last `@`, as Go reads them."""
    rest, _, query = dsn[dsn.index("://") + 3 :].partition("?")
    authority, _, database = rest.partition("/")
    login, at, hosts = authority.rpartition("@")
    given: dict[str, str] = {}
    if at:
        user, colon, password = login.partition(":")
        given["user"] = unquote(user)
        if colon:
            given["password"] = unquote(password)
    names, ports = zip(*(_host_and_port(one) for one in hosts.split(",")), strict=True)
    if any(names):
        given["host"] = ",".join(names)
    if any(ports):
        given["port"] = ",".join(ports)
    if database:
        given["dbname"] = unquote(database)
    return {**given, **dict(_query(query))}


def _host_and_port(text: str) -> tuple[str, str]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):  # no port; an IPv6 address has its colons in brackets
        host, port = text, ""
    if port and not _is_port(port):
        raise _invalid(
            "has a port that is not a number from 1 to 65535",
            "percent-encode `/`, `?` and `#` in the user's name and password",
        )
    return unquote(host.strip("[]")), port


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65_536  # noqa: PLR2004  16 bits


def _query(query: str) -> Iterator[tuple[str, str]]:
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name:
            yield unquote(name), unquote(value)


def _pairs(dsn: str) -> Iterator[tuple[str, str]]:
    """The `key=value` pairs of libpq; a value in single quotes may hold blanks."""
    position = 0
    while dsn[position:].strip():
        found = _PAIR.match(dsn, position)
        if found is None:
            raise _invalid(
                "is neither a URL nor a list of key=value", "write postgres://USER:PASSWORD@HOST:5432/DATABASE"
            )
        name, value = found.groups()
        if value.startswith("'"):
            value = value[1:-1]
        yield name, re.sub(r"\\(.)", r"\1", value)
        position = found.end()


def _postgres(given: Mapping[str, str]) -> DatabaseAddress:
    arguments: dict[str, Any] = dict(_LIBPQ_DEFAULTS)
    pool_size, search_path = POOL_SIZE, ()
    for name, value in given.items():
        key = name.lower()
        if key in _POOL:
            pool_size = _pool_size(name, value)
        elif key == "search_path":
            search_path = _schemas(value)
        elif key in _LIBPQ:
            arguments[key] = value
        elif key not in _POOL_IGNORED | _PGX_IGNORED:
            raise _unknown(name, sorted(_LIBPQ | _POOL | {"search_path"}), "postgres")
    mode = arguments.get("sslmode", "prefer")
    if mode not in _SSL_MODES:
        raise _invalid("has an sslmode that does not exist", f"use one of {', '.join(_SSL_MODES)}")
    if mode.startswith("verify-"):
        arguments.setdefault("sslrootcert", "system")  # as Go does, while libpq looks for a file in the home folder
    host = arguments.get("host", arguments.get("hostaddr", "the local socket"))
    port = f":{arguments['port']}" if "port" in arguments else ""
    return DatabaseAddress(
        "postgres",
        arguments,
        f"PostgreSQL at {host}{port}, database {arguments.get('dbname', arguments.get('user', ''))}",
        pool_size=pool_size,
        search_path=search_path,
    )


def _pool_size(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 6:  # noqa: PLR2004  a million
        raise _invalid(f"has a {name} that is not a number", "give the number of connections")
    return max(1, min(int(value) or POOL_SIZE, MAX_POOL_SIZE))


def _schemas(value: str) -> tuple[str, ...]:
    names = tuple(name.strip().strip('"') for name in value.split(","))
    if not all(_SCHEMA_NAME.fullmatch(name) for name in names):
        raise _invalid(
            "has a search_path that is not a list of schemas", "write search_path=NAME, or several with commas"
        )
    return names


# MySQL and MariaDB


def _mysql(dsn: str) -> DatabaseAddress:
    """`user:password@protocol(address)/database?parameters`, cut where go-sql-driver cuts: at the last `/` and the last `@`."""
    before, slash, after = dsn.rpartition("/")
    if not slash:
        raise _invalid("has no `/` before the name of the database", "write USER:PASSWORD@tcp(HOST:3306)/DATABASE")
    database, _, query = after.partition("?")
    login, _, net = before.rpartition("@")
    user, _, password = login.partition(":")
    protocol, bracket, address = net.partition("(")
    if bracket and not address.endswith(")"):
        raise _invalid(
            "has an address without its closing bracket", "write tcp(HOST:3306), and %2F for `/` in a parameter"
        )
    where: dict[str, Any] = {}
    match protocol or "tcp":
        case "tcp" | "tcp4" | "tcp6":
            host, port = _host_and_port(address[:-1] if bracket else "")
            where = {"host": host or "127.0.0.1", "port": int(port or 3306)}
        case "unix":
            where = {"unix_socket": address[:-1] or "/tmp/mysql.sock"}  # noqa: S108  go-sql-driver's default
        case _:
            raise _invalid("has a protocol other than tcp and unix", "write USER:PASSWORD@tcp(HOST:3306)/DATABASE")
    return _mysql_address({"user": user, "password": password, **where, "database": unquote(database)}, _query(query))


def _mysql_url(dsn: str) -> DatabaseAddress:
    """`mysql://user:password@host:3306/database`, which other clients write."""
    _, _, query = dsn.partition("?")
    parts = _url(dsn.partition("?")[0])
    arguments = {
        "user": parts.get("user", ""),
        "password": parts.get("password", ""),
        "host": parts.get("host", "127.0.0.1"),
        "port": int(parts.get("port", "3306").partition(",")[0]),
        "database": parts.get("dbname", ""),
    }
    return _mysql_address(arguments, _query(query))


def _mysql_address(arguments: dict[str, Any], parameters: Iterator[tuple[str, str]]) -> DatabaseAddress:
    if not arguments["database"]:
        raise _invalid("names no database", "write its name behind the `/`")
    tls: Tls = "preferred"
    pool_size = POOL_SIZE
    timeouts = {"connect_timeout": CONNECT_TIMEOUT_S, "read_timeout": MYSQL_TIMEOUT_S, "write_timeout": MYSQL_TIMEOUT_S}
    for name, value in parameters:
        key = name.lower()
        if key in _MYSQL_TIMEOUTS:
            timeouts[_MYSQL_TIMEOUTS[key]] = _seconds(name, value)
        elif key == "tls":
            if value.lower() not in _MYSQL_TLS:
                raise _invalid("has a tls that does not exist", f"use one of {', '.join(_MYSQL_TLS)}")
            tls = _MYSQL_TLS[value.lower()]
        elif key in _POOL:
            pool_size = _pool_size(name, value)
        elif key not in _GO_MYSQL_IGNORED | _POOL_IGNORED:
            raise _unknown(name, sorted(_GO_MYSQL_IGNORED | _POOL | set(_MYSQL_TIMEOUTS) | {"tls"}), "mysql")
    where = arguments.get("unix_socket") or f"{arguments['host']}:{arguments['port']}"
    place = f"MySQL at {where}, database {arguments['database']}"
    return DatabaseAddress("mysql", {**arguments, **timeouts}, place, pool_size=pool_size, tls=tls)


def _seconds(name: str, value: str) -> int:
    """A Go duration such as 5s or 1m30s, in whole seconds, at least one."""
    parts = _DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise _invalid(f"has a {name} that is no duration", "write it like 5s or 500ms")
    return max(1, round(sum(float(number) * _UNIT_S[unit] for number, unit in parts)))


# SQLite


def _sqlite(dsn: str, folder: Path) -> DatabaseAddress:
    text, _, query = dsn.partition("?")
    if _scheme(text):  # sqlite:///relative.db, sqlite:////absolute.db, file:///absolute.db
        is_file = text.lower().startswith("file:")
        text = text[text.index("://") + 3 :]
        text = text if is_file else text.removeprefix("/")
    elif text.lower().startswith("file:"):
        text = text[len("file:") :]
    for name, value in _query(query):
        if not name.startswith("_") and name.lower() not in _MATTN_KNOWN:
            raise _unknown(name, sorted(_MATTN_KNOWN), "sqlite")
        if name.lower() == "mode" and value in {"ro", "memory"}:
            raise _invalid(f"has the mode {value}, in which nothing can be kept", "name a file, with mode=rwc")
    if not text or ":memory:" in text:
        raise _invalid("names no file", "write the path of the file that the rows go to")
    path = (folder / unquote(text)).absolute()
    return DatabaseAddress("sqlite", {"database": str(path)}, f"SQLite file {path}")
