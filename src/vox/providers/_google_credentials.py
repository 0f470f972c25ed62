"""Google's application default credentials: an API key, a service account, a user's login, or the account of this machine.

google-auth does the same in threads, with requests as its transport; what is needed here are two documented requests over the
HTTP client that there is, and one RSA signature, which `cryptography` makes.
"""

import asyncio
from base64 import urlsafe_b64encode
from pathlib import Path

import httpx2
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from vox.errors import DependencyError, UsageError, VoxError
from vox.providers import _failures
from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.runtime.logging import get_logger

KEY = Key("google", ("GOOGLE_API_KEY",))
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105  an address
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
METADATA = "metadata.google.internal"
TIMEOUT_S = 5.0
MACHINE_TIMEOUT_S = 1.0
"""The metadata service is on this machine, or this is no machine of Google's."""
LIFETIME_S = 3600
RENEW_BEFORE_S = 300
TRY_AGAIN_AFTER_S = 30
"""A token that could not be renewed is asked for again so much later, as long as it holds."""
PLACES = f"{KEY.places}, GOOGLE_APPLICATION_CREDENTIALS to a service account's file, or run `gcloud auth application-default login`"

_log = get_logger(__name__)


class _File(msgspec.Struct):
    """A file of credentials: of a service account, or of a user."""

    type: str
    project_id: str = ""
    quota_project_id: str = ""
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    token_uri: str = TOKEN_URL
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""


class _Token(msgspec.Struct):
    access_token: str
    expires_in: int = LIFETIME_S


class GoogleCredentials:
    """Signs requests to Google's services in.

    Args:
        deps: keys of the configuration, the environment, the HTTP client and the clock.
        service: the service's name, for errors.
    """

    def __init__(self, deps: Deps, service: str) -> None:
        self._deps = deps
        self._service = service
        self._api_key = deps.secret(KEY.name, *KEY.variables) or ""
        self._file: _File | None = None
        self._is_machine = False
        self._token = ""
        self._renew_at_s = 0.0
        self._ends_at_s = 0.0
        self._asking = asyncio.Lock()

    @property
    def project(self) -> str:
        """The project that the credentials belong to, where they say it."""
        return self._file.quota_project_id or self._file.project_id if self._file else ""

    async def open(self) -> None:
        """Finds the credentials.

        Raises:
            UsageError: `missing_api_key`, where there are none; `invalid_credentials`, where the file is unusable.
        """
        if self._api_key:
            return
        self._file = await asyncio.to_thread(self._read)
        if self._file is None:
            await self._ask_machine()

    async def headers(self) -> dict[str, str]:
        """What a request has to carry.

        Raises:
            DependencyError: no token could be had.
        """
        if self._api_key:
            return {"X-Goog-Api-Key": self._api_key}
        async with self._asking:
            if self._deps.clock.now() >= self._renew_at_s:
                await self._renew()
        headers = {"Authorization": f"Bearer {self._token}"}
        if self._file and self._file.quota_project_id:
            headers["X-Goog-User-Project"] = self._file.quota_project_id
        return headers

    async def _renew(self) -> None:
        """A new token; where it cannot be had, the present one serves until it ends."""
        try:
            token = await self._fetch()
        except VoxError as error:
            now = self._deps.clock.now()
            if now >= self._ends_at_s:
                raise
            _log.warning("Google's token was not renewed", error=str(error), valid_s=round(self._ends_at_s - now))
            self._renew_at_s = min(now + TRY_AGAIN_AFTER_S, self._ends_at_s)
            return
        now = self._deps.clock.now()
        self._token, self._ends_at_s = token.access_token, now + token.expires_in
        self._renew_at_s = now + max(60, token.expires_in - RENEW_BEFORE_S)

    def _read(self) -> _File | None:
        environment = self._deps.environment
        named, home = environment.get("GOOGLE_APPLICATION_CREDENTIALS", ""), environment.get("HOME", "")
        if not named and not home:
            return None
        path = Path(named or Path(home, ".config/gcloud/application_default_credentials.json"))
        try:
            file = msgspec.json.decode(path.read_bytes(), type=_File)
        except OSError:
            if named:
                raise UsageError(
                    f"the credentials file {path} cannot be read",
                    code="invalid_credentials",
                    hint="check GOOGLE_APPLICATION_CREDENTIALS",
                ) from None
            return None
        except (msgspec.MsgspecError, UnicodeError):
            raise _unusable(path) from None
        if file.type not in {"service_account", "authorized_user"}:
            raise _unusable(path)
        return file

    async def _ask_machine(self) -> None:
        host = self._deps.environment.get("GCE_METADATA_HOST", METADATA)
        try:
            async with asyncio.timeout(MACHINE_TIMEOUT_S):
                answer = await self._deps.http.get(f"http://{host}/", headers={"Metadata-Flavor": "Google"})
            self._is_machine = answer.headers.get("Metadata-Flavor") == "Google"
        except (httpx2.HTTPError, TimeoutError):
            self._is_machine = False
        if not self._is_machine:
            raise UsageError(f"{self._service} needs credentials", code="missing_api_key", hint=f"set {PLACES}")

    async def _fetch(self) -> _Token:
        try:
            if self._file is None:
                host = self._deps.environment.get("GCE_METADATA_HOST", METADATA)
                url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
                answer = await self._deps.http.get(url, headers={"Metadata-Flavor": "Google"}, timeout=TIMEOUT_S)
            else:
                form = await asyncio.to_thread(self._grant, self._file)
                answer = await self._deps.http.post(self._file.token_uri, data=form, timeout=TIMEOUT_S)
        except (httpx2.HTTPError, TimeoutError) as error:
            raise _failures.of_connection(error, "Google's token service") from error
        if not answer.is_success:
            raise _failures.of_status(answer.status_code, answer.text, "Google's token service")
        try:
            return msgspec.json.decode(answer.content, type=_Token)
        except msgspec.MsgspecError as error:
            raise DependencyError("Google's token service sent no token", code="provider_bad_answer") from error

    def _grant(self, file: _File) -> dict[str, str]:
        if file.type == "authorized_user":
            return {
                "grant_type": "refresh_token",
                "refresh_token": file.refresh_token,
                "client_id": file.client_id,
                "client_secret": file.client_secret,
            }
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": self._assertion(file)}

    def _assertion(self, file: _File) -> str:
        """A JSON Web Token that the service account signs (RFC 7523)."""
        now = self._deps.clock.unix_s()
        head = {"alg": "RS256", "typ": "JWT", "kid": file.private_key_id}
        claims = {
            "iss": file.client_email,
            "scope": SCOPE,
            "aud": file.token_uri,
            "iat": now,
            "exp": now + LIFETIME_S,
        }
        text = f"{_encoded(msgspec.json.encode(head))}.{_encoded(msgspec.json.encode(claims))}"
        try:
            key = load_pem_private_key(file.private_key.encode(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, RSAPrivateKey):
            raise UsageError(
                "the private key of the Google service account is unusable",
                code="invalid_credentials",
                hint="create a new key for it and download its file again",
            )
        return f"{text}.{_encoded(key.sign(text.encode(), PKCS1v15(), SHA256()))}"


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _unusable(path: Path) -> UsageError:
    return UsageError(
        f"{path} is no file of Google credentials that can be used here",
        code="invalid_credentials",
        hint="use the file of a service account's key, or `gcloud auth application-default login`",
    )
