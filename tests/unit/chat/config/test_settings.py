import pytest

from vox.chat.config.limits import DEFAULTS, problem_with
from vox.chat.config.settings import ChatSettings, load_chat_settings
from vox.errors import UsageError


def load(**environment: str) -> ChatSettings:
    return load_chat_settings(environment, {}).settings


def warnings(**environment: str) -> list[str]:
    return load_chat_settings(environment, {}).warnings


def refusal(**environment: str) -> str:
    with pytest.raises(UsageError) as caught:
        load(**environment)
    assert caught.value.code == "invalid_setting"
    return str(caught.value)


def test_the_documented_defaults():
    settings = load()
    assert settings.database_url.get_secret_value() == "sqlite+aiosqlite:///vox.db"
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8000)
    assert (settings.db_pool_size, settings.db_max_overflow, settings.db_pool_recycle) == (10, 20, 1800)
    assert settings.log_format == "json"
    assert (settings.storage_backend, settings.storage_path) == ("local", "uploads")
    assert (settings.s3_bucket, settings.s3_region) == ("vox-uploads", "us-east-1")
    assert settings.server_name == "Vox Server"
    assert settings.gateway_url == "ws://localhost:8000/gateway"
    assert settings.session_ttl_days == 30
    assert settings.media_url == "quic://127.0.0.1:4443"
    assert settings.allowed_file_mimes == ["*/*"]
    assert settings.allowed_emoji_mimes == ["image/png", "image/gif", "image/webp"]
    assert settings.allowed_sticker_mimes == ["image/png", "image/gif", "image/webp", "image/apng"]
    assert (settings.gifs_provider, settings.gifs_content_filter) == ("klipy", "high")
    assert settings.federation_policy == "closed"
    assert settings.registration == "open"
    assert not settings.limits


@pytest.mark.parametrize(
    ("variable", "value", "field"),
    [
        ("VOX_DATABASE_URL", "postgresql+asyncpg://u:p@h/d", "database_url"),
        ("VOX_HOST", "0.0.0.0", "http_host"),
        ("VOX_STORAGE_PATH", "/files", "storage_path"),
        ("VOX_S3_BUCKET", "b", "s3_bucket"),
        ("VOX_S3_ENDPOINT", "http://minio:9000", "s3_endpoint"),
        ("VOX_S3_REGION", "eu-1", "s3_region"),
        ("VOX_S3_PUBLIC_URL", "https://cdn", "s3_public_url"),
        ("VOX_SERVER_NAME", "Ours", "server_name"),
        ("VOX_SERVER_ICON", "i.png", "server_icon"),
        ("VOX_SERVER_DESCRIPTION", "d", "server_description"),
        ("VOX_SERVER_GATEWAY_URL", "wss://h/gateway", "gateway_url"),
        ("VOX_MEDIA_URL", "quic://h:1", "media_url"),
        ("VOX_GIFS_API_KEY", "k", "gifs_api_key"),
        ("VOX_GIFS_LOCALE", "de", "gifs_locale"),
    ],
)
def test_each_documented_variable_sets_its_field(variable: str, value: str, field: str):
    settings = load(**{variable: value})
    found = getattr(settings, field)
    assert (found.get_secret_value() if hasattr(found, "get_secret_value") else found) == value
    assert settings.is_given(field)


def test_an_empty_variable_counts_as_unset():
    settings = load(VOX_SERVER_NAME="")
    assert settings.server_name == "Vox Server"
    assert not settings.is_given("server_name")


def test_arguments_win_over_the_environment():
    loaded = load_chat_settings({"VOX_DATABASE_URL": "sqlite:///a"}, {"database_url": "sqlite:///b"})
    assert loaded.settings.database_url.get_secret_value() == "sqlite:///b"


def test_lists_are_separated_by_commas():
    assert load(VOX_MEDIA_ALLOWED_FILE_MIMES="image/*, text/plain").allowed_file_mimes == ["image/*", "text/plain"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VOX_FEDERATION_POLICY", "everyone"),
        ("VOX_REGISTRATION", "off"),
        ("VOX_STORAGE_BACKEND", "ftp"),
        ("VOX_GIFS_PROVIDER", "tenor"),
        ("VOX_GIFS_CONTENT_FILTER", "max"),
        ("VOX_SQLITE_SYNCHRONOUS", "OFF"),
        ("VOX_AUTH_SESSION_TTL_DAYS", "0"),
        ("VOX_PORT", "70000"),
    ],
)
def test_an_unknown_choice_ends_the_start_and_names_the_variable(variable: str, value: str):
    assert variable in refusal(**{variable: value})


def test_a_secret_is_not_repeated_when_something_is_wrong():
    assert "hunter2" not in refusal(VOX_GIFS_API_KEY="hunter2", VOX_PORT="x")


def test_the_keys_of_s3_come_together():
    settings = load(VOX_S3_ACCESS_KEY="a", VOX_S3_SECRET_KEY="s")
    assert (settings.s3_access_key.get_secret_value(), settings.s3_secret_key.get_secret_value()) == ("a", "s")
    assert "together" in refusal(VOX_S3_ACCESS_KEY="a")


def test_a_certificate_comes_with_its_key():
    assert "together" in refusal(VOX_MEDIA_TLS_CERT="c.pem")
    assert load(VOX_MEDIA_TLS_CERT="c.pem", VOX_MEDIA_TLS_KEY="k.pem").media_tls_key == "k.pem"


def test_a_setting_of_a_feature_that_is_not_there_yet_warns_once_and_is_kept():
    found = warnings(VOX_MEDIA_BIND="0.0.0.0:5555")
    assert len(found) == 1
    assert "VOX_MEDIA_BIND" in found[0]
    assert load(VOX_MEDIA_BIND="0.0.0.0:5555").media_bind == "0.0.0.0:5555"


def test_the_documents_production_environment_starts():
    found = warnings(
        VOX_DATABASE_URL="postgresql+asyncpg://vox:secret@db:5432/vox",
        VOX_SERVER_GATEWAY_URL="wss://chat.example.com/gateway",
        VOX_WEBAUTHN_RP_ID="chat.example.com",
        VOX_WEBAUTHN_ORIGIN="https://chat.example.com",
        VOX_FEDERATION_DOMAIN="chat.example.com",
        VOX_LOG_FORMAT="json",
        VOX_LIMIT_FILE_UPLOAD_MAX_BYTES="26214400",
    )
    assert found == []


def test_a_misspelt_variable_of_ours_warns_with_the_right_spelling():
    assert warnings(VOX_SERVER_NAMES="x") == [
        "unknown variable VOX_SERVER_NAMES is ignored; did you mean VOX_SERVER_NAME?"
    ]


def test_variables_of_other_programs_are_none_of_our_business():
    assert warnings(PATH="/bin", VOX_DIRECTORY_PORT="1", VOXRAY_PORT="2") == []


def test_another_log_format_means_text_and_says_so():
    assert load(VOX_LOG_FORMAT="plain").log_format == "plain"
    assert warnings(VOX_LOG_FORMAT="plain") == ["VOX_LOG_FORMAT=plain means text; write json or text"]


@pytest.mark.parametrize("name", list(DEFAULTS))
def test_every_limit_has_its_variable(name: str):
    value = DEFAULTS[name] + (0 if name.endswith("_min") else 1)
    assert load(**{f"VOX_LIMIT_{name.upper()}": str(value)}).limits == {name: value}


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("VOX_LIMIT_BIO_MAX", "many", "whole number"),
        ("VOX_LIMIT_BIO_MAX", "-1", "between 0"),
        ("VOX_LIMIT_BIO_MAXX", "1", "did you mean VOX_LIMIT_BIO_MAX?"),
        ("VOX_LIMIT_PAGE_LIMIT_BANS", "0", "between 1"),
        ("VOX_LIMIT_USERNAME_MIN", "33", "username_min must not be more than username_max"),
    ],
)
def test_a_wrong_limit_ends_the_start(variable: str, value: str, said: str):
    assert said in refusal(**{variable: value})


def test_no_limit_can_lock_the_administrators_out():
    assert problem_with("max_request_body", 100) is not None
    assert problem_with("page_limit_roles", 0) is not None
    assert problem_with("bio_max", 0) is None
    assert problem_with("bio_max", 2**31) is not None
    assert problem_with("nonsense", 1) == "there is no limit nonsense"


def test_the_page_of_the_protocol_lists_every_limit_with_its_default():
    from tests.reference import ROOT

    page = (ROOT / "docs" / "protocols" / "chat-rest-people.md").read_text()
    assert [name for name, value in DEFAULTS.items() if f"| `{name}` | {value} |" not in page] == []
