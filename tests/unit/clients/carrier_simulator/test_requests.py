"""The signatures are proved by the drivers that check them, which were written from the carriers' documents by themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.clients.carrier_simulator.requests import (
    OutgoingRequest,
    TelnyxKey,
    form_request,
    json_request,
    multipart_request,
    signed_for_exotel,
    signed_for_plivo,
    signed_for_twilio,
)
from vox.errors import UsageError
from vox.providers.carriers import exotel, plivo, telnyx, twilio
from vox.providers.carriers.contract import WebhookRequest

URLS = ["http://127.0.0.1:8100/carriers/status", "https://b.example/x?b=2&a=1&a=0", "https://b.example/x?empty="]
FIELDS = st.dictionaries(
    st.text("ABCdef123", min_size=1, max_size=8), st.text(st.characters(codec="utf-8"), max_size=8), max_size=5
)


def received(request: OutgoingRequest) -> WebhookRequest:
    return WebhookRequest(request.method, request.url, request.headers, request.body)


@given(st.sampled_from(["POST", "GET"]), st.sampled_from(URLS), FIELDS)
def test_twilios_signature_is_the_one_that_is_checked(method, url, fields):
    request = signed_for_twilio(form_request(method, url, fields), "token")
    twilio.verify(received(request), "token", now=0.0)
    with pytest.raises(UsageError):
        twilio.verify(received(request), "another", now=0.0)


@given(st.sampled_from(["POST", "GET"]), st.sampled_from(URLS), FIELDS)
def test_plivos_signature_is_the_one_that_is_checked(method, url, fields):
    request = signed_for_plivo(form_request(method, url, fields), "token", "nonce1")
    plivo.verify(received(request), "token", now=0.0)
    with pytest.raises(UsageError):
        plivo.verify(received(request), "another", now=0.0)


def test_telnyxs_signature_is_the_one_that_is_checked():
    key = TelnyxKey(bytes(range(32)))
    request = key.signed(json_request("http://b/x", {"data": {"id": 1}}), 1_700_000_000)
    telnyx.verify(received(request), key.public_key, now=1_700_000_001.0)
    with pytest.raises(UsageError):
        telnyx.verify(received(request), TelnyxKey(bytes(32)).public_key, now=1_700_000_001.0)


def test_exotel_brings_credentials():
    request = signed_for_exotel(OutgoingRequest("GET", "http://b/x"), "key", "secret")
    exotel.verify(received(request), "secret", now=0.0)


def test_a_form_travels_in_the_body_of_a_post_and_in_the_query_of_a_get():
    post, get = form_request("POST", "http://b/x", {"a": "1 2"}), form_request("get", "http://b/x?q=0#f", {"a": "1 2"})
    assert (post.method, post.url, post.body) == ("POST", "http://b/x", b"a=1+2")
    assert (get.method, get.url, get.body) == ("GET", "http://b/x?q=0&a=1+2", b"")


def test_a_multipart_form_holds_each_field_between_its_boundaries():
    request = multipart_request("http://b/x", {"CallSid": "1", "Status": "busy"}, "limit")
    assert request.headers["content-type"] == "multipart/form-data; boundary=limit"
    assert request.body == (
        b'--limit\r\nContent-Disposition: form-data; name="CallSid"\r\n\r\n1\r\n'
        b'--limit\r\nContent-Disposition: form-data; name="Status"\r\n\r\nbusy\r\n--limit--\r\n'
    )
