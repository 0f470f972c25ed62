"""Accounts, the community, users, friends, members, roles, invites, reports and the audit log."""

from tests.e2e.wire_recording.chat_world import API, PASSWORD, Person, register
from tests.e2e.wire_recording.recording import Recording

KICK, BAN, MANAGE_ROLES = 1 << 29, 1 << 30, 1 << 25
VIEW_SPACE, SEND = 1, 2


def people(recording: Recording) -> tuple[Person, Person]:
    """All routes of people, by an administrator and by members who may not; the administrator and a member."""
    ada = register(recording, "ada", display_name="Ada")
    ben, cy, dot = (register(recording, name) for name in ("ben", "cy", "dot"))
    _accounts(recording, ada, ben)
    _community(recording, ada, ben)
    _users(ada, ben, cy)
    _friends(ada, ben, cy)
    _roles(ada, ben, cy)
    _invites(recording, ada, ben)
    _members(recording, ada, ben, dot)
    _reports(ada, ben)
    ada.ask("GET /audit-log", "a page", body=None)
    ada.ask("GET /audit-log?event_type=role.*&limit=2", "by type")
    ada.ask("GET /audit-log?actor_id=x", "no number")
    ben.ask("GET /audit-log", "without the permission")
    return ada, ben


def _accounts(recording: Recording, ada: Person, ben: Person) -> None:
    post = f"POST {API}/auth"
    for note, body in (
        ("the name is taken", {"username": "ada", "password": PASSWORD}),
        ("a short password", {"username": "eve", "password": "short"}),
        ("a long name", {"username": "e" * 33, "password": PASSWORD}),
        ("no password", {"username": "eve"}),
        ("a number for a name", {"username": 1, "password": PASSWORD}),
        ("spaces for a name", {"username": "  ", "password": PASSWORD}),
        ("a wrong set-up token", {"username": "eve", "password": PASSWORD, "setup_token": "x"}),
    ):
        recording.ask(f"{post}/register", note, json_body=body)
    credentials = {"username": "ben", "password": PASSWORD}
    login = recording.ask(f"{post}/login", "right", json_body=credentials, learn={"token": "token"})
    recording.ask(f"{post}/login", "a wrong password", json_body={**credentials, "password": "wrong horse"})
    recording.ask(f"{post}/login", "an unknown name", json_body={**credentials, "username": "unknown"})
    recording.ask(f"{post}/login", "no JSON", body=b"{", headers={"Content-Type": "application/json"})
    second = Person(recording, "ben, second login", ben.user_id, login.json()["token"])
    sessions = second.ask("GET /auth/sessions").json()["sessions"]
    other = next(one["session_id"] for one in sessions if not one["is_current"])
    ada.ask(f"DELETE /auth/sessions/{other}", "another user's")
    second.ask(f"DELETE /auth/sessions/{other}", "one's own")
    ben.ask("GET /auth/sessions", "a login that was ended")
    second.ask("POST /auth/password", "a wrong password", {"current_password": "wrong horse", "new_password": PASSWORD})
    second.ask("POST /auth/password", "a short one", {"current_password": PASSWORD, "new_password": "short"})
    second.ask("POST /auth/password", "right", {"current_password": PASSWORD, "new_password": PASSWORD})
    second.ask("POST /auth/logout")
    second.ask("POST /auth/logout", "again")
    again = recording.ask(f"{post}/login", "again", json_body=credentials, learn={"token": "token"})
    ben.token = again.json()["token"]


def _community(recording: Recording, ada: Person, ben: Person) -> None:
    recording.ask(f"GET {API}/gateway", "no login")
    ben.ask("GET /server")
    ben.ask("HEAD /server")
    recording.ask(f"GET {API}/server", "a bot's scheme", headers={"Authorization": f"Bot {ben.token}"})
    recording.ask(f"GET {API}/server", "another scheme", headers={"Authorization": "Basic YTpi"})
    recording.ask(f"GET {API}/server", "a ticket", token="mfa_ticket")
    recording.ask(f"GET {API}/server", "an unknown token", token="vox_sess_unknown")
    ada.ask("PATCH /server", "named", {"name": "The house", "description": "d", "icon": "i"})
    ada.ask("PATCH /server", "nothing", {})
    ada.ask("PATCH /server", "too long", {"name": "n" * 65})
    ben.ask("PATCH /server", "without the permission", {"name": "x"})
    ada.ask("GET /server/limits")
    ben.ask("GET /server/limits", "without the permission")
    ada.ask("PATCH /server/limits", "one", {"limits": {"topic_max": 200}})
    ada.ask("PATCH /server/limits", "unknown", {"limits": {"unheard_of": 1}})
    ada.ask("PATCH /server/limits", "too small", {"limits": {"page_limit_roles": 0}})
    ada.ask("GET /server/gifs")
    ada.ask("PATCH /server/gifs", "filter", {"content_filter": "low", "locale": "en_US"})
    ada.ask("PATCH /server/gifs", "an unknown filter", {"content_filter": "none"})
    ben.ask("GET /gifs/search?q=cat", "not set up")
    ben.ask("GET /gifs/search", "no words")
    ben.ask("GET /gifs/trending?limit=51", "a large limit")
    ben.ask("GET /gifs/trending", "not set up")
    for url in (
        "http://127.0.0.1/",
        "ftp://example.com/",
        "http://user@example.com/",
        "http://localhost/",
        "http://[::1]/",
    ):
        ben.ask("POST /embeds/resolve", url, {"url": url})
    ben.ask("POST /embeds/resolve", "no address", {})


def _users(ada: Person, ben: Person, cy: Person) -> None:
    ben.ask("GET /users/@me")
    ben.ask(f"GET /users/{ada.user_id}")
    ben.ask("GET /users/987654", "unknown")
    ben.ask("GET /users/none", "no number")
    ben.ask("GET /users/@me", "ids as texts", headers={"X-Vox-Ids": "string"})
    ben.ask("PATCH /users/@me", "one's own", {"display_name": "Ben", "bio": "b", "avatar": "a"})
    ben.ask("PATCH /users/@me", "too long", {"bio": "b" * 257})
    ben.ask("PATCH /users/@me", "ids as texts", {"bio": "c"}, headers={"X-Vox-Ids": "string"})
    ben.ask(f"PATCH /users/{cy.user_id}", "another's", {"bio": "x"})
    ada.ask(f"PATCH /users/{cy.user_id}", "an administrator", {"bio": "x"})
    ben.ask(f"GET /users/{ada.user_id}/presence")
    ben.ask("GET /users/987654/presence", "unknown")
    ben.ask("GET /users/@me/dm-settings")
    ben.ask("PATCH /users/@me/dm-settings", "friends", {"dm_permission": "friends_only"})
    ben.ask("PATCH /users/@me/dm-settings", "nothing", {})
    ben.ask("PATCH /users/@me/dm-settings", "an unknown choice", {"dm_permission": "few"})
    ben.ask("PATCH /users/@me/dm-settings", "back", {"dm_permission": "everyone"})
    ben.ask(f"GET /users/{ada.user_id}/dm-settings", "another's")


def _friends(ada: Person, ben: Person, cy: Person) -> None:
    ben.ask(f"PUT /users/@me/friends/{ada.user_id}", "a request")
    ben.ask("PUT /users/@me/friends/@me", "no number")
    ben.ask(f"PUT /users/@me/friends/{ben.user_id}", "oneself")
    ben.ask("PUT /users/@me/friends/987654", "unknown")
    ada.ask("GET /users/@me/friends?status=pending", "pending")
    ada.ask(f"POST /users/@me/friends/{ben.user_id}/accept")
    ada.ask(f"POST /users/@me/friends/{ben.user_id}/accept", "again")
    ada.ask("GET /users/@me/friends", "accepted")
    ada.ask("GET /users/@me/friends?status=lost", "an unknown status")
    ben.ask(f"GET /users/{ada.user_id}/friends", "another's")
    cy.ask(f"PUT /users/@me/friends/{ada.user_id}", "a second request")
    ada.ask(f"POST /users/@me/friends/{cy.user_id}/reject")
    ada.ask(f"POST /users/@me/friends/{cy.user_id}/reject", "again")
    ada.ask(f"DELETE /users/@me/friends/{ben.user_id}")
    ada.ask(f"DELETE /users/@me/friends/{ben.user_id}", "again")
    ben.ask(f"PUT /users/@me/blocks/{cy.user_id}")
    ben.ask(f"PUT /users/@me/blocks/{ben.user_id}", "oneself")
    ben.ask("GET /users/@me/blocks")
    ben.ask(f"GET /users/{ada.user_id}/blocks", "another's")
    cy.ask(f"PUT /users/@me/friends/{ben.user_id}", "one who blocks")
    cy.ask("POST /dms", "one who blocks", {"recipient_id": ben.user_id})
    ben.ask(f"DELETE /users/@me/blocks/{cy.user_id}")
    ben.ask("DELETE /users/@me/blocks/987654", "unknown")


def _roles(ada: Person, ben: Person, cy: Person) -> None:
    new = {"name": "keepers", "permissions": MANAGE_ROLES | VIEW_SPACE | SEND, "position": 3, "color": 255}
    keepers = ada.ask("POST /roles", "made", new).json()["role_id"]
    other = ada.ask("POST /roles", "another", {"name": "lower", "permissions": 1, "position": 7}).json()["role_id"]
    ada.ask("POST /roles", "without a name", {"permissions": 1, "position": 3})
    ada.ask("POST /roles", "negative", {"name": "x", "permissions": -1, "position": 3})
    ben.ask("POST /roles", "without the permission", new)
    ada.ask("GET /roles?limit=2", "a page")
    ada.ask("GET /roles", "all")
    ada.ask(f"GET /roles?after={other}", "an empty page")
    ada.ask("GET /roles?limit=0", "no page")
    ada.ask("GET /roles?limit=1001", "too large a page")
    ada.ask(f"PATCH /roles/{keepers}", "renamed", {"name": "janitors"})
    ada.ask("PATCH /roles/987654", "unknown", {"name": "x"})
    ada.ask(f"PUT /members/{ben.user_id}/roles/{keepers}")
    ada.ask(f"PUT /members/{ben.user_id}/roles/{keepers}", "again")
    ada.ask(f"PUT /members/{ben.user_id}/roles/987654", "unknown")
    ada.ask(f"GET /roles/{keepers}/members")
    ada.ask("GET /roles/987654/members", "unknown")
    ben.ask(f"PATCH /roles/{keepers}", "one's own rank", {"name": "kings"})
    ben.ask("POST /roles", "more than one has", {"name": "x", "permissions": BAN, "position": 9})
    ben.ask(f"PUT /members/{cy.user_id}/roles/{other}", "a lower role")
    ben.ask(f"DELETE /members/{cy.user_id}/roles/{other}", "a lower role")
    ada.ask(f"DELETE /members/{ben.user_id}/roles/{keepers}")
    ada.ask(f"DELETE /roles/{other}")
    ada.ask(f"DELETE /roles/{other}", "again")
    ada.ask("DELETE /roles/1", "@everyone")


def _invites(recording: Recording, ada: Person, ben: Person) -> None:
    made = ada.ask("POST /invites", "bounded", {"max_uses": 5, "max_age": 3600}, learn={"code": "invite"})
    code = made.json()["code"]
    ada.ask("POST /invites", "unbounded", {}, learn={"code": "invite"})
    ada.ask("POST /invites", "too many uses", {"max_uses": 10_001})
    ada.ask("POST /invites", "an unknown feed", {"feed_id": 987654})
    ada.ask("GET /invites", "all", change=_by_code)
    recording.ask(f"GET {API}/invites/{code}", "no login")
    recording.ask(f"GET {API}/invites/unknown", "unknown")
    recording.ask(f"POST {API}/auth/register", "an invite", json_body={
        "username": "fay", "password": PASSWORD, "invite_code": code}, learn={"token": "token"})  # fmt: skip
    ben.ask("POST /members/join", "a member", {"invite_code": code})
    ben.ask("POST /members/join", "an unknown invite", {"invite_code": "unknown"})
    recording.ask(f"POST {API}/members/join", "no login", json_body={"invite_code": code})
    ada.ask(f"DELETE /invites/{code}")
    ada.ask(f"DELETE /invites/{code}", "again")


def _members(recording: Recording, ada: Person, ben: Person, dot: Person) -> None:
    ada.ask("GET /members?limit=2", "a page")
    ada.ask(f"GET /members/{ben.user_id}")
    ada.ask("GET /members/987654", "unknown")
    ben.ask("PATCH /members/@me", "one's own", {"nickname": "benny"})
    ben.ask(f"PATCH /members/{ada.user_id}", "another's", {"nickname": "x"})
    ben.ask("PATCH /members/@me", "too long", {"nickname": "n" * 65})
    ben.ask("PATCH /members/@me", "taken away", {"nickname": ""})
    ben.ask(f"DELETE /members/{dot.user_id}", "without the permission", {"reason": "r"})
    ada.ask(f"DELETE /members/{dot.user_id}", "kicked", {"reason": "r"})
    dot.ask("GET /server", "kicked")
    ada.ask("DELETE /members/@me", "the last administrator")
    code = ada.ask("POST /invites", "to come back", {}, learn={"code": "invite"}).json()["code"]
    dot.ask("POST /members/join", "come back", {"invite_code": code})
    ada.ask(f"PUT /bans/{dot.user_id}", "banned", {"reason": "r", "delete_msg_days": 1})
    ada.ask(f"PUT /bans/{ada.user_id}", "oneself", {})
    ada.ask("PUT /bans/987654", "unknown", {})
    ada.ask(f"PUT /bans/{ben.user_id}", "too many days", {"delete_msg_days": 15})
    ben.ask(f"PUT /bans/{dot.user_id}", "without the permission", {})
    dot.ask("GET /server", "banned")
    recording.ask(f"POST {API}/auth/login", "banned", json_body={"username": "dot", "password": PASSWORD})
    ada.ask("GET /bans")
    ben.ask("GET /bans", "without the permission")
    ada.ask(f"DELETE /bans/{dot.user_id}")
    ada.ask(f"DELETE /bans/{dot.user_id}", "again")


def _reports(ada: Person, ben: Person) -> None:
    new = {
        "reported_user_id": ada.user_id,
        "reason": "spam",
        "description": "d",
        "messages": [{"msg_id": 5, "body": "b", "timestamp": 6}],
    }
    report = ben.ask("POST /reports", "made", new).json()["report_id"]
    ben.ask("POST /reports", "an unknown user", {**new, "reported_user_id": 987654})
    ben.ask("POST /reports", "no reason", {"reported_user_id": ada.user_id})
    ada.ask("GET /reports")
    ada.ask("GET /reports?status=lost", "an unknown status")
    ben.ask("GET /reports", "without the permission")
    ada.ask(f"GET /reports/{report}")
    ada.ask("GET /reports/987654", "unknown")
    ada.ask(f"POST /reports/{report}/resolve", "done", {"action": "warned"})
    ada.ask(f"POST /reports/{report}/resolve", "no action", {})
    ada.ask(f"GET /reports/{report}", "resolved")
    ada.ask(f"DELETE /reports/{report}")
    ada.ask(f"DELETE /reports/{report}", "again")


def _by_code(page: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    """Invites are listed by their random code, so the cursor is one of those too."""
    items = sorted(page["items"], key=lambda one: str(one["max_uses"]))
    return {**page, "items": items, "cursor": "<the last code>" if page["cursor"] else None}
