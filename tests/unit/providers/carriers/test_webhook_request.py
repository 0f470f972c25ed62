import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.carriers.contract import WebhookRequest

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json; charset=utf-8"}


@pytest.mark.parametrize(
    "request_",
    [
        WebhookRequest("POST", "https://h/?to=9", FORM, b"From=%2B15550001&To=%2B15550002&CallSid=CA1"),
        WebhookRequest("GET", "https://h/?From=%2B15550001&To=%2B15550002&CallSid=CA1"),
        WebhookRequest("POST", "https://h/", JSON, b'{"from":"+15550001","to":"+15550002","callSid":"CA1","n":[1]}'),
    ],
    ids=["form", "query", "json"],
)
def test_the_call_is_described_in_three_forms(request_):
    assert request_.fields() == {"from": "+15550001", "to": "+15550002", "callsid": "CA1"}


def test_headers_are_found_in_any_case():
    request = WebhookRequest("GET", "https://h/", {"X-Thing": "1", "other": "2"})
    assert [request.header(name) for name in ("x-thing", "X-Thing", "OTHER", "missing")] == ["1", "1", "2", ""]


@given(st.sampled_from([FORM, JSON, {}]), st.binary(max_size=80))
def test_no_body_breaks_it(headers, body):
    fields = WebhookRequest("POST", "https://h/?a=b", headers, body).fields()
    assert all(isinstance(value, str) for value in fields.values())
