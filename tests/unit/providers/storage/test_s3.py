"""What an answer of the service means for the operator; real answers are in tests/contract/test_storage.py."""

from importlib.util import find_spec
from typing import Any

import pytest

from tests.require import require
from vox.errors import DependencyError, UsageError, VoxError


def failure(text: str) -> VoxError:
    require(find_spec("obstore") is not None, "obstore", "pip install '.[s3]'")
    from vox.providers.storage.s3 import Config, S3Storage

    storage: Any = S3Storage(Config("calls", region="eu-west-1"))
    return storage._failure(OSError(text), "recordings/a.wav")


def http(status: int, code: str) -> str:
    body = f"<Error><Code>{code}</Code><StringToSign>signed</StringToSign></Error>" if code else ""
    return f"Error performing PUT http://s3/calls in 1ms - Server returned non-2xx status code: {status} X: {body}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (http(404, "NoSuchBucket"), "VOX_S3_BUCKET"),
        (http(403, "SignatureDoesNotMatch"), "SignatureDoesNotMatch"),
        (http(403, ""), "status 403"),
        (http(301, "PermanentRedirect"), "VOX_S3_REGION"),
        (http(400, "AuthorizationHeaderMalformed"), "VOX_S3_REGION"),
        (
            "Received redirect without LOCATION, this normally indicates an incorrectly configured region",
            "VOX_S3_REGION",
        ),
        ("error sending request for url (http://169.254.169.254/latest/api/token)", "VOX_S3_ACCESS_KEY"),
    ],
)
def test_what_the_operator_must_change_is_told(text: str, words: str):
    error = failure(text)
    assert isinstance(error, UsageError)
    assert error.code == "storage_refused"
    assert words in str(error)
    assert "signed" not in str(error)


@pytest.mark.parametrize(
    "text", [http(503, "SlowDown"), http(500, ""), http(429, ""), http(408, ""), "connection refused"]
)
def test_what_passes_is_tried_again(text: str):
    error = failure(text)
    assert isinstance(error, DependencyError)
    assert (error.code, error.retryable) == ("storage_failed", True)
