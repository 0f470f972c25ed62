"""AWS's published examples of Signature Version 4, and AWS's own library as the judge of generated requests."""

from datetime import UTC, datetime
from string import ascii_letters, digits
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from vox.providers._aws_signature import AwsCredentials, Signer, hash_of

EXAMPLE = AwsCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
THEN = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
SERVICE = Signer("us-east-1", "service")


def signature(headers: dict[str, str]) -> str:
    return headers["Authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        pytest.param("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", id="get-vanilla"),
        pytest.param(
            "POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", id="post-vanilla"
        ),
        pytest.param(
            "GET",
            "/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            id="get-vanilla-query-order-key-case",
        ),
    ],
)
def test_the_published_test_suite(method, path, expected):
    signed = SERVICE.headers(EXAMPLE, method, f"https://example.amazonaws.com{path}", now=THEN)
    assert signature(signed) == expected


def test_the_example_of_the_documentation():
    signed = Signer("us-east-1", "iam").headers(
        EXAMPLE,
        "GET",
        "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
        now=THEN,
        headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
    )
    assert signed["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


def test_the_signing_key_of_the_documentation():
    key = Signer("us-east-1", "iam").signing_key(EXAMPLE, "20150830T000000Z")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


WORDS = st.text(ascii_letters + digits + " ~-_./+=:,é日", min_size=1, max_size=12)
QUERIES = st.dictionaries(WORDS, WORDS, max_size=4)


@given(
    path=st.lists(WORDS, max_size=3), query=QUERIES, body=st.binary(max_size=40), token=st.sampled_from(["", "t+/="])
)
def test_headers_are_those_of_awss_own_library(path, query, body, token):
    url = "https://polly.eu-west-1.amazonaws.com/" + "/".join(quote(part, safe="") for part in path if part.strip("."))
    if query:
        url += "?" + "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items())
    now = datetime.now(UTC)
    credentials = AwsCredentials("AKID", "secret", token)
    ours = Signer("eu-west-1", "polly").headers(
        credentials, "POST", url, now=now, headers={"Content-Type": "application/json"}, body_hash=hash_of(body)
    )
    theirs = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
    theirs.context["timestamp"] = ours["X-Amz-Date"]
    judge = SigV4Auth(Credentials("AKID", "secret", token or None), "polly", "eu-west-1")
    theirs.headers["X-Amz-Date"] = ours["X-Amz-Date"]
    if token:
        theirs.headers["X-Amz-Security-Token"] = token
    text = judge.string_to_sign(theirs, judge.canonical_request(theirs))
    assert signature(ours) == judge.signature(text, theirs)


@given(query=QUERIES, token=st.sampled_from(["", "t+/="]))
def test_presigned_urls_are_those_of_awss_own_library(query, token):
    url = "wss://transcribestreaming.eu-west-1.amazonaws.com:8443/stream-transcription-websocket"
    if query:
        url += "?" + "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items())
    ours = Signer("eu-west-1", "transcribe").presigned_url(
        AwsCredentials("AKID", "secret", token), "GET", url, now=datetime.now(UTC), expires_s=60
    )
    unsigned, _, found = ours.rpartition("&X-Amz-Signature=")
    stamp = unsigned.rpartition("X-Amz-Date=")[2].partition("&")[0]
    theirs = AWSRequest("GET", unsigned)
    theirs.context["timestamp"] = stamp
    judge = SigV4QueryAuth(Credentials("AKID", "secret", token or None), "transcribe", "eu-west-1", expires=60)
    text = judge.string_to_sign(theirs, judge.canonical_request(theirs))
    assert found == judge.signature(text, theirs)


def test_no_secret_is_shown():
    assert "wJalr" not in repr(EXAMPLE)
