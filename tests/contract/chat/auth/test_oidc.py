"""Logins by an organisation's provider, and by one that lies."""

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc.jwk import RSAKey

from tests.contract.chat.harness import PASSWORD, Person, Rig, community
from tests.contract.chat.helpers_factors import PUBLIC, add_totp, as_person, code_now, finish
from tests.contract.chat.helpers_people import LateClock, anonymous, log_in, outcome
from tests.fakes.oidc_provider import CLIENT_ID, CLIENT_SECRET, NOW_S, FakeProvider, callback, oidc_provider
from vox.chat.features.oidc.id_token import s256
from vox.security.outbound import OutboundGuard

FAILED = (401, "OIDC_FAILED")
VERIFIER = "v" * 43


class Organisation:
    """A community with a provider, and a browser between them."""

    def __init__(self, rig: Rig, provider: FakeProvider) -> None:
        self.rig = rig
        self.provider = provider

    async def begin(self, **more: Any) -> str:
        reply = await anonymous(self.rig, "POST", "/auth/oidc/start", {"challenge": s256(VERIFIER), **more})
        assert reply.is_success, reply.text
        return reply.json()["authorization_url"]

    async def come_back(self, answer: dict[str, str]) -> str:
        """Where the browser ends."""
        reply = await self.rig.http.get(callback(answer))
        assert reply.status_code == 303, reply.text
        assert reply.headers["cache-control"] == "private, no-store"
        return reply.headers["location"]

    async def ticket(self) -> str:
        page = await self.come_back(self.provider.authorize(await self.begin()))
        assert page.startswith("https://chat.example.com/#oidc_ticket="), page
        return page.partition("=")[2]

    async def finish(self, ticket: str, verifier: str = VERIFIER, **more: Any) -> httpx2.Response:
        body = {"oidc_ticket": ticket, "verifier": verifier, **more}
        return await anonymous(self.rig, "POST", "/auth/login/oidc", body)

    async def log_in(self, **more: Any) -> httpx2.Response:
        return await self.finish(await self.ticket(), **more)


@contextlib.asynccontextmanager
async def organisation(database_url: str, folder: Path, **more: Any) -> AsyncGenerator[Organisation, None]:
    clock = LateClock()
    clock.advance(NOW_S - clock.wall().timestamp())
    given: dict[str, Any] = {
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_allowed_private": ["127.0.0.0/8"],
        **PUBLIC,
        **more,
    }
    async with (
        oidc_provider() as provider,
        community(database_url, folder, clock=clock, oidc_issuer=provider.issuer, **given) as rig,
    ):
        yield Organisation(rig, provider)


@pytest.fixture
async def org(database_url: str, tmp_path: Path) -> AsyncGenerator[Organisation, None]:
    async with organisation(database_url, tmp_path) as org:
        yield org


async def test_a_person_of_the_organisation_gets_an_account_once(org: Organisation) -> None:
    ada = await org.rig.register("ada")
    grace = as_person(org.rig, "Grace", await org.log_in())
    me = await grace.ok("GET", "/users/@me")
    assert (me["user_id"], me["username"], me["display_name"], me["roles"]) == (2, "Grace", "Grace Hopper", [])
    assert (await grace.ok("GET", "/auth/sessions"))["sessions"][0]["method"] == "oidc"
    assert await grace.ok("GET", "/auth/oidc/link") == {"is_linked": True}
    org.provider.person["preferred_username"] = "ada"
    assert as_person(org.rig, "Grace", await org.log_in()).user_id == 2, "the subject counts, not the name"
    org.provider.person = {"sub": "0002", "preferred_username": "ADA@example.com"}
    other = as_person(org.rig, "ADA-2", await org.log_in())
    assert (await other.ok("GET", "/users/@me"))["username"] == "ADA-2", "no one gets an account by its owner's name"
    assert (await ada.ok("GET", "/auth/oidc/link")) == {"is_linked": False}
    assert outcome(await log_in(org.rig, "Grace", "")) == (401, "AUTH_FAILED"), "such an account has no password"
    assert outcome(await grace.delete("/auth/oidc/link")) == (400, "INVALID_OPERATION")
    assert org.provider.asked.count("/keys") == 1, "keys are kept"


async def test_names_that_may_not_be_are_replaced(org: Organisation) -> None:
    for number, name in enumerate(("", "everyone", "\u202eevil", "x" * 300, "a\0b")):
        org.provider.person = {"sub": f"n{number}", "preferred_username": name, "name": name}
        assert outcome(await org.log_in()) == (200, ""), name


LIES: list[dict[str, Any]] = [
    {"lies": {"nonce": "another"}},
    {"lies": {"nonce": None}},
    {"lies": {"iss": "https://evil.test"}},
    {"lies": {"aud": "another client"}},
    {"lies": {"aud": [CLIENT_ID, "another"]}},
    {"lies": {"azp": "another"}},
    {"lies": {"exp": NOW_S - 1000}},
    {"lies": {"exp": None}},
    {"lies": {"iat": NOW_S + 9000}},
    {"lies": {"sub": None}},
    {"lies": {"sub": 5}},
    {"lies": {"at_hash": "AAAA"}},
    {"userinfo": {"sub": "0002"}},
    {"algorithm": "none"},
    {"algorithm": "HS256"},
]


async def test_a_token_that_is_not_for_this_login_lets_nobody_in(org: Organisation) -> None:
    ends = "https://chat.example.com/#oidc_error=failed"
    for lie in LIES:
        for name, value in lie.items():
            setattr(org.provider, name, value)
        page = await org.come_back(org.provider.authorize(await org.begin()))
        assert page == ends, lie
        org.provider.lies, org.provider.userinfo, org.provider.algorithm = {}, {}, "RS256"
    right = org.provider.authorize(await org.begin())
    assert await org.come_back({**right, "iss": "https://evil.test"}) == ends
    assert await org.come_back({**org.provider.authorize(await org.begin()), "iss": ""}) == ends
    assert await org.come_back({**org.provider.authorize(await org.begin()), "code": "guessed"}) == ends
    assert (
        await org.come_back({"state": org.provider.authorize(await org.begin())["state"], "error": "access_denied"})
        == ends
    )
    stolen = org.provider.authorize(await org.begin())
    mine = org.provider.authorize(await org.begin())
    assert await org.come_back({**mine, "code": stolen["code"]}) == ends, "the code of another login"
    assert outcome(await org.log_in()) == (200, "")


async def test_a_state_and_a_ticket_are_good_once(org: Organisation) -> None:
    answer = org.provider.authorize(await org.begin())
    ticket = (await org.come_back(answer)).partition("=")[2]
    for again in (answer, {**answer, "state": "unknown"}, {}):
        assert outcome(await org.rig.http.get(callback(again))) == FAILED
    for wrong in ("oidc_unknown", "nonsense", answer["state"], "oidc_" + "x" * 300):
        assert outcome(await org.finish(wrong)) == FAILED
    assert outcome(await org.finish(ticket)) == (200, "")
    assert outcome(await org.finish(ticket)) == FAILED


async def test_only_the_client_that_began_a_login_finishes_it(org: Organisation) -> None:
    ticket = await org.ticket()
    assert outcome(await org.finish(ticket, "w" * 43)) == FAILED
    assert outcome(await org.finish(ticket)) == FAILED, "and one guess is all"
    assert outcome(await org.finish(await org.ticket(), "short")) == (422, "VALIDATION_ERROR")
    headers = {"authorization": f"Bearer {await org.ticket()}"}
    assert outcome(await org.rig.http.get("/api/v1/server", headers=headers)) == (401, "AUTH_FAILED")
    assert outcome(await finish(org.rig, await org.ticket(), "totp", code="000000")) == (401, "2FA_INVALID_CODE")


async def test_logins_expire_on_the_way(org: Organisation) -> None:
    clock = org.rig.chat.clock
    assert isinstance(clock, LateClock)
    answer = org.provider.authorize(await org.begin())
    ticket = await org.ticket()
    clock.advance(301)
    assert outcome(await org.finish(ticket)) == FAILED
    clock.advance(300)
    assert outcome(await org.rig.http.get(callback(answer))) == FAILED


async def test_browsers_are_sent_to_pages_of_the_community_only(database_url: str, tmp_path: Path) -> None:
    async with organisation(database_url, tmp_path, allowed_origins=["https://app.example.com"]) as org:
        for page in ("https://app.example.com/login?x=1", "https://chat.example.com/app"):
            answer = org.provider.authorize(await org.begin(return_to=page))
            assert (await org.come_back(answer)).startswith(f"{page}#oidc_ticket=")
        for page in (
            "https://evil.test/", "https://app.example.com@evil.test/", "//evil.test", "javascript:alert(1)", "/",
            "https://app.example.com/#x", "https://app.example.com\\@evil.test", "https://app.example.com/\r\nx: y",
            "http://chat.example.com/", "https://app.example.com.evil.test/", "https://[",
        ):  # fmt: skip
            body = {"challenge": s256(VERIFIER), "return_to": page}
            reply = await anonymous(org.rig, "POST", "/auth/oidc/start", body)
            assert outcome(reply) == (422, "VALIDATION_ERROR"), page


async def test_a_second_factor_is_asked_after_the_provider_too(org: Organisation) -> None:
    grace = as_person(org.rig, "Grace", await org.log_in())
    secret, _ = await add_totp(grace)
    refused = await org.log_in()
    assert outcome(refused) == (401, "2FA_REQUIRED")
    ticket = refused.json()["error"]["mfa_ticket"]
    reply = await finish(org.rig, ticket, "totp", code=code_now(org.rig, secret, 1))
    assert as_person(org.rig, "Grace", reply).user_id == grace.user_id


async def link(org: Organisation, person: Person) -> httpx2.Response:
    begun = await person.ok("POST", "/auth/oidc/link/start", {"challenge": s256(VERIFIER)})
    page = await org.come_back(org.provider.authorize(begun["authorization_url"]))
    return await person.post("/auth/oidc/link", {"oidc_ticket": page.partition("=")[2], "verifier": VERIFIER})


async def test_an_account_is_linked_by_its_owner(org: Organisation) -> None:
    ada, bob = await org.rig.register("ada"), await org.rig.register("bob")
    assert outcome(await link(org, ada)) == (204, "")
    assert outcome(await link(org, ada)) == (204, "")
    assert as_person(org.rig, "ada", await org.log_in()).user_id == ada.user_id
    assert outcome(await link(org, bob)) == (400, "INVALID_OPERATION")
    org.provider.person = {"sub": "0002"}
    assert outcome(await link(org, ada)) == (400, "INVALID_OPERATION")
    for_login = {"oidc_ticket": await org.ticket(), "verifier": VERIFIER}
    assert outcome(await bob.post("/auth/oidc/link", for_login)) == FAILED, "a login links nothing"
    begun = await ada.ok("POST", "/auth/oidc/link/start", {"challenge": s256(VERIFIER)})
    page = await org.come_back(org.provider.authorize(begun["authorization_url"]))
    assert outcome(await org.finish(page.partition("=")[2])) == FAILED, "nor does a link log in"
    begun = await ada.ok("POST", "/auth/oidc/link/start", {"challenge": s256(VERIFIER)})
    page = await org.come_back(org.provider.authorize(begun["authorization_url"]))
    hers = {"oidc_ticket": page.partition("=")[2], "verifier": VERIFIER}
    assert outcome(await bob.post("/auth/oidc/link", hers)) == FAILED, "nor one account's link another"
    assert outcome(await ada.delete("/auth/oidc/link")) == (204, "")
    assert outcome(await ada.delete("/auth/oidc/link")) == (400, "INVALID_OPERATION")


async def test_closed_registration_is_closed_to_the_organisation_too(database_url: str, tmp_path: Path) -> None:
    async with organisation(database_url, tmp_path, registration="closed") as org:
        assert outcome(await org.log_in()) == (403, "FORBIDDEN")
    async with organisation(database_url, tmp_path, registration="invite") as org:
        assert outcome(await org.log_in()) == (422, "INVITE_INVALID")
        assert outcome(await org.log_in(invite_code="nonsense")) == (422, "INVITE_INVALID")
    async with organisation(database_url, tmp_path, registration="closed", oidc_registration=True) as org:
        assert outcome(await org.log_in()) == (200, "")


async def test_where_the_provider_is_the_only_way_in(database_url: str, tmp_path: Path) -> None:
    async with organisation(database_url, tmp_path) as org:
        ada, bob = await org.rig.register("ada"), await org.rig.register("bob")
        secret, _ = await add_totp(bob)
        assert ada.user_id == 1
    more: dict[str, Any] = {"oidc_only": True, "oidc_registration": True}
    async with organisation(database_url, tmp_path, **more) as org:
        methods = (await anonymous(org.rig, "GET", "/auth/methods")).json()
        assert methods == {
            "registration": "closed", "password": False, "passkeys": False, "organisation": "Organisation",
        }  # fmt: skip
        assert outcome(await log_in(org.rig, "bob", PASSWORD)) == (403, "FORBIDDEN")
        assert outcome(await log_in(org.rig, "ada", PASSWORD)) == (200, ""), "an administrator, for when it is down"
        eve = {"username": "eve", "password": PASSWORD}
        assert outcome(await anonymous(org.rig, "POST", "/auth/register", eve)) == (403, "FORBIDDEN")
        assert outcome(await org.log_in()) == (200, "")
        assert secret


async def test_a_forged_key_lets_nobody_in_and_does_not_make_us_ask_each_time(org: Organisation) -> None:
    assert outcome(await org.log_in()) == (200, "")
    org.provider.signing_key = RSAKey.generate_key(2048, {"kid": "forged"})
    for _ in range(3):
        assert (await org.come_back(org.provider.authorize(await org.begin()))).endswith("#oidc_error=failed")
    assert org.provider.asked.count("/keys") == 1


async def test_a_provider_in_a_private_network_is_not_asked_unless_it_is_allowed(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()
    real = OutboundGuard.fetch

    async def fetch(guard: OutboundGuard, method: str, url: str, **more: Any) -> Any:
        asked.append(url)
        return await real(guard, method, url, **more)

    monkeypatch.setattr(OutboundGuard, "fetch", fetch)
    async with organisation(database_url, tmp_path, oidc_allowed_private=[]) as org:
        reply = await anonymous(org.rig, "POST", "/auth/oidc/start", {"challenge": s256(VERIFIER)})
        assert outcome(reply) == (503, "UNAVAILABLE")
        assert org.provider.asked == []
        assert len(asked) == 1, "what is asked at all goes through the guard"


async def test_metadata_that_lies_is_not_used(org: Organisation) -> None:
    for lie in (
        {"issuer": "https://evil.test"}, {"token_endpoint": "ftp://127.0.0.1/"}, {"jwks_uri": None}, {"token_endpoint": 5},
    ):  # fmt: skip
        org.provider.metadata = lie
        reply = await anonymous(org.rig, "POST", "/auth/oidc/start", {"challenge": s256(VERIFIER)})
        assert outcome(reply) == (503, "UNAVAILABLE"), lie
    org.provider.metadata = {}
    assert outcome(await org.log_in()) == (200, "")


async def test_without_a_provider_all_of_it_is_off(chat: Rig) -> None:
    ada = await chat.register("ada")
    off = (404, "OIDC_NOT_CONFIGURED")
    body = {"oidc_ticket": "oidc_x", "verifier": VERIFIER}
    begin = {"challenge": s256(VERIFIER)}
    assert outcome(await anonymous(chat, "POST", "/auth/oidc/start", begin)) == off
    assert outcome(await chat.http.get(callback({"state": "x"}))) == off
    assert outcome(await anonymous(chat, "POST", "/auth/login/oidc", body)) == off
    assert outcome(await ada.get("/auth/oidc/link")) == off
    assert outcome(await ada.post("/auth/oidc/link/start", begin)) == off
    assert outcome(await ada.post("/auth/oidc/link", body)) == off
    assert outcome(await ada.delete("/auth/oidc/link")) == off
    methods = (await anonymous(chat, "GET", "/auth/methods")).json()
    assert methods == {"registration": "open", "password": True, "passkeys": False, "organisation": None}
