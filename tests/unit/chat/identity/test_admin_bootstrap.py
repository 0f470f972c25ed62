import pytest

from vox.chat.config.settings import load_chat_settings
from vox.chat.identity.admin_bootstrap import create_administrator
from vox.errors import UsageError


@pytest.mark.parametrize(
    ("username", "password"),
    [("", "long enough"), ("a" * 33, "long enough"), ("root", "short"), ("ro\0ot", "long enough")],
)
def test_name_and_password_keep_to_the_limits_before_any_database_is_opened(username: str, password: str):
    settings = load_chat_settings({"VOX_DATABASE_URL": "postgresql://nowhere.invalid/x"}, {}).settings
    with pytest.raises(UsageError) as caught:
        create_administrator(settings, username, password)
    assert caught.value.code == "invalid_value"
    assert password not in str(caught.value) or not password


def test_the_limits_are_those_of_the_environment():
    settings = load_chat_settings({"VOX_LIMIT_PASSWORD_MIN": "20"}, {}).settings
    with pytest.raises(UsageError, match="20 to 128"):
        create_administrator(settings, "root", "only eleven")
