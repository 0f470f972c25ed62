from urllib.parse import parse_qsl, urlsplit

from vox.fleet.calls.addresses import CallbackAddresses


def test_an_address_proves_its_tag_and_no_other():
    ours, theirs = CallbackAddresses(lambda: "secret"), CallbackAddresses(lambda: "other")
    url = urlsplit(ours.status_url("https://bridge.example", "twilio", "call_1-1"))
    assert (url.netloc, url.path) == ("bridge.example", "/carriers/twilio/status")
    query = dict(parse_qsl(url.query))
    assert query["tag"] == "call_1-1"
    assert ours.is_ours("call_1-1", query["proof"])
    assert not ours.is_ours("call_1-2", query["proof"])
    assert not theirs.is_ours("call_1-1", query["proof"])
    assert not ours.is_ours("", query["proof"])
    assert not ours.is_ours("call_1-1", "")
    assert urlsplit(ours.answer_url("https://b", "plivo", "x")).path == "/carriers/plivo/answer"
