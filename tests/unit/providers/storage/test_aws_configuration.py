"""Region, endpoint and keys in the order in which AWS's own tools look for them."""

from pathlib import Path

import pytest

from vox.errors import UsageError
from vox.providers.storage.aws_configuration import s3_options


def found(home: Path, **environment: str) -> tuple[str, str, str]:
    options = s3_options("bucket", environment, home)
    names = ("access_key", "secret_key", "session_token")
    key, secret, token = (options[name].get_secret_value() for name in names)
    return key, secret, token


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = file-key\naws_secret_access_key = a%b\n"
        "[calls]\naws_access_key_id = calls-key\naws_secret_access_key = s\naws_session_token = t\n"
    )
    (tmp_path / ".aws/config").write_text(
        "[default]\nregion = eu-west-1\n[profile calls]\nregion = eu-north-1\nendpoint_url = http://127.0.0.1:1\n"
    )
    return tmp_path


def test_the_environment_comes_first(home: Path):
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    assert found(home, **keys) == ("k", "s", "t")
    options = s3_options("bucket", {**keys, "AWS_REGION": "r", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, home)
    assert (options["bucket"], options["region"], options["endpoint"]) == ("bucket", "r", "http://127.0.0.1:9")


def test_then_the_shared_files_of_the_profile(home: Path):
    assert found(home) == ("file-key", "a%b", "")
    assert s3_options("bucket", {}, home)["region"] == "eu-west-1"
    assert found(home, AWS_PROFILE="calls") == ("calls-key", "s", "t")
    options = s3_options("bucket", {"AWS_PROFILE": "calls", "AWS_DEFAULT_REGION": "us-west-2"}, home)
    assert (options["region"], options["endpoint"]) == ("us-west-2", "http://127.0.0.1:1")


def test_a_variable_names_another_file(tmp_path: Path, home: Path):
    other = tmp_path / "other"
    other.write_text("[default]\naws_access_key_id = o\naws_secret_access_key = s\n")
    assert found(home, AWS_SHARED_CREDENTIALS_FILE=str(other))[0] == "o"


def test_without_any_the_client_asks_for_the_role_of_the_machine(tmp_path: Path):
    assert found(tmp_path) == ("", "", "")
    assert s3_options("bucket", {}, tmp_path)["region"] == "us-east-1"


def test_a_profile_that_no_file_describes_is_told(home: Path):
    with pytest.raises(UsageError) as error:
        s3_options("bucket", {"AWS_PROFILE": "cals"}, home)
    assert error.value.code == "aws_profile_unusable"
    assert "AWS_PROFILE" in str(error.value)


def test_a_file_that_cannot_be_read_is_told_without_its_content(home: Path):
    (home / ".aws/credentials").write_text("my-secret-key without a section")
    with pytest.raises(UsageError) as error:
        s3_options("bucket", {}, home)
    assert error.value.code == "aws_profile_unusable"
    assert "my-secret-key" not in str(error.value)
