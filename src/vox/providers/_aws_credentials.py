"""Where a machine keeps its AWS credentials, in the order in which AWS's own tools look: environment, file, roles.

Credentials of roles are temporary: they are asked for again five minutes before they end, by whichever request comes then. Where that
fails, the present ones serve until they end.
"""

import asyncio
import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import httpx2
import msgspec

from vox.errors import DependencyError, UsageError, VoxError
from vox.providers._aws_signature import AwsCredentials
from vox.providers.contract import Deps
from vox.runtime.logging import get_logger

METADATA = "http://169.254.169.254"
CONTAINER = "http://169.254.170.2"
TIMEOUT_S = 5.0
MACHINE_TIMEOUT_S = 1.0
"""The metadata service is on this machine, or this is no machine of AWS."""
RENEW_BEFORE = timedelta(minutes=5)
TRY_AGAIN_AFTER = timedelta(seconds=30)
"""Credentials that could not be renewed are asked for again so much later, as long as they hold."""
PLACES = (
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, api_keys.aws_access_key_id and api_keys.aws_secret_access_key "
    "in the configuration, a profile of ~/.aws/credentials, or a role of this machine"
)

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Found:
    credentials: AwsCredentials
    until: datetime | None = None


class AwsChain:
    """The credentials of this process, kept until they have to be renewed.

    Args:
        deps: keys of the configuration, the environment, the HTTP client and the clock.
    """

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._environment = deps.environment
        self._found: _Found | None = None
        self._try_again_at: datetime | None = None
        self._asking = asyncio.Lock()

    def region(self, configured: str, otherwise: str = "us-east-1") -> str:
        """The region: as configured, else the environment's."""
        variables = ("AWS_REGION", "AWS_DEFAULT_REGION")
        return configured or next((value for each in variables if (value := self._environment.get(each))), otherwise)

    async def credentials(self) -> AwsCredentials:
        """The present credentials.

        Raises:
            UsageError: `missing_api_key`, where there are none.
            DependencyError: what gives them fails.
        """
        async with self._asking:
            found = self._found
            if found is None or self._is_due(found):
                found = self._found = await self._renewed(found)
            return found.credentials

    def _is_due(self, found: _Found) -> bool:
        if found.until is None:
            return False
        now = self._deps.clock.wall()
        return now > found.until - RENEW_BEFORE and (self._try_again_at is None or now >= self._try_again_at)

    async def _renewed(self, found: _Found | None) -> _Found:
        try:
            fresh = await self._look()
        except VoxError as error:
            now = self._deps.clock.wall()
            if found is None or found.until is None or now >= found.until:
                raise
            _log.warning("AWS credentials were not renewed", error=str(error), valid_until=found.until.isoformat())
            self._try_again_at = min(now + TRY_AGAIN_AFTER, found.until)
            return found
        self._try_again_at = None
        return fresh

    async def _look(self) -> _Found:
        key = self._deps.secret("aws_access_key_id", "AWS_ACCESS_KEY_ID")
        secret = self._deps.secret("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY")
        if key and secret:
            return _Found(
                AwsCredentials(key, secret, self._deps.secret("aws_session_token", "AWS_SESSION_TOKEN") or "")
            )
        try:
            found = await asyncio.to_thread(self._in_file) or await self._of_role()
        except (
            OSError,
            httpx2.HTTPError,
            TimeoutError,
            ValueError,
            KeyError,
            ET.ParseError,
            msgspec.MsgspecError,
        ) as error:
            raise DependencyError(
                f"AWS credentials cannot be had: {error}", code="provider_unreachable", retryable=True
            ) from error
        if found is None:
            raise UsageError("there are no AWS credentials", code="missing_api_key", hint=f"set {PLACES}")
        return found

    def _in_file(self) -> _Found | None:
        home, named = self._environment.get("HOME", ""), self._environment.get("AWS_SHARED_CREDENTIALS_FILE", "")
        if not home and not named:
            return None
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(named or Path(home, ".aws", "credentials"), encoding="utf-8")
        except configparser.Error as error:
            raise ValueError("the credentials file is unusable") from error
        profile = self._environment.get("AWS_PROFILE", "default")
        fields: Mapping[str, str] = parser[profile] if parser.has_section(profile) else {}
        key, secret = fields.get("aws_access_key_id"), fields.get("aws_secret_access_key")
        if not key or not secret:
            return None
        return _Found(AwsCredentials(key, secret, fields.get("aws_session_token") or ""))

    async def _of_role(self) -> _Found | None:
        if self._environment.get("AWS_WEB_IDENTITY_TOKEN_FILE") and self._environment.get("AWS_ROLE_ARN"):
            return await self._of_web_identity()
        if address := self._container_address():
            return await self._of_container(address)
        if self._environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            return None
        return await self._of_machine()

    async def _of_web_identity(self) -> _Found:
        """The role of a Kubernetes service account."""
        token = await asyncio.to_thread(Path(self._environment["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text, "utf-8")
        region = self.region("")
        address = self._environment.get("AWS_ENDPOINT_URL_STS") or f"https://sts.{region}.amazonaws.com"
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": self._environment["AWS_ROLE_ARN"],
            "RoleSessionName": self._environment.get("AWS_ROLE_SESSION_NAME", "vox"),
            "WebIdentityToken": token.strip(),
        }
        answer = await self._deps.http.post(address, data=form, timeout=TIMEOUT_S)
        answer.raise_for_status()
        tree = ET.fromstring(answer.content)  # noqa: S314  AWS's own answer over TLS; expat refuses entity bombs
        fields = {each.tag.rpartition("}")[2]: each.text or "" for each in tree.iter()}
        return _temporary(fields, "SessionToken")

    def _container_address(self) -> str:
        relative = self._environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        return f"{CONTAINER}{relative}" if relative else self._environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")

    async def _of_container(self, address: str) -> _Found:
        headers: dict[str, str] = {}
        if file := self._environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            headers["Authorization"] = (await asyncio.to_thread(Path(file).read_text, "utf-8")).strip()
        elif token := self._environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"):
            headers["Authorization"] = token
        return _temporary(await self._json(address, headers, TIMEOUT_S), "Token")

    async def _of_machine(self) -> _Found | None:
        """The role of an EC2 instance; None on a machine that has no metadata service."""
        base = self._environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", METADATA).rstrip("/")
        try:
            asked = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
            async with asyncio.timeout(MACHINE_TIMEOUT_S):
                answer = await self._deps.http.put(f"{base}/latest/api/token", headers=asked, timeout=MACHINE_TIMEOUT_S)
            if not answer.is_success:
                return None
        except (httpx2.HTTPError, TimeoutError):
            return None
        headers = {"X-aws-ec2-metadata-token": answer.text}
        roles = f"{base}/latest/meta-data/iam/security-credentials/"
        answer = await self._deps.http.get(roles, headers=headers, timeout=TIMEOUT_S)
        role = answer.text.strip().partition("\n")[0]
        if not answer.is_success or not role:
            return None
        return _temporary(await self._json(f"{roles}{role}", headers, TIMEOUT_S), "Token")

    async def _json(self, address: str, headers: Mapping[str, str], timeout_s: float) -> dict[str, Any]:
        if urlsplit(address).scheme not in {"http", "https"}:
            raise ValueError("the address of the credentials is no HTTP address")
        answer = await self._deps.http.get(address, headers=dict(headers), timeout=timeout_s)
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=dict[str, Any])


def _temporary(fields: Mapping[str, Any], token: str) -> _Found:
    key = fields.get("AccessKeyId")
    secret = fields.get("SecretAccessKey")
    if not key or not secret:
        raise ValueError("the answer has no credentials")
    until = datetime.fromisoformat(str(fields["Expiration"])).astimezone(UTC)
    return _Found(AwsCredentials(str(key), str(secret), str(fields.get(token) or "")), until)
