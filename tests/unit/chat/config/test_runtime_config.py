"""Which value holds: environment over row over default, and how changes travel."""

import pytest
from sqlalchemy import Connection, create_engine, insert, select

from vox.chat.config.queries import store_rows
from vox.chat.config.runtime_config import Config, changed
from vox.chat.config.settings import load_chat_settings
from vox.chat.database.schema import config as config_rows
from vox.chat.events import Users, server_update
from vox.errors import UsageError


@pytest.fixture
def connection():
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        config_rows.create(connection)
        yield connection
    engine.dispose()


def config(**environment: str) -> Config:
    return Config(load_chat_settings(environment, {}).settings)


def rows(connection: Connection, **values: str | None) -> None:
    for key, value in values.items():
        connection.execute(insert(config_rows).values(key=key, value=value))


def test_without_rows_the_defaults_hold(connection: Connection):
    found = config()
    found.load(connection)
    assert found.get("server_name") == "Vox Server"
    assert found.optional("server_icon") is None
    assert found.limit("bio_max") == 256
    assert found.session_ttl_s == 30 * 86_400


def test_a_row_masks_the_default_and_the_environment_masks_the_row(connection: Connection):
    rows(connection, server_name="Row", server_description="Row", limit_bio_max="7", limit_topic_max="8")
    found = config(VOX_SERVER_NAME="Environment", VOX_LIMIT_BIO_MAX="9")
    found.load(connection)
    assert found.get("server_name") == "Environment"
    assert found.get("server_description") == "Row"
    assert found.limit("bio_max") == 9
    assert found.limit("topic_max") == 8


def test_a_row_without_a_value_and_an_unknown_row_change_nothing(connection: Connection):
    rows(connection, server_name=None, something_else="x")
    found = config()
    found.load(connection)
    assert found.get("server_name") == "Vox Server"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("federation_policy", "everyone"),
        ("gifs_content_filter", "max"),
        ("limit_bio_max", "many"),
        ("limit_bio_max", "-1"),
        ("session_ttl_days", "0"),
        ("allowed_file_mimes", "[broken"),
        ("allowed_file_mimes", "[1]"),
    ],
)
def test_a_wrong_row_ends_the_start_and_is_named(connection: Connection, key: str, value: str):
    rows(connection, **{key: value})
    with pytest.raises(UsageError, match=key) as caught:
        config().load(connection)
    assert caught.value.code == "invalid_setting"


@pytest.mark.parametrize("text", ["image/png,text/plain", '["image/png", "text/plain"]'])
def test_mime_lists_are_read_with_commas_or_as_json(connection: Connection, text: str):
    rows(connection, allowed_file_mimes=text)
    found = config()
    found.load(connection)
    assert found.allows_mime("file", "text/plain")
    assert not found.allows_mime("file", "application/pdf")


@pytest.mark.parametrize(
    ("pattern", "mime", "allowed"),
    [
        ("image/*", "image/png", True),
        ("image/*", "video/mp4", False),
        ("image/png", "image/png", True),
        ("image/png", "image/pngx", False),
        ("*/*", "anything/at-all", True),
    ],
)
def test_mime_patterns_are_exact_a_family_or_all(pattern: str, mime: str, allowed: bool):
    assert config(VOX_MEDIA_ALLOWED_EMOJI_MIMES=pattern).allows_mime("emoji", mime) is allowed


def test_a_changed_name_holds_at_once():
    found = config()
    before = found.version
    found.absorb(server_update(changed={"name": "New", "icon": ""}))
    assert found.get("server_name") == "New"
    assert found.optional("server_icon") is None
    assert found.version > before


def test_a_change_does_not_get_past_the_environment():
    found = config(VOX_SERVER_NAME="Fixed", VOX_LIMIT_BIO_MAX="9")
    found.absorb(server_update(changed={"name": "New"}))
    found.absorb(changed(limits={"bio_max": 1, "topic_max": 2}))
    assert found.get("server_name") == "Fixed"
    assert found.limit("bio_max") == 9
    assert found.limit("topic_max") == 2


def test_nobody_is_told_of_a_change_of_limits_and_no_secret_travels():
    event = changed(values={"gifs_locale": "de"}, secret="hunter2")
    assert event.audience == Users(())
    assert event.payload == {}
    assert "hunter2" not in repr(event)


async def test_a_new_secret_is_read_from_the_database_where_it_is_needed(connection: Connection):
    async def read(unit):
        return unit(connection)

    found = config()
    assert not found.has_gifs_api_key
    store_rows(connection, {"gifs_api_key": "hunter2"})
    found.absorb(changed(secret="hunter2"))
    assert found.has_gifs_api_key
    assert await found.gifs_api_key(read) == "hunter2"
    found.absorb(changed(secret=""))
    assert not found.has_gifs_api_key
    assert await found.gifs_api_key(read) == ""


def test_storing_replaces_a_row(connection: Connection):
    store_rows(connection, {"server_name": "One"})
    store_rows(connection, {"server_name": "Two"})
    assert connection.execute(select(config_rows.c.value)).scalars().all() == ["Two"]
