"""How a vendor's failures become ours."""

import httpx2
import openai
import pytest

from vox.providers import _openai
from vox.providers._openai import failure

REQUEST = httpx2.Request("POST", "https://vendor.example/v1/x")


def status_error(status: int, **headers: str) -> openai.APIStatusError:
    response = httpx2.Response(
        status, headers={name.replace("_", "-"): value for name, value in headers.items()}, request=REQUEST
    )
    return openai.APIStatusError("no", response=response, body=None)


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "provider_failed", False),
        (401, "provider_refused_key", False),
        (402, "provider_out_of_credit", False),
        (404, "provider_failed", False),
        (408, "provider_failed", True),
        (429, "provider_rate_limited", True),
        (500, "provider_failed", True),
        (529, "provider_failed", True),
    ],
)
def test_a_status_says_whose_fault_and_whether_again(status, code, retryable):
    error = failure(status_error(status), "acme")
    assert (error.code, error.retryable) == (code, retryable)
    assert "acme" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "12"}, 12.0),
        ({"retry_after": "-3"}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
    ],
)
def test_retry_after_in_both_its_forms(headers, seconds):
    assert failure(status_error(429, **headers), "acme").retry_after_s == seconds


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), "provider_timeout"),
        (openai.APITimeoutError(REQUEST), "provider_timeout"),
        (httpx2.ReadTimeout("late"), "provider_timeout"),
        (openai.APIConnectionError(request=REQUEST), "provider_unreachable"),
        (httpx2.RemoteProtocolError("cut"), "provider_unreachable"),
        (ValueError("no JSON"), "provider_bad_answer"),
    ],
)
def test_what_is_no_status(error, code):
    assert failure(error, "acme").code == code


def test_a_long_complaint_is_kept_short():
    error = openai.APIStatusError("x" * 10_000, response=httpx2.Response(400, request=REQUEST), body=None)
    assert len(str(failure(error, "acme"))) < 300


def test_every_row_is_complete():
    for kind in ("llm", "stt", "tts"):
        for name, vendor in _openai.vendors(kind).items():
            assert vendor.base_url.startswith("http"), name
            assert vendor.model, name
            assert vendor.key, name
            assert vendor.key_variables, name
