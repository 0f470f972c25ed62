"""Credentials of AWS and Google, found where their own tools look, against servers that give them as theirs do."""

import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.fakes.clock import FakeClock
from tests.time_limits import time_limit
from vox.errors import DependencyError, UsageError
from vox.http.server import Server
from vox.providers._aws_credentials import AwsChain
from vox.providers._aws_signature import AwsCredentials
from vox.providers._google_credentials import GoogleCredentials
from vox.providers.contract import Deps

NO_MACHINE = {"AWS_EC2_METADATA_DISABLED": "true", "GCE_METADATA_HOST": "127.0.0.1:1"}


class Cloud:
    """Plays the metadata services, the container's agent and the token services."""

    def __init__(self) -> None:
        self.port = 0
        self.clock = FakeClock()
        self.requests: list[tuple[str, dict[str, str], dict[str, list[str]]]] = []
        self.status = 200
        self.number = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/latest/api/token", self._token, methods=["PUT"]),
                Route("/latest/meta-data/iam/security-credentials/", self._roles),
                Route("/latest/meta-data/iam/security-credentials/voice-role", self._temporary),
                Route("/container", self._temporary),
                Route("/", self._sts, methods=["POST"]),
                Route("/", self._google),
                Route("/token", self._access_token, methods=["POST"]),
                Route("/computeMetadata/v1/instance/service-accounts/default/token", self._access_token),
            ]
        )

    async def _see(self, request: Request) -> None:
        form = parse_qs((await request.body()).decode())
        self.requests.append((request.url.path, dict(request.headers), form))

    async def _token(self, request: Request) -> Response:
        assert request.headers["x-aws-ec2-metadata-token-ttl-seconds"]
        return PlainTextResponse("the-imds-token")

    async def _roles(self, request: Request) -> Response:
        assert request.headers["x-aws-ec2-metadata-token"] == "the-imds-token"
        return PlainTextResponse("voice-role\n")

    def _until(self) -> str:
        return (self.clock.wall() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

    async def _temporary(self, request: Request) -> Response:
        await self._see(request)
        self.number += 1
        fields = {
            "AccessKeyId": f"AKID{self.number}",
            "SecretAccessKey": "s",
            "Token": "t",
            "Expiration": self._until(),
        }
        return JSONResponse(fields, self.status)

    async def _sts(self, request: Request) -> Response:
        await self._see(request)
        body = (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKIDWEB</AccessKeyId>"
            "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            f"<Expiration>{self._until()}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
            "</AssumeRoleWithWebIdentityResponse>"
        )
        return Response(body, self.status, media_type="text/xml")

    async def _google(self, request: Request) -> Response:
        return PlainTextResponse("0.1/", headers={"Metadata-Flavor": "Google"})

    async def _access_token(self, request: Request) -> Response:
        await self._see(request)
        self.number += 1
        return JSONResponse({"access_token": f"token-{self.number}", "expires_in": 3600}, self.status)


@pytest.fixture
async def cloud() -> AsyncGenerator[Cloud, None]:
    played = Cloud()
    async with Server(played.app(), "127.0.0.1", 0, close_timeout_s=0.1) as server:
        played.port = server.port
        yield played


@asynccontextmanager
async def deps(cloud: Cloud, environment: dict[str, str], **keys: str) -> AsyncGenerator[Deps, None]:
    async with time_limit(), httpx2.AsyncClient() as http:
        yield Deps(cloud.clock, http, keys, environment)


async def aws(cloud: Cloud, environment: dict[str, str], **keys: str) -> AwsCredentials:
    async with deps(cloud, environment, **keys) as given:
        return await AwsChain(given).credentials()


async def test_aws_keys_of_the_configuration_come_before_those_of_the_environment(cloud):
    environment = {"AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "e", "AWS_SESSION_TOKEN": "t"}
    assert await aws(cloud, environment) == AwsCredentials("E", "e", "t")
    keys = {"aws_access_key_id": "C", "aws_secret_access_key": "c", "aws_session_token": "ct"}
    assert await aws(cloud, environment, **keys) == AwsCredentials("C", "c", "ct")


async def test_aws_profile_of_a_file(cloud, tmp_path: Path):
    file = tmp_path / ".aws" / "credentials"
    file.parent.mkdir()
    file.write_text(
        "[default]\naws_access_key_id = D\naws_secret_access_key = d%d\n[voice]\naws_access_key_id=V\naws_secret_access_key=v\n"
    )
    places = {**NO_MACHINE, "HOME": str(tmp_path)}
    assert await aws(cloud, places) == AwsCredentials("D", "d%d")
    assert await aws(cloud, {**places, "AWS_PROFILE": "voice"}) == AwsCredentials("V", "v")
    file.write_text("no sections")
    with pytest.raises(DependencyError, match="the credentials file is unusable"):
        await aws(cloud, places)


async def test_aws_role_of_a_kubernetes_service_account(cloud, tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("the-web-token\n")
    found = await aws(
        cloud,
        {
            **NO_MACHINE,
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
            "AWS_ROLE_ARN": "arn:aws:iam::1:role/voice",
            "AWS_ENDPOINT_URL_STS": cloud.url,
        },
    )
    assert found == AwsCredentials("AKIDWEB", "s", "t")
    (_, _, form) = cloud.requests[0]
    assert (form["Action"], form["WebIdentityToken"]) == (["AssumeRoleWithWebIdentity"], ["the-web-token"])


async def test_aws_role_of_a_container(cloud):
    places = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{cloud.url}/container", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a"}
    assert await aws(cloud, places) == AwsCredentials("AKID1", "s", "t")
    assert cloud.requests[0][1]["authorization"] == "a"


async def test_aws_role_of_a_machine_is_renewed_before_it_ends(cloud):
    async with deps(cloud, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.url}) as given:
        chain = AwsChain(given)
        assert await chain.credentials() == await chain.credentials() == AwsCredentials("AKID1", "s", "t")
        cloud.clock.advance(56 * 60)
        assert await chain.credentials() == AwsCredentials("AKID2", "s", "t")


async def test_aws_credentials_that_cannot_be_renewed_serve_until_they_end(cloud):
    async with deps(cloud, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{cloud.url}/container"}) as given:
        chain = AwsChain(given)
        present = await chain.credentials()
        cloud.status = 500
        cloud.clock.advance(56 * 60)
        for _ in range(3):
            assert await chain.credentials() == present
        assert len(cloud.requests) == 2, "not with every request"
        cloud.clock.advance(5 * 60)
        with pytest.raises(DependencyError):
            await chain.credentials()
        cloud.status = 200
        assert await chain.credentials() != present


async def test_no_aws_credentials_name_every_place(cloud):
    with pytest.raises(UsageError) as caught:
        await aws(cloud, NO_MACHINE)
    assert caught.value.code == "missing_api_key"
    assert "AWS_ACCESS_KEY_ID" in str(caught.value)


async def test_an_aws_service_that_fails_is_no_missing_key(cloud):
    cloud.status = 500
    with pytest.raises(DependencyError) as caught:
        await aws(cloud, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{cloud.url}/container"})
    assert (caught.value.code, caught.value.retryable) == ("provider_unreachable", True)


def service_account(folder: Path, token_uri: str) -> tuple[Path, object]:
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    file = folder / "account.json"
    fields = {
        "type": "service_account",
        "project_id": "p",
        "client_email": "voice@p.iam.gserviceaccount.com",
        "private_key": pem,
        "private_key_id": "k1",
        "token_uri": token_uri,
    }
    file.write_text(json.dumps(fields))
    return file, key.public_key()


def decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


async def test_a_google_service_account_signs_for_its_token_and_renews_it(cloud, tmp_path: Path):
    file, public = service_account(tmp_path, f"{cloud.url}/token")
    async with deps(cloud, {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}) as given:
        credentials = GoogleCredentials(given, "Google")
        await credentials.open()
        assert credentials.project == "p"
        assert await credentials.headers() == await credentials.headers() == {"Authorization": "Bearer token-1"}
        cloud.clock.advance(56 * 60)
        assert await credentials.headers() == {"Authorization": "Bearer token-2"}
    head, claims, signature = cloud.requests[0][2]["assertion"][0].split(".")
    public.verify(decoded(signature), f"{head}.{claims}".encode(), PKCS1v15(), SHA256())  # pyright: ignore[reportAttributeAccessIssue]
    said = json.loads(decoded(claims))
    assert (said["iss"], said["aud"]) == ("voice@p.iam.gserviceaccount.com", f"{cloud.url}/token")
    assert said["exp"] - said["iat"] == 3600
    assert datetime.fromtimestamp(said["iat"], UTC) <= cloud.clock.wall()


async def test_a_google_users_login(cloud, tmp_path: Path):
    file = tmp_path / ".config" / "gcloud" / "application_default_credentials.json"
    file.parent.mkdir(parents=True)
    fields = {
        "type": "authorized_user",
        "client_id": "c",
        "client_secret": "s",
        "refresh_token": "r",
        "token_uri": f"{cloud.url}/token",
        "quota_project_id": "q",
    }
    file.write_text(json.dumps(fields))
    async with deps(cloud, {"HOME": str(tmp_path)}) as given:
        credentials = GoogleCredentials(given, "Google")
        await credentials.open()
        assert await credentials.headers() == {"Authorization": "Bearer token-1", "X-Goog-User-Project": "q"}
    assert cloud.requests[0][2]["refresh_token"] == ["r"]


async def test_the_account_of_a_google_machine(cloud):
    async with deps(cloud, {"GCE_METADATA_HOST": f"127.0.0.1:{cloud.port}"}) as given:
        credentials = GoogleCredentials(given, "Google")
        await credentials.open()
        assert await credentials.headers() == {"Authorization": "Bearer token-1"}


async def test_a_google_token_that_cannot_be_renewed_serves_until_it_ends(cloud):
    async with deps(cloud, {"GCE_METADATA_HOST": f"127.0.0.1:{cloud.port}"}) as given:
        credentials = GoogleCredentials(given, "Google")
        await credentials.open()
        present = await credentials.headers()
        cloud.status = 503
        cloud.clock.advance(56 * 60)
        for _ in range(3):
            assert await credentials.headers() == present
        assert len(cloud.requests) == 2, "not with every request"
        cloud.clock.advance(5 * 60)
        with pytest.raises(DependencyError):
            await credentials.headers()
        cloud.status = 200
        assert await credentials.headers() != present


async def test_a_google_key_needs_no_token(cloud):
    async with deps(cloud, {"GOOGLE_API_KEY": "k"}) as given:
        credentials = GoogleCredentials(given, "Google")
        await credentials.open()
        assert await credentials.headers() == {"X-Goog-Api-Key": "k"}


@pytest.mark.parametrize("content", [None, "no json", '{"type": "external_account"}'])
async def test_a_google_file_that_cannot_be_used_is_said_at_the_start(cloud, tmp_path: Path, content):
    file = tmp_path / "account.json"
    if content is not None:
        file.write_text(content)
    async with deps(cloud, {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}) as given:
        with pytest.raises(UsageError) as caught:
            await GoogleCredentials(given, "Google").open()
    assert caught.value.code == "invalid_credentials"


async def test_no_google_credentials_name_every_place(cloud):
    async with deps(cloud, NO_MACHINE) as given:
        with pytest.raises(UsageError) as caught:
            await GoogleCredentials(given, "Google").open()
    assert caught.value.code == "missing_api_key"
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(caught.value)


async def test_a_refused_google_login_is_told(cloud, tmp_path: Path):
    cloud.status = 401
    file, _ = service_account(tmp_path, f"{cloud.url}/token")
    async with deps(cloud, {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}) as given:
        credentials = GoogleCredentials(given, "Google")
        await credentials.open()
        with pytest.raises(DependencyError) as caught:
            await credentials.headers()
    assert caught.value.code == "provider_refused_key"
