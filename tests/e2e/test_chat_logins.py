"""Logins in a real browser: passkeys in Chromium's virtual authenticator, one-time passwords, recovery, and a real OpenID provider."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.chats import PASSWORD, chat_server
from tests.e2e.chromium import Page, open_page
from tests.e2e.oidc_programs import oidc_provider
from tests.free_ports import free_port

CLIENT_ID, CLIENT_SECRET = "vox", "a secret of this test"
CLIENT = """
const call = async (method, path, body, token) => {
  const headers = {"Content-Type": "application/json"};
  if (token) headers.Authorization = `Bearer ${token}`;
  const reply = await fetch(`/api/v1${path}`, {method, headers, body: body && JSON.stringify(body)});
  const text = await reply.text();
  return {status: reply.status, json: text ? JSON.parse(text) : null};
};
const ok = async (...what) => {
  const reply = await call(...what);
  if (reply.status >= 400) throw new Error(`${what[0]} ${what[1]}: ${reply.status} ${JSON.stringify(reply.json)}`);
  return reply.json;
};
const encode = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const base32 = text => Uint8Array.from([...text].map(c => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("").match(/.{8}/g), bits => parseInt(bits, 2));
const totp = async (secret, steps = 0) => {
  const key = await crypto.subtle.importKey("raw", base32(secret), {name: "HMAC", hash: "SHA-1"}, false, ["sign"]);
  const counter = new DataView(new ArrayBuffer(8));
  counter.setBigUint64(0, BigInt(Math.floor(Date.now() / 30000) + steps));
  const digest = new DataView(await crypto.subtle.sign("HMAC", key, counter.buffer));
  const at = digest.getUint8(19) & 15;
  return String((digest.getUint32(at) & 0x7fffffff) % 1000000).padStart(6, "0");
};
const create = options => navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options)});
const get = options => navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)});
"""
PASSKEY = """
const {token} = await ok("POST", "/auth/register", {username: "browser", password});
const setup = await ok("POST", "/auth/2fa/setup", {method: "webauthn"}, token);
const {challenge_id, ...options} = setup.creation_options;
const made = await create(options);
const {recovery_codes} = await ok("POST", "/auth/2fa/setup/confirm",
  {setup_id: setup.setup_id, attestation: {challenge_id, ...made.toJSON()}, credential_name: "This browser"}, token);
await ok("POST", "/auth/logout", undefined, token);

const asked = await ok("POST", "/auth/login/webauthn/challenge", {});
const {id, response} = (await get(asked.options)).toJSON();
const alone = await ok("POST", "/auth/login/webauthn", {
  challenge_id: asked.challenge_id, credential_id: id, client_data_json: response.clientDataJSON,
  authenticator_data: response.authenticatorData, signature: response.signature, user_handle: response.userHandle,
});

const half = (await call("POST", "/auth/login", {username: "browser", password})).json.error;
const again = await ok("POST", "/auth/login/webauthn/challenge", {mfa_ticket: half.mfa_ticket});
const assertion = {challenge_id: again.challenge_id, ...(await get(again.options)).toJSON()};
const both = await ok("POST", "/auth/login/2fa", {mfa_ticket: half.mfa_ticket, method: "webauthn", assertion});
const replayed = await call("POST", "/auth/login/2fa", {mfa_ticket: half.mfa_ticket, method: "webauthn", assertion});

const proof = await ok("POST", "/auth/step-up/challenge", undefined, both.token);
const fresh = await ok("POST", "/auth/step-up", {method: "webauthn",
  assertion: {challenge_id: proof.challenge_id, ...(await get(proof.options)).toJSON()}}, both.token);
const [listed] = await ok("GET", "/auth/webauthn/credentials", undefined, both.token);
return {users: [alone.user_id, both.user_id], methods: half.available_methods, replayed: replayed.status,
        codes: recovery_codes, name: listed.name, used: listed.last_used_at !== null, isFresh: fresh.fresh_until > Date.now() / 1000,
        rp: options.rp.id, token: both.token};
"""
CODES = """
const setup = await ok("POST", "/auth/2fa/setup", {method: "totp"}, token);
await ok("POST", "/auth/2fa/setup/confirm", {setup_id: setup.setup_id, code: await totp(setup.totp_secret)}, token);
const half = async () => (await call("POST", "/auth/login", {username: "browser", password})).json.error.mfa_ticket;
const code = await totp(setup.totp_secret, 1);
const first = await call("POST", "/auth/login/2fa", {mfa_ticket: await half(), method: "totp", code});
const twice = await call("POST", "/auth/login/2fa", {mfa_ticket: await half(), method: "totp", code});
const saved = {mfa_ticket: await half(), method: "recovery", code: recovery};
const recovered = await call("POST", "/auth/login/2fa", saved);
const spent = await call("POST", "/auth/login/2fa", {...saved, mfa_ticket: await half()});
return [first, twice, recovered, spent].map(reply => reply.status).concat(
  (await ok("GET", "/auth/2fa", undefined, recovered.json.token)).recovery_codes_left);
"""
BEGIN = """
const verifier = encode(crypto.getRandomValues(new Uint8Array(32)));
sessionStorage.setItem("verifier", verifier);
const challenge = encode(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier)));
return (await ok("POST", "/auth/oidc/start", {challenge, return_to: `${location.origin}/health`})).authorization_url;
"""
FINISH = """
const oidc_ticket = new URLSearchParams(location.hash.slice(1)).get("oidc_ticket");
const verifier = sessionStorage.getItem("verifier");
const {token} = await ok("POST", "/auth/login/oidc", {oidc_ticket, verifier});
const again = await call("POST", "/auth/login/oidc", {oidc_ticket, verifier});
const me = await ok("GET", "/users/@me", undefined, token);
return {username: me.username, name: me.display_name, again: again.status};
"""


async def test_passkeys_codes_and_the_organisations_login_in_a_browser(tmp_path: Path) -> None:
    port = free_port()
    origin = f"http://localhost:{port}"
    async with oidc_provider(CLIENT_ID, CLIENT_SECRET, f"{origin}/api/v1/auth/oidc/callback") as issuer:
        environment = {
            "VOX_SERVER_GATEWAY_URL": f"ws://localhost:{port}/gateway",
            "VOX_OIDC_ISSUER": issuer,
            "VOX_OIDC_CLIENT_ID": CLIENT_ID,
            "VOX_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "VOX_OIDC_ALLOWED_PRIVATE": "127.0.0.0/8",
        }
        async with (
            chat_server(tmp_path, port=port, environment=environment),
            open_page(tmp_path, f"{origin}/health") as page,
        ):
            await page.call("WebAuthn.enable")
            device = {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
            await page.call("WebAuthn.addVirtualAuthenticator", options=device)
            told = await run(page, PASSKEY, password=PASSWORD)
            assert told["users"] == [1, 1]
            assert told["methods"] == ["webauthn", "recovery"]
            assert (told["replayed"], told["rp"], told["name"]) == (401, "localhost", "This browser")
            assert told["used"]
            assert told["isFresh"]
            codes = await run(page, CODES, password=PASSWORD, token=told["token"], recovery=told["codes"][0])
            assert codes == [200, 401, 200, 401, 7]

            await page.call("Page.navigate", url=await run(page, BEGIN))
            await page.wait_for("document.querySelector('input[name=login]') !== null")
            await page.evaluate(
                "document.querySelector('input[name=login]').value = 'grace';"
                "document.querySelector('input[name=password]').value = 'anything';"
                "document.querySelector('form').submit()"
            )
            await page.wait_for("document.querySelector('input[name=prompt]')?.value === 'consent'")
            await page.evaluate("document.querySelector('form').submit()")
            await page.wait_for("location.pathname === '/health' && location.hash.includes('oidc_ticket')")
            entered = await run(page, FINISH)
            assert entered == {"username": "grace", "name": "grace of the organisation", "again": 401}


async def run(page: Page, story: str, **values: Any) -> Any:
    """What a story gives back; the values are constants to it."""
    constants = "".join(f"const {name} = {json.dumps(value)};" for name, value in values.items())
    return await page.evaluate(f"(async () => {{{constants}{CLIENT}{story}}})()")
