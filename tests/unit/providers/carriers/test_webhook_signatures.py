import base64
import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import UsageError
from vox.providers.carriers import exotel, genesys, plivo, telnyx, twilio, vonage
from vox.providers.carriers.contract import WebhookRequest

NOW = 1_700_000_000.0
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}


def mac(secret, text, name="sha256"):
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), name).digest()).decode()


def refused(driver, request, secret, now=NOW):
    with pytest.raises(UsageError) as caught:
        driver.verify(request, secret, now=now)
    assert secret not in str(caught.value)
    return caught.value.code == "bad_signature"


class TestTwilio:
    """The first example is the one that Twilio publishes for implementers."""

    URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
    FIELDS = (
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    )
    SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="

    def request(self, *, url=URL, fields=FIELDS, signature=SIGNATURE, method="POST"):
        headers = {**FORM, "X-Twilio-Signature": signature}
        return WebhookRequest(method, url, headers, urlencode(fields).encode())

    def test_the_published_example_passes_in_any_order(self):
        twilio.verify(self.request(), "12345", now=NOW)
        twilio.verify(self.request(fields=self.FIELDS[::-1]), "12345", now=NOW)

    @pytest.mark.parametrize(
        "url",
        ["https://mycompany.com:443/myapp.php?foo=1&bar=2", "https://mycompany.com:8443/myapp.php?foo=1&bar=2", URL],
    )
    def test_a_proxy_may_add_a_port(self, url):
        twilio.verify(self.request(url=url), "12345", now=NOW)

    def test_a_signature_made_with_the_port_passes_without(self):
        url = "https://[2001:db8::1]/x"
        with_port = mac("12345", "https://[2001:db8::1]:443/x", "sha1")
        twilio.verify(self.request(url=url, fields=(), signature=with_port), "12345", now=NOW)

    def test_anything_changed_is_refused(self):
        assert refused(twilio, self.request(), "54321")
        assert refused(twilio, self.request(url=self.URL.replace("foo=1", "foo=2")), "12345")
        assert refused(twilio, self.request(fields=(*self.FIELDS, ("Extra", "1"))), "12345")
        assert refused(twilio, self.request(signature=""), "12345")
        assert refused(twilio, self.request(signature="ünsigned"), "12345")
        assert refused(twilio, self.request(url="https://mycompany.com.evil.example/myapp.php?foo=1&bar=2"), "12345")

    def test_a_json_body_is_vouched_for_by_its_hash(self):
        # vector C of SignalWire's porting guide, which signs as Twilio does
        url = (
            "https://example.ngrok.io/webhook?bodySHA256="
            "69f3cbfc18e386ef8236cb7008cd5a54b7fed637a8cb3373b5a1591d7f0fd5f4"
        )
        headers = {"content-type": "application/json", "x-twilio-signature": "dfO9ek8mxyFtn2nMz24plPmPfIY="}
        body = b'{"event":"call.state"}'
        twilio.verify(WebhookRequest("POST", url, headers, body), "PSKtest1234567890abcdef", now=NOW)
        assert refused(twilio, WebhookRequest("POST", url, headers, body + b" "), "PSKtest1234567890abcdef")

    def test_a_body_that_nobody_signed_is_refused(self):
        headers = {"Content-Type": "application/json", "X-Twilio-Signature": mac("12345", self.URL, "sha1")}
        twilio.verify(WebhookRequest("GET", self.URL, headers), "12345", now=NOW)
        assert refused(twilio, WebhookRequest("POST", self.URL, headers, b"{}"), "12345")

    def test_a_repeated_field_counts_once_for_each_value(self):
        signature = mac("12345", self.URL + "x1x2", "sha1")
        fields = (("x", "2"), ("x", "1"), ("x", "1"))
        twilio.verify(self.request(fields=fields, signature=signature), "12345", now=NOW)


class TestTelnyx:
    BODY = b'{"data":{"event_type":"call.initiated"}}'

    @pytest.fixture
    def key(self):
        return pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519").Ed25519PrivateKey.generate()

    def request(self, key, *, at=NOW, body=BODY):
        stamp = str(int(at))
        signature = base64.b64encode(key.sign(stamp.encode() + b"|" + self.BODY)).decode()
        headers = {"Telnyx-Signature-Ed25519": signature, "Telnyx-Timestamp": stamp}
        return WebhookRequest("POST", "https://h/", headers, body)

    def public(self, key):
        return base64.b64encode(key.public_key().public_bytes_raw()).decode()

    def test_a_fresh_signed_request_passes(self, key):
        telnyx.verify(self.request(key), self.public(key), now=NOW + 299)

    def test_old_future_and_changed_requests_are_refused(self, key):
        assert refused(telnyx, self.request(key), self.public(key), now=NOW + 301)
        assert refused(telnyx, self.request(key), self.public(key), now=NOW - 301)
        assert refused(telnyx, self.request(key, body=b"{}"), self.public(key))

    @pytest.mark.parametrize("stamp", ["", "now", "-1", "1e9", "٣", "9" * 400])
    def test_a_timestamp_is_digits(self, stamp):
        headers = {"telnyx-signature-ed25519": "AAAA", "telnyx-timestamp": stamp}
        assert refused(telnyx, WebhookRequest("POST", "https://h/", headers, b"{}"), "key")


class TestPlivo:
    def request(self, signed, *, method="POST", url="https://h.example/hook", fields=(), header="X-Plivo-Signature-V3"):
        headers = {**FORM, header: mac("token", f"{signed}.nonce1"), "X-Plivo-Signature-V3-Nonce": "nonce1"}
        return WebhookRequest(method, url, headers, urlencode(fields).encode())

    @pytest.mark.parametrize(
        ("method", "url", "fields", "signed"),
        [
            ("POST", "https://h.example/hook", (), "https://h.example/hook"),
            ("GET", "https://h.example/hook?b=2&a=1", (), "https://h.example/hook?a=1&b=2"),
            ("POST", "https://h.example/hook?b=2&a=1", (), "https://h.example/hook?a=1&b=2"),
            ("POST", "https://h.example/hook", (("To", "1"), ("From", "+2")), "https://h.example/hook?From+2To1"),
            (
                "POST",
                "https://h.example/hook?b=2&a=1",
                (("To", "1"), ("From", "2")),
                "https://h.example/hook?a=1&b=2.From2To1",
            ),
        ],
    )
    def test_what_is_signed_follows_plivos_own_library(self, method, url, fields, signed):
        request = self.request(signed, method=method, url=url, fields=fields)
        plivo.verify(request, "token", now=NOW)
        assert refused(plivo, request, "tokens")

    def test_one_of_several_signatures_is_enough(self):
        request = self.request("https://h.example/hook", header="X-Plivo-Signature-MA-V3")
        plivo.verify(request, "token", now=NOW)
        both = dict(request.headers) | {"X-Plivo-Signature-V3": "AAAA, BBBB"}
        plivo.verify(WebhookRequest("POST", request.url, both), "token", now=NOW)

    def test_changed_or_unsigned_requests_are_refused(self):
        good = self.request("https://h.example/hook?From2", fields=(("From", "2"),))
        plivo.verify(good, "token", now=NOW)
        assert refused(plivo, WebhookRequest("POST", good.url, good.headers, b"From=3"), "token")
        assert refused(plivo, WebhookRequest("POST", good.url + "?x=1", good.headers, good.body), "token")
        assert refused(plivo, WebhookRequest("POST", good.url, FORM, good.body), "token")
        plain = self.request("https://h.example/hook")
        as_json = dict(plain.headers) | {"Content-Type": "application/json"}
        assert refused(plivo, WebhookRequest("POST", plain.url, as_json, b"{}"), "token")


class TestVonage:
    BODY = b'{"uuid":"u-1"}'

    def request(self, *, body=BODY, scheme="Bearer", **claims):
        def part(value):
            return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

        payload = {"iat": NOW, "iss": "Vonage", "payload_hash": hashlib.sha256(self.BODY).hexdigest(), **claims}
        head = part(json.dumps({"alg": "HS256"}).encode())
        signed = f"{head}.{part(json.dumps(payload).encode())}"
        signature = part(hmac.new(b"secret", signed.encode(), "sha256").digest())
        return WebhookRequest("POST", "https://h/", {"authorization": f"{scheme} {signed}.{signature}"}, body)

    def test_a_signed_body_passes(self):
        vonage.verify(self.request(), "secret", now=NOW + 10)

    def test_anything_changed_is_refused(self):
        assert refused(vonage, self.request(), "another")
        assert refused(vonage, self.request(body=b"{}"), "secret")
        assert refused(vonage, self.request(payload_hash=""), "secret")
        assert refused(vonage, self.request(payload_hash=7), "secret")
        assert refused(vonage, self.request(scheme="Basic"), "secret")
        assert refused(vonage, self.request(), "secret", now=NOW + 301)
        assert refused(vonage, WebhookRequest("POST", "https://h/", {}, self.BODY), "secret")


class TestExotel:
    @pytest.mark.parametrize(
        "request_",
        [
            WebhookRequest("GET", "https://h/?token=s3cret&CallSid=1"),
            WebhookRequest("GET", "https://h/", {"Authorization": "Bearer s3cret"}),
            WebhookRequest("GET", "https://h/", {"authorization": "Basic " + base64.b64encode(b"key:s3cret").decode()}),
            WebhookRequest("GET", "https://h/", {"authorization": "Basic " + base64.b64encode(b"s3cret").decode()}),
        ],
    )
    def test_the_shared_token_may_come_three_ways(self, request_):
        exotel.verify(request_, "s3cret", now=NOW)
        assert refused(exotel, request_, "another")

    @pytest.mark.parametrize("authorization", ["", "Basic", "Basic !!!", "Bearer", "Digest s3cret"])
    def test_without_it_nothing_passes(self, authorization):
        request = WebhookRequest("GET", "https://h/?token=", {"authorization": authorization})
        assert refused(exotel, request, "s3cret")
        with pytest.raises(UsageError):
            exotel.verify(request, "", now=NOW)


class TestGenesys:
    """The example of Genesys' documentation, also in its reference implementation."""

    KEY = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
    SECRET = f"{KEY}:TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="
    CREATED = 1641013200
    URL = "wss://audiohook.example.com/api/v1/voicebiometrics/ws"
    HEADERS = {  # noqa: RUF012  a constant
        "Host": "audiohook.example.com",
        "Audiohook-Organization-Id": "d7934305-0972-4844-938e-9060eef73d05",
        "Audiohook-Session-Id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
        "Audiohook-Correlation-Id": "e160e428-53e2-487c-977d-96989bf5c99d",
        "X-API-KEY": KEY,
        "Signature": "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:",
        "Signature-Input": (
            'sig1=("@request-target" "@authority" "audiohook-organization-id" "audiohook-session-id" '
            '"audiohook-correlation-id" "x-api-key");keyid="SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";'
            'nonce="VGhpc0lzQVVuaXF1ZU5vbmNl";alg="hmac-sha256";created=1641013200;expires=3282026430'
        ),
    }

    def request(self, *, url=URL, **changed):
        headers = self.HEADERS | {name.replace("_", "-"): value for name, value in changed.items()}
        return WebhookRequest("GET", url, headers)

    def test_the_documented_example_passes(self):
        genesys.verify(self.request(), self.SECRET, now=self.CREATED + 10)

    def test_with_the_key_alone_the_key_is_enough(self):
        genesys.verify(WebhookRequest("GET", self.URL, {"x-api-key": self.KEY}), self.KEY, now=NOW)
        assert refused(genesys, WebhookRequest("GET", self.URL, {"x-api-key": "another"}), self.KEY)
        assert refused(genesys, WebhookRequest("GET", self.URL), self.KEY)

    def test_with_a_client_secret_the_request_must_be_signed(self):
        assert refused(genesys, WebhookRequest("GET", self.URL, {"x-api-key": self.KEY}), self.SECRET)

    @pytest.mark.parametrize(
        "changed",
        [
            {"Audiohook_Session_Id": "another"},
            {"Host": "evil.example.com"},
            {"url": "wss://audiohook.example.com/api/v1/other"},
            {"Signature": "sig1=:AAAA:"},
            {"Signature": "sig2=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:"},
            {"Signature_Input": 'sig1=("@authority");keyid="SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"'},
            {"Signature_Input": HEADERS["Signature-Input"].replace("created=1641013200", "created=")},
            {"Signature_Input": HEADERS["Signature-Input"].replace("created=1641013200", 'created="soon"')},
            {"Signature_Input": HEADERS["Signature-Input"].replace("hmac-sha256", "none")},
            {"Signature_Input": HEADERS["Signature-Input"].replace("VGhpc0lzQVVuaXF1ZU5vbmNl", "short")},
            {"Signature_Input": HEADERS["Signature-Input"].replace('("@req', '("@nonsense" "@req')},
            {"Signature_Input": "garbage"},
        ],
    )
    def test_anything_changed_is_refused(self, changed):
        assert refused(genesys, self.request(**changed), self.SECRET, now=self.CREATED)

    def test_an_old_signature_is_refused(self):
        assert refused(genesys, self.request(), self.SECRET, now=self.CREATED + 11)
        assert refused(genesys, self.request(), f"{self.KEY}:AAAA", now=self.CREATED)


NAMES = st.sampled_from(
    [
        "x-twilio-signature",
        "x-plivo-signature-v3",
        "x-plivo-signature-v3-nonce",
        "authorization",
        "x-api-key",
        "signature",
        "signature-input",
        "content-type",
    ]
)


@pytest.mark.parametrize(
    "driver", [twilio, plivo, vonage, exotel, genesys], ids=lambda d: d.__name__.rpartition(".")[2]
)
@given(
    headers=st.dictionaries(NAMES, st.text(st.characters(max_codepoint=255), max_size=60)),
    path=st.from_regex(r"[a-z0-9/?&=%.]{0,40}", fullmatch=True),
    body=st.binary(max_size=60),
)
def test_no_request_passes_by_chance_or_raises_anything_else(driver, headers, path, body):
    assert refused(driver, WebhookRequest("POST", f"https://h.example/{path}", headers, body), "a-long-secret:AAAA")


@pytest.mark.parametrize("driver", [twilio, plivo, exotel, genesys], ids=lambda d: d.__name__.rpartition(".")[2])
def test_an_address_that_is_none_is_refused(driver):
    headers = dict(TestGenesys.HEADERS) | {
        "x-twilio-signature": "x",
        "x-plivo-signature-v3": "x",
        "x-plivo-signature-v3-nonce": "x",
    }
    secret = TestGenesys.SECRET
    assert refused(driver, WebhookRequest("POST", "https://[/x", headers), secret, now=TestGenesys.CREATED)
