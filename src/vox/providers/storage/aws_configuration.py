"""Where AWS's own tools look for a bucket's region, endpoint and keys: the environment, then the shared files of the profile.

Keys that are in neither are left to the S3 client, which asks for the role of the container or the instance.
"""

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from vox.errors import UsageError

DEFAULT_REGION = "us-east-1"


def s3_options(bucket: str, environment: Mapping[str, str], home: Path) -> dict[str, Any]:
    """The options of the S3 driver for a bucket.

    Args:
        bucket: its name.
        environment: variables, as AWS's command line names them.
        home: folder in which `.aws` is looked for.

    Raises:
        UsageError: `aws_profile_unusable`: a profile is named that no file describes, or a file cannot be read.
    """
    profile = environment.get("AWS_PROFILE", "")
    key, secret = environment.get("AWS_ACCESS_KEY_ID", ""), environment.get("AWS_SECRET_ACCESS_KEY", "")
    token = environment.get("AWS_SESSION_TOKEN", "")
    credentials = _section(Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws/credentials"), profile)
    configuration = _section(Path(environment.get("AWS_CONFIG_FILE") or home / ".aws/config"), profile)
    if profile and not (key and secret) and not credentials and not configuration:
        raise UsageError(
            f"no file describes the AWS profile {profile!r}",
            code="aws_profile_unusable",
            hint="correct AWS_PROFILE or AWS_SHARED_CREDENTIALS_FILE",
        )
    if not (key and secret):
        found = {**configuration, **credentials}
        key, secret = found.get("aws_access_key_id", ""), found.get("aws_secret_access_key", "")
        token = found.get("aws_session_token", "")
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    return {
        "bucket": bucket,
        "endpoint": endpoint or configuration.get("endpoint_url", ""),
        "region": region or configuration.get("region") or DEFAULT_REGION,
        "access_key": SecretStr(key),
        "secret_key": SecretStr(secret),
        "session_token": SecretStr(token),
    }


def _section(file: Path, profile: str) -> Mapping[str, str]:
    """A profile of a file; empty where there is none."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        raise UsageError(  # no cause: its text may show a key
            f"the AWS file {file} cannot be read", code="aws_profile_unusable", hint="correct it, or set the variables"
        ) from None
    name = profile or "default"
    for section in (f"profile {name}", name):
        if parser.has_section(section):
            return dict(parser.items(section))
    return {}
