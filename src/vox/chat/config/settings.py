"""The chat server's settings: the documented `VOX_*` variables, read once at start and handed down.

Precedence: arguments of the caller over the environment over the `config` rows of the database over the defaults below. The
middle step lies in `vox.chat.config.runtime_config`, which asks `is_given`: so a default here must never be mistaken for a given value.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator

from vox.chat.config.limits import DEFAULTS, problem_with
from vox.errors import UsageError
from vox.runtime.settings import Env, Loaded, Settings, describe, load_settings
from vox.security.secret_box import read_key

LIMIT_PREFIX: Final = "VOX_LIMIT_"


class ChatSettings(Settings):
    """Everything an operator may set for the chat server."""

    database_url: Annotated[SecretStr, Env("VOX_DATABASE_URL")] = SecretStr("sqlite+aiosqlite:///vox.db")
    """SQLite or PostgreSQL as an SQLAlchemy URL; the driver's name in it is accepted and ignored"""
    http_host: Annotated[str, Env("VOX_HOST")] = "127.0.0.1"
    """Bind address of `vox chat`"""
    http_port: Annotated[int, Env("VOX_PORT")] = Field(default=8000, ge=0, le=65535)
    """Bind port of `vox chat`; 0 picks a free one"""
    db_pool_size: Annotated[int, Env("VOX_DB_POOL_SIZE")] = Field(default=10, ge=1)
    """Connections kept to PostgreSQL"""
    db_max_overflow: Annotated[int, Env("VOX_DB_MAX_OVERFLOW")] = Field(default=20, ge=0)
    """Further connections to PostgreSQL under load"""
    db_pool_recycle: Annotated[int, Env("VOX_DB_POOL_RECYCLE")] = 1800
    """Seconds after which a connection to PostgreSQL is replaced"""
    sqlite_synchronous: Annotated[Literal["NORMAL", "FULL"], Env("VOX_SQLITE_SYNCHRONOUS")] = "NORMAL"
    """`NORMAL`: the last commits may be lost when the power fails, never when the process dies; `FULL`: neither"""
    log_format: Annotated[str, Env("VOX_LOG_FORMAT")] = "json"
    """`json`: one object a line; anything else: text"""
    log_threshold: Annotated[Literal["debug", "info", "warning", "error"], Env("VOX_LOG_LEVEL")] = "info"
    """The least important messages that are written"""

    storage_backend: Annotated[Literal["local", "s3"], Env("VOX_STORAGE_BACKEND")] = "local"
    """Where files are kept"""
    storage_path: Annotated[str, Env("VOX_STORAGE_PATH")] = "uploads"
    """Folder of the backend `local`; it is made where it is missing"""
    s3_bucket: Annotated[str, Env("VOX_S3_BUCKET")] = "vox-uploads"
    """Bucket of the backend `s3`"""
    s3_endpoint: Annotated[str, Env("VOX_S3_ENDPOINT")] = ""
    """Address of an S3 compatible service; empty: AWS"""
    s3_access_key: Annotated[SecretStr, Env("VOX_S3_ACCESS_KEY")] = SecretStr("")
    """Access key of the bucket"""
    s3_secret_key: Annotated[SecretStr, Env("VOX_S3_SECRET_KEY")] = SecretStr("")
    """Secret key of the bucket"""
    s3_region: Annotated[str, Env("VOX_S3_REGION")] = "us-east-1"
    """Region of the bucket"""
    s3_public_url: Annotated[str, Env("VOX_S3_PUBLIC_URL")] = ""
    """Where browsers read emoji and stickers of the bucket directly; empty: through this server, as all other files"""
    user_quota_bytes: Annotated[int, Env("VOX_USER_QUOTA_BYTES")] = Field(default=0, ge=0)
    """Bytes of files one user may keep; 0: no bound"""
    signed_media_urls: Annotated[bool, Env("VOX_SIGNED_MEDIA_URLS")] = False
    """Whether clients may ask for short-lived links to files that need no Authorization header"""
    signed_media_ttl_s: Annotated[int, Env("VOX_SIGNED_MEDIA_TTL_S")] = Field(default=300, ge=10, le=86_400)
    """How long such a link works"""
    media_cache_path: Annotated[str, Env("VOX_MEDIA_CACHE_PATH")] = ""
    """Folder for thumbnails and pictures from elsewhere, which may be emptied at any time; empty: `.cache` in the folder of the backend `local`, a temporary folder with `s3`"""
    media_cache_bytes: Annotated[int, Env("VOX_MEDIA_CACHE_BYTES")] = Field(default=536_870_912, ge=0)
    """Bytes that folder may hold; the longest unused goes first; 0: nothing is kept"""

    server_name: Annotated[str, Env("VOX_SERVER_NAME")] = "Vox Server"
    """The community's name"""
    server_icon: Annotated[str, Env("VOX_SERVER_ICON")] = ""
    """The community's icon"""
    server_description: Annotated[str, Env("VOX_SERVER_DESCRIPTION")] = ""
    """What the community is about"""
    gateway_url: Annotated[str, Env("VOX_SERVER_GATEWAY_URL")] = "ws://localhost:8000/gateway"
    """Where clients reach the gateway: the public `wss://host/gateway`"""
    session_ttl_days: Annotated[int, Env("VOX_AUTH_SESSION_TTL_DAYS")] = Field(default=30, ge=1, le=3650)
    """Days a login lasts without being used"""
    session_max_days: Annotated[int, Env("VOX_AUTH_SESSION_MAX_DAYS")] = Field(default=365, ge=1, le=3650)
    """Days after which a login ends however much it is used"""
    registration: Annotated[Literal["open", "invite", "closed"], Env("VOX_REGISTRATION")] = "open"
    """Who may create an account: open: everyone; invite: holders of an invite; closed: no one"""
    password_memory_kib: Annotated[int, Env("VOX_PASSWORD_MEMORY_KIB")] = Field(default=65_536, ge=64)
    """Memory of one Argon2id hash; stored hashes are renewed at the next login when it changes"""
    password_passes: Annotated[int, Env("VOX_PASSWORD_PASSES")] = Field(default=3, ge=1)
    """Passes of Argon2id"""
    password_threads: Annotated[int, Env("VOX_PASSWORD_THREADS")] = Field(default=2, ge=1, le=64)
    """Passwords hashed at the same time; each takes the memory above"""
    password_waiting: Annotated[int, Env("VOX_PASSWORD_WAITING")] = Field(default=32, ge=0, le=10_000)
    """Logins that may wait for their turn; further ones are told to come back later"""

    push_contact: Annotated[str, Env("VOX_PUSH_CONTACT")] = ""
    """How the operators of push services reach you, `mailto:you@example.com` or an https address; empty: no pushes to browsers"""
    push_key_file: Annotated[str, Env("VOX_PUSH_KEY_FILE")] = ""
    """The key that push services know this server by, made at the first start, mode 0600; empty: beside the SQLite file, else `vox.push.key`"""
    agent_url: Annotated[str, Env("VOX_AGENT_URL")] = ""
    """Where web clients talk to the agent server; empty: they offer no agents"""

    media_url: Annotated[str, Env("VOX_MEDIA_URL")] = "quic://127.0.0.1:4443"
    """Where clients reach the media server of voice rooms: ws or wss, a relay or any LiveKit-compatible server"""
    media_key: Annotated[str, Env("VOX_MEDIA_KEY")] = ""
    """API key that the media server knows this server by; empty: no one can talk in voice rooms"""
    media_secret: Annotated[SecretStr, Env("VOX_MEDIA_SECRET")] = SecretStr("")
    """Its secret, which signs media tokens"""
    media_api_url: Annotated[str, Env("VOX_MEDIA_API_URL")] = ""
    """Where this server reaches the media server's RoomService; empty: `VOX_MEDIA_URL` with http for ws"""
    media_directory_url: Annotated[str, Env("VOX_MEDIA_DIRECTORY_URL")] = ""
    """Relay directory that places each room on the relay nearest to those who talk; empty: every room is at `VOX_MEDIA_URL`"""
    media_networks: Annotated[list[str], Env("VOX_MEDIA_NETWORKS")] = Field(default=[])
    """Private networks, as 10.1.0.0/16, that relays named by the directory may be in"""
    media_prefix: Annotated[str, Env("VOX_MEDIA_PREFIX")] = Field(default="vox", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Begins the names of rooms at the media server; communities that share one need different ones"""
    media_token_s: Annotated[int, Env("VOX_MEDIA_TOKEN_S")] = Field(default=3600, ge=60, le=86_400)
    """Seconds a media token lets its holder join"""
    media_grace_s: Annotated[int, Env("VOX_MEDIA_GRACE_S")] = Field(default=15, ge=0, le=600)
    """Seconds a member whose media is lost stays in the room"""
    media_agent_url: Annotated[str, Env("VOX_MEDIA_AGENT_URL")] = ""
    """Agent server that agents of voice rooms are asked of; empty: `VOX_AGENT_URL`"""
    media_agent_latitude: Annotated[float | None, Env("VOX_MEDIA_AGENT_LATITUDE")] = Field(default=None, ge=-90, le=90)
    """Where that server is; rooms with an agent are then put between callers and it"""
    media_agent_longitude: Annotated[float | None, Env("VOX_MEDIA_AGENT_LONGITUDE")] = Field(
        default=None, ge=-180, le=180
    )
    """Likewise"""
    media_callback_url: Annotated[str, Env("VOX_MEDIA_CALLBACK_URL")] = ""
    """Where agents reach this server, for transcripts; empty: `http://127.0.0.1` and `VOX_PORT`"""
    media_bind: Annotated[str, Env("VOX_MEDIA_BIND")] = "0.0.0.0:4443"
    """Where the original's voice server listened; kept and unused"""
    media_tls_cert: Annotated[str, Env("VOX_MEDIA_TLS_CERT")] = ""
    """Certificate of the original's voice server, with the key or not at all; kept and unused"""
    media_tls_key: Annotated[str, Env("VOX_MEDIA_TLS_KEY")] = ""
    """Its key; kept and unused"""
    allowed_file_mimes: Annotated[list[str], Env("VOX_MEDIA_ALLOWED_FILE_MIMES")] = Field(default=["*/*"])
    """MIME types of files that may be uploaded: exact, `type/*` or `*/*`"""
    allowed_emoji_mimes: Annotated[list[str], Env("VOX_MEDIA_ALLOWED_EMOJI_MIMES")] = Field(
        default=["image/png", "image/gif", "image/webp"]
    )
    """MIME types of custom emoji"""
    allowed_sticker_mimes: Annotated[list[str], Env("VOX_MEDIA_ALLOWED_STICKER_MIMES")] = Field(
        default=["image/png", "image/gif", "image/webp", "image/apng"]
    )
    """MIME types of stickers"""

    webauthn_rp_id: Annotated[str, Env("VOX_WEBAUTHN_RP_ID")] = ""
    """Domain that passkeys are bound to; empty: that of `VOX_WEBAUTHN_ORIGIN`, or of the public address in `VOX_SERVER_GATEWAY_URL`"""
    webauthn_origin: Annotated[str, Env("VOX_WEBAUTHN_ORIGIN")] = ""
    """Origins that passkeys are used from, exact, separated by commas; empty: that of the public address"""
    oidc_issuer: Annotated[str, Env("VOX_OIDC_ISSUER")] = ""
    """Issuer address of the organisation's OpenID provider; empty: no login by it"""
    oidc_client_id: Annotated[str, Env("VOX_OIDC_CLIENT_ID")] = ""
    """This server's client id at the provider"""
    oidc_client_secret: Annotated[SecretStr, Env("VOX_OIDC_CLIENT_SECRET")] = SecretStr("")
    """Its secret; empty: a public client, which PKCE alone protects"""
    oidc_name: Annotated[str, Env("VOX_OIDC_NAME")] = "Organisation"
    """What the button for it is called"""
    oidc_scopes: Annotated[str, Env("VOX_OIDC_SCOPES")] = "openid profile"
    """Scopes that are asked for, separated by spaces; `openid` is among them"""
    oidc_redirect_url: Annotated[str, Env("VOX_OIDC_REDIRECT_URL")] = ""
    """Where the provider sends browsers back, exactly as registered there; empty: `/api/v1/auth/oidc/callback` of the public address"""
    oidc_registration: Annotated[bool, Env("VOX_OIDC_REGISTRATION")] = False
    """Whether a person of the organisation gets an account at the first login although `VOX_REGISTRATION` is `invite` or `closed`"""
    oidc_only: Annotated[bool, Env("VOX_OIDC_ONLY")] = False
    """Whether the provider is the only way in; administrators keep their passwords and passkeys, for when it is down"""
    oidc_allowed_private: Annotated[list[str], Env("VOX_OIDC_ALLOWED_PRIVATE")] = Field(default=[])
    """Private networks, as 10.1.0.0/16, that the provider may be in; http is allowed there"""
    secrets_key: Annotated[SecretStr, Env("VOX_SECRETS_KEY")] = SecretStr("")
    """Key of 32 bytes in base64 that encrypts secrets in the database; empty: the key file"""
    secrets_key_file: Annotated[str, Env("VOX_SECRETS_KEY_FILE")] = ""
    """Where that key is kept, made at the first use; empty: beside the SQLite file, as `vox.db.key`, else `vox.key`"""
    gifs_provider: Annotated[Literal["klipy"], Env("VOX_GIFS_PROVIDER")] = "klipy"
    """Where GIFs are searched"""
    gifs_api_key: Annotated[SecretStr, Env("VOX_GIFS_API_KEY")] = SecretStr("")
    """Key of the GIF provider; empty: no GIF search"""
    gifs_content_filter: Annotated[Literal["off", "low", "medium", "high"], Env("VOX_GIFS_CONTENT_FILTER")] = "high"
    """How strictly the provider filters"""
    gifs_locale: Annotated[str, Env("VOX_GIFS_LOCALE")] = ""
    """Language of GIF searches"""
    federation_domain: Annotated[str, Env("VOX_FEDERATION_DOMAIN")] = ""
    """This community's domain; empty: no federation"""
    federation_policy: Annotated[Literal["open", "allowlist", "closed"], Env("VOX_FEDERATION_POLICY")] = "closed"
    """Which other communities this one federates with: `open`: all but blocked ones; `allowlist` (also `allow_list`): those on the allow list; `closed`: none. The original's source has `open` as its default, its documentation `closed`"""
    federation_private_key: Annotated[SecretStr, Env("VOX_FEDERATION_PRIVATE_KEY")] = SecretStr("")
    """Ed25519 seed of 32 bytes in base64; empty: generated at the first use, and kept beside the database"""
    federation_public_key: Annotated[str, Env("VOX_FEDERATION_PUBLIC_KEY")] = ""
    """The public half, base64; checked against the private one"""
    federation_dns: Annotated[list[str], Env("VOX_FEDERATION_DNS")] = Field(default=[])
    """DNS servers that know other communities, as `address` or `address:port`; empty: those of the system"""
    federation_ca_file: Annotated[str, Env("VOX_FEDERATION_CA_FILE")] = ""
    """Certificates (PEM) of authorities that are trusted besides the system's when other communities are called"""
    federation_allowed_private: Annotated[list[str], Env("VOX_FEDERATION_ALLOWED_PRIVATE")] = Field(default=[])
    """Private networks in which other communities may be, such as 10.0.0.0/8; empty: public addresses only"""
    federation_retry_s: Annotated[float, Env("VOX_FEDERATION_RETRY_S")] = Field(default=2.0, gt=0, le=3600)
    """Seconds until a delivery to another community is first tried again; each further wait is twice as long"""
    federation_retry_max_s: Annotated[float, Env("VOX_FEDERATION_RETRY_MAX_S")] = Field(default=600.0, gt=0, le=86_400)
    """The longest of these waits"""
    federation_give_up_s: Annotated[float, Env("VOX_FEDERATION_GIVE_UP_S")] = Field(default=604_800.0, gt=0)
    """After this time, and 50 attempts, a delivery is given up and its author told"""
    federation_queue_per_peer: Annotated[int, Env("VOX_FEDERATION_QUEUE_PER_PEER")] = Field(default=10_000, ge=1)
    """Deliveries that may wait for one other community; further messages to it are refused"""
    federation_users_per_peer: Annotated[int, Env("VOX_FEDERATION_USERS_PER_PEER")] = Field(default=10_000, ge=1)
    """Users of one other community that may become known here"""
    federation_peer_bytes: Annotated[int, Env("VOX_FEDERATION_PEER_BYTES")] = Field(default=1_073_741_824, ge=0)
    """Bytes of files that one other community may fill here; 0: no files"""
    federation_total_bytes: Annotated[int, Env("VOX_FEDERATION_TOTAL_BYTES")] = Field(default=10_737_418_240, ge=0)
    """Bytes of files that all other communities together may fill here"""

    limits: Annotated[dict[str, int], Env()] = Field(default_factory=dict)
    """Limits that `VOX_LIMIT_<NAME>` sets, by name; their table is in the REST protocol's page"""
    rate_limit_scale: Annotated[float, Env("VOX_RATE_LIMIT_SCALE")] = Field(default=1.0, ge=0, le=1000)
    """Multiplies every REST rate limit; 0 switches them off"""
    allowed_origins: Annotated[list[str], Env("VOX_ALLOWED_ORIGINS")] = Field(default=[])
    """Origins of web clients that may call from a browser (CORS and the gateway), `*` for any; empty: only pages of this server itself"""
    trusted_proxies: Annotated[list[str], Env("VOX_TRUSTED_PROXIES")] = Field(default=["127.0.0.1", "::1"])
    """Addresses or networks whose X-Forwarded-For is believed"""
    connections_per_address: Annotated[int, Env("VOX_CONNECTIONS_PER_ADDRESS")] = Field(default=10, ge=1)
    """Gateway connections of one client address"""
    integration_networks: Annotated[list[str], Env("VOX_INTEGRATION_NETWORKS")] = Field(default=[])
    """Private networks that bots' and outgoing webhooks' addresses may be in, on any port; empty: public addresses on ports 80, 443, 8080 and 8443 only"""
    redis_bus_url: Annotated[SecretStr, Env("VOX_REDIS_URL")] = Field(
        default=SecretStr(""), validation_alias=AliasChoices("redis_bus_url", "redis_url")
    )
    """Redis by URL, so that several processes act as one server (also `redis_url`); empty: one process"""
    workers: Annotated[int, Env("VOX_WORKERS")] = Field(default=1, ge=1, le=256)
    """Processes of `vox chat` behind one port; more than one need Redis"""
    otlp_endpoint: Annotated[str, Env("VOX_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")] = ""
    """OpenTelemetry collector for traces (extra `tracing`), such as http://collector:4318; empty: none"""
    expose_metrics: Annotated[bool, Env("VOX_METRICS")] = False
    """Whether `GET /metrics` answers"""
    drain_timeout_s: Annotated[float, Env("VOX_DRAIN_TIMEOUT_S")] = Field(default=10.0, ge=0, le=600)
    """Seconds over which clients are sent away after SIGTERM"""

    @field_validator("integration_networks", "oidc_allowed_private", "federation_allowed_private", "media_networks")
    @classmethod
    def _networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(f"{network!r} is no network; write for example 10.1.0.0/16 or 10.1.2.3/32") from None
        return networks

    @field_validator("limits")
    @classmethod
    def _known_limits(cls, limits: dict[str, int]) -> dict[str, int]:
        for name, value in limits.items():
            if problem := problem_with(name, value):
                near = get_close_matches(name, DEFAULTS, n=1)
                raise ValueError(f"{problem}; did you mean {near[0]}?" if near and name not in DEFAULTS else problem)
        together = {**DEFAULTS, **limits}
        for name, low in together.items():
            if name.endswith("_min") and low > together[f"{name.removesuffix('_min')}_max"]:
                raise ValueError(f"{name} must not be more than {name.removesuffix('_min')}_max")
        return limits

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_collector(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("write a collector's address as http://HOST:4318 or https://HOST")
        return value

    @field_validator("push_contact")
    @classmethod
    def _reachable(cls, contact: str) -> str:
        if contact and not contact.startswith(("mailto:", "https://")):
            raise ValueError("write mailto: and an address, or an https address")
        return contact

    @field_validator("federation_policy", mode="before")
    @classmethod
    def _both_spellings(cls, value: Any) -> Any:
        return (
            "allowlist" if isinstance(value, str) and value.strip().lower() in {"allow_list", "allow-list"} else value
        )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.media_tls_cert) != bool(self.media_tls_key):
            raise ValueError("VOX_MEDIA_TLS_CERT and VOX_MEDIA_TLS_KEY come together or not at all")
        if bool(self.media_key) != bool(self.media_secret.get_secret_value()):
            raise ValueError("VOX_MEDIA_KEY and VOX_MEDIA_SECRET come together or not at all")
        if self.media_key and not self.media_url.startswith(("ws://", "wss://", "http://", "https://")):
            raise ValueError("VOX_MEDIA_KEY needs VOX_MEDIA_URL, the ws or wss address of the media server")
        if (self.media_agent_latitude is None) != (self.media_agent_longitude is None):
            raise ValueError("VOX_MEDIA_AGENT_LATITUDE and VOX_MEDIA_AGENT_LONGITUDE come together or not at all")
        if bool(self.s3_access_key.get_secret_value()) != bool(self.s3_secret_key.get_secret_value()):
            raise ValueError("VOX_S3_ACCESS_KEY and VOX_S3_SECRET_KEY come together or not at all")
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("VOX_OIDC_ISSUER needs VOX_OIDC_CLIENT_ID")
        if self.oidc_only and not self.oidc_issuer:
            raise ValueError("VOX_OIDC_ONLY needs VOX_OIDC_ISSUER, or no one could log in")
        if "openid" not in self.oidc_scopes.split():
            raise ValueError("VOX_OIDC_SCOPES must contain openid")
        if self.secrets_key.get_secret_value():
            read_key(self.secrets_key.get_secret_value())
        if self.federation_retry_max_s < self.federation_retry_s:
            raise ValueError("VOX_FEDERATION_RETRY_MAX_S must not be less than VOX_FEDERATION_RETRY_S")
        if self.session_max_days < self.session_ttl_days and self.is_given("session_max_days"):
            raise ValueError("VOX_AUTH_SESSION_MAX_DAYS must not be less than VOX_AUTH_SESSION_TTL_DAYS")
        return self

    def is_given(self, name: str) -> bool:
        """Whether the operator set it, in the environment or as an argument."""
        return name in self.model_fields_set


NOT_YET: Final[dict[str, str]] = {
    "media_bind": "QUIC voice server (the relay is a program of its own: `vox relay`)",
    "media_tls_cert": "QUIC voice server (the relay has certificates of its own)",
}
"""Settings that are checked and kept, and the feature they wait for."""

_OUR_PREFIXES = ("VOX_AUTH_", "VOX_DB_", "VOX_FEDERATION_", "VOX_GIFS_", "VOX_MEDIA_", "VOX_OIDC_", "VOX_PUSH_", "VOX_S3_", "VOX_SECRETS_",
                 "VOX_SERVER_", "VOX_STORAGE_", "VOX_WEBAUTHN_")  # fmt: skip


def load_chat_settings(environment: Mapping[str, str], overrides: Mapping[str, Any]) -> Loaded[ChatSettings]:
    """Reads the environment and lays the caller's arguments over it.

    Args:
        environment: usually os.environ.
        overrides: by field name; None means not given.

    Raises:
        UsageError: a value is wrong (invalid_setting); the message names the variable and the remedy.
    """
    given = {**overrides}
    if limits := dict(_limits_in(environment)):
        given["limits"] = {**limits, **(overrides.get("limits") or {})}
    loaded = load_settings(ChatSettings, file=None, environment=environment, overrides=given)
    return Loaded(loaded.settings, [*loaded.warnings, *_warnings(loaded.settings, environment)])


def _limits_in(environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    for variable, text in environment.items():
        if not variable.startswith(LIMIT_PREFIX) or not text.strip():
            continue
        name = variable.removeprefix(LIMIT_PREFIX).lower()
        try:
            value = int(text)
        except ValueError:
            value = None
        problem = "expected a whole number" if value is None else problem_with(name, value)
        if value is None or problem:
            near = get_close_matches(name, DEFAULTS, n=1) if name not in DEFAULTS else ()
            hint = f"did you mean {LIMIT_PREFIX}{near[0].upper()}?" if near else "correct the value and start again"
            raise UsageError(f"{variable} is wrong: {problem}", code="invalid_setting", hint=hint)
        yield name, value


def _warnings(settings: ChatSettings, environment: Mapping[str, str]) -> Iterator[str]:
    variables = {name: doc.key for doc in describe(ChatSettings) for name in doc.env}
    for name, feature in NOT_YET.items():
        if settings.is_given(name):
            variable = next(variable for variable, key in variables.items() if key == name)
            yield f"{variable} is set, but this version has no {feature} yet: it is kept and does nothing"
    for variable in sorted(environment):
        if variable.startswith(_OUR_PREFIXES) and variable not in variables:
            near = get_close_matches(variable, variables, n=1)
            yield f"unknown variable {variable} is ignored" + (f"; did you mean {near[0]}?" if near else "")
    if settings.log_format not in {"json", "text"}:
        yield f"VOX_LOG_FORMAT={settings.log_format} means text; write json or text"
