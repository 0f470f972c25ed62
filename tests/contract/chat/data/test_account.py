"""One's own data: all of it can be read by its owner and by no other, and the account can be deleted."""

from functools import partial

from sqlalchemy import Connection, insert

from tests.contract.chat.harness import PASSWORD, Rig
from tests.contract.chat.helpers_spaces import feed
from vox.chat.database.schema import device_pairings, oidc_flows, webauthn_challenges
from vox.chat.database.unit_of_work import Change

FLOW = ("state", "purpose", "challenge", "nonce", "code_verifier", "return_to")


def begin_logins(connection: Connection, user_id: int) -> Change[None]:
    due = {"user_id": user_id, "expires_at": 2_000_000_000}
    connection.execute(insert(oidc_flows).values(**dict.fromkeys(FLOW, "x"), **due))
    connection.execute(insert(webauthn_challenges).values(id="x", challenge_type="login", challenge_data="{}", **due))
    connection.execute(insert(device_pairings).values(id="x", login_id=1, **due))
    return Change(None)


async def test_the_export_has_what_the_server_keeps_and_no_secret(chat: Rig):
    ada, bo = await chat.register("ada"), await chat.register("bo")
    feed_id = await feed(ada)
    form = {"file": ("note.txt", b"mine", "text/plain")}
    file = (await bo.call("POST", f"/feeds/{feed_id}/files", files=form)).json()
    sent = [(await bo.ok("POST", f"/feeds/{feed_id}/messages", {"body": f"line {n}"}))["msg_id"] for n in range(3)]
    sent.append(
        (await bo.ok("POST", f"/feeds/{feed_id}/messages", {"body": "look", "attachments": [file["file_id"]]}))[
            "msg_id"
        ]
    )
    await ada.ok("POST", f"/feeds/{feed_id}/messages", {"body": "not bo's"})
    await bo.ok("PUT", f"/feeds/{feed_id}/messages/{sent[0]}/reactions/👍")
    export = await bo.ok("GET", "/account/export")
    assert export["profile"]["username"] == "bo"
    assert (export["messages"], export["files"]) == (4, 1)
    assert {"sessions", "reactions"} <= set(export["tables"])
    assert not any(secret in str(export) for secret in ("password_hash", "argon2"))
    assert bo.token not in str(export)
    first = await bo.ok("GET", "/account/export/messages", limit=3)
    rest = await bo.ok("GET", "/account/export/messages", after=first["cursor"])
    assert [message["msg_id"] for message in (*first["items"], *rest["items"])] == sent
    assert rest["items"][0]["attachments"] == [file["file_id"]]
    files = await bo.ok("GET", "/account/export/files")
    assert [one["file_id"] for one in files["items"]] == [file["file_id"]]
    assert (await bo.ok("GET", "/account/export/files", after=files["cursor"])) == {"items": [], "cursor": None}
    assert (await chat.http.get("/api/v1/account/export")).status_code == 422  # as every route without a token


async def test_the_export_does_not_tell_what_others_keep_for_themselves(chat: Rig):
    ada, bo, cy = await chat.register("ada"), await chat.register("bo"), await chat.register("cy")
    await cy.ok("PUT", f"/users/@me/blocks/{bo.user_id}")
    await bo.ok("PUT", f"/users/@me/blocks/{ada.user_id}")
    blocks = (await bo.ok("GET", "/account/export"))["tables"]["blocks"]
    assert [(block["user_id"], block["blocked_id"]) for block in blocks] == [(bo.user_id, ada.user_id)]
    assert "blocks" not in (await ada.ok("GET", "/account/export"))["tables"]
    await ada.ok("PUT", f"/members/{cy.user_id}/timeout", {"seconds": 60})
    assert "timeouts" not in (await ada.ok("GET", "/account/export"))["tables"]
    (timeout,) = (await cy.ok("GET", "/account/export"))["tables"]["timeouts"]
    assert timeout["user_id"] == cy.user_id


async def test_the_export_has_no_login_that_is_under_way(chat: Rig):
    bo = await chat.register("bo")
    await chat.chat.change(partial(begin_logins, user_id=bo.user_id))
    tables = (await bo.ok("GET", "/account/export"))["tables"]
    assert not {"oidc_flows", "webauthn_challenges", "device_pairings"} & set(tables)
    assert "sessions" in tables


async def test_a_deleted_account_leaves_its_words_without_a_name(chat: Rig):
    ada, bo = await chat.register("ada"), await chat.register("bo")
    feed_id = await feed(ada)
    msg_id = (await bo.ok("POST", f"/feeds/{feed_id}/messages", {"body": "said"}))["msg_id"]
    assert (await bo.post("/account/delete", {"password": "wrong"})).status_code == 401
    assert (await bo.post("/account/delete", {"password": PASSWORD, "messages": "hide"})).status_code == 422
    async with ada.gateway() as gateway, bo.gateway() as own:
        assert (await bo.post("/account/delete", {"password": PASSWORD})).status_code == 204
        told = await gateway.expect("user_update", user_id=bo.user_id)
        assert told["d"]["display_name"] == "Deleted user"
        await gateway.expect("member_leave", user_id=bo.user_id)
        await own.closed()
    assert (await bo.get("/server")).status_code in {401, 403}
    login = await chat.http.post("/api/v1/auth/login", json={"username": "bo", "password": PASSWORD})
    assert login.status_code == 401
    (message,) = (await ada.ok("GET", f"/feeds/{feed_id}/messages"))["messages"]
    assert (message["msg_id"], message["author_id"]) == (msg_id, bo.user_id)
    assert (await ada.ok("GET", f"/users/{bo.user_id}"))["display_name"] == "Deleted user"
    await chat.chat.read(chat.chat.community.load)  # as after a restart
    assert (await ada.ok("GET", f"/users/{bo.user_id}"))["display_name"] == "Deleted user"
    members = (await ada.ok("GET", "/members"))["items"]
    assert [member["username"] for member in members] == ["ada"]
    again = await chat.register("bo")  # the name is free
    assert again.user_id != bo.user_id
    kinds = [entry["event_type"] for entry in (await ada.ok("GET", "/audit-log"))["entries"]]
    assert "account.delete" in kinds


async def test_what_was_said_can_go_with_it(chat: Rig):
    ada, bo = await chat.register("ada"), await chat.register("bo")
    feed_id = await feed(ada)
    msg_id = (await bo.ok("POST", f"/feeds/{feed_id}/messages", {"body": "said"}))["msg_id"]
    async with ada.gateway() as gateway:
        assert (await bo.post("/account/delete", {"password": PASSWORD, "messages": "delete"})).status_code == 204
        assert (await gateway.expect("message_bulk_delete"))["d"]["msg_ids"] == [msg_id]
    assert (await ada.ok("GET", f"/feeds/{feed_id}/messages"))["messages"] == []


async def test_the_last_administrator_stays(chat: Rig):
    ada = await chat.register("ada")
    feed_id = await feed(ada)
    await ada.ok("POST", f"/feeds/{feed_id}/messages", {"body": "kept"})
    refused = await ada.post("/account/delete", {"password": PASSWORD, "messages": "delete"})
    assert refused.json()["error"]["code"] == "INVALID_TARGET"
    assert len((await ada.ok("GET", f"/feeds/{feed_id}/messages"))["messages"]) == 1
