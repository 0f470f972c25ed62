"""Ban lists: exported as JSON and CSV, imported with a dry run, conflicts by name, and taken up again."""

import csv
import io
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_people import audited, give_role, outcome
from tests.contract.chat.helpers_spaces import mismatches
from vox.chat.events.permissions import P
from vox.chat.features.members import ban_list_routes


@pytest.fixture
async def people(chat: Rig) -> list[Person]:
    return [await chat.register(name) for name in ("ada", "bob", "eve", "kim", "lee")]


async def banned(admin: Person) -> list[tuple[int, str | None]]:
    return [(ban["user_id"], ban["reason"]) for ban in (await admin.ok("GET", "/bans"))["items"]]


async def test_a_list_goes_out_and_in_again_in_both_formats(people: list[Person]):
    ada = people[0]
    for user_id, reason in ((2, "spam"), (3, '=HYPERLINK("x"), "quoted"\nline'), (4, None)):
        await ada.ok("PUT", f"/bans/{user_id}", {"reason": reason})
    before = await banned(ada)
    exported = await ada.ok("GET", "/bans/export")
    assert (exported["format"], exported["version"], exported["cursor"]) == ("vox-bans", 1, None)
    assert [(ban["username"], ban["home_domain"]) for ban in exported["bans"]] == [
        ("bob", None),
        ("eve", None),
        ("kim", None),
    ]
    text = (await ada.get("/bans/export", format="csv")).text
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert rows[1]["reason"].startswith("'="), "a spreadsheet takes no cell for a formula"
    for body in ({"bans": exported["bans"]}, {"csv": text}, {"csv": "\ufeff" + text}):
        for user_id in (2, 3, 4):
            await ada.ok("DELETE", f"/bans/{user_id}")
        trial = await ada.ok("POST", "/bans/import", {**body, "dry_run": True})
        assert (trial["banned"], trial["dry_run"], trial["conflicts"]) == (3, True, [])
        assert await banned(ada) == []
        assert (await ada.ok("POST", "/bans/import", body))["banned"] == 3
        assert await banned(ada) == before
        again = await ada.ok("POST", "/bans/import", body)
        assert (again["banned"], again["unchanged"], again["next"]) == (0, 3, None)
    assert {entry["actor_id"] for entry in await audited(ada, "ban.*")} == {1}
    assert len(await audited(ada, "ban.import")) == 6
    assert len(await audited(ada, "ban.export")) == 2


async def test_conflicts_are_named_and_the_rest_goes_in(people: list[Person]):
    ada, bob, eve, *_ = people
    await give_role(ada, bob, int(P.BAN_MEMBERS), 5)
    await give_role(ada, eve, 0, 4, "higher")
    await ada.ok("PUT", "/bans/5", {"reason": "old"})
    bans: list[dict[str, Any]] = [
        {"username": "nobody-here"}, {"username": "ada"}, {"username": "bob"}, {"username": "eve"},
        {"username": "lee", "reason": "new"}, {"user_id": 4, "username": "lee"}, {"username": "KIM", "reason": "r"},
        {"username": "kim"}, {}, {"username": "kim", "home_domain": "other.example"},
    ]  # fmt: skip
    result = await bob.ok("POST", "/bans/import", {"bans": bans})
    assert [(conflict["index"], conflict["code"]) for conflict in result["conflicts"]] == [
        (0, "USER_NOT_FOUND"), (1, "ROLE_HIERARCHY"), (2, "INVALID_TARGET"), (3, "ROLE_HIERARCHY"),
        (4, "ALREADY_BANNED"), (5, "USER_MISMATCH"), (7, "DUPLICATE"), (8, "USER_NOT_FOUND"), (9, "USER_NOT_FOUND"),
    ]  # fmt: skip
    assert await banned(ada) == [(4, "r"), (5, "old")]
    replaced = await bob.ok("POST", "/bans/import", {"bans": bans, "on_conflict": "replace"})
    assert (replaced["banned"], replaced["unchanged"]) == (1, 1)
    assert await banned(ada) == [(4, "r"), (5, "new")]


async def test_a_long_list_is_taken_up_again_where_it_broke_off(people: list[Person], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ban_list_routes, "MAX_IMPORTED", 2)
    ada = people[0]
    body = {"csv": "reason,username\r\na,bob\r\nb,eve\r\nc,nobody\r\nd,kim\r\ne,lee\r\n"}
    first = await ada.ok("POST", "/bans/import", body)
    assert (first["banned"], first["next"], first["total"]) == (2, 2, 5)
    assert len(await banned(ada)) == 2
    start, found = first["next"], []
    while start is not None:
        page = await ada.ok("POST", "/bans/import", {**body, "start": start})
        found += [conflict["index"] for conflict in page["conflicts"]]
        start = page["next"]
    assert found == [2]
    assert await banned(ada) == [(2, "a"), (3, "b"), (4, "d"), (5, "e")]
    page = await ada.get("/bans/export", format="csv", limit=3)
    assert page.headers["x-next-after"] == "4"
    rest = await ada.ok("GET", "/bans/export", limit=3, after=4)
    assert [ban["username"] for ban in rest["bans"]] == ["lee"]


async def test_what_is_no_list(people: list[Person]):
    ada, bob, *_ = people
    invalid, lacks = (422, "VALIDATION_ERROR"), (403, "MISSING_PERMISSIONS")
    wrong = [
        {}, {"bans": [], "csv": "username\r\n"}, {"csv": ""}, {"csv": "a,b\r\n"}, {"csv": "user_id\r\nx\r\n"},
        {"csv": 'username\r\n"open'}, {"bans": [{"user_id": "x"}]}, {"bans": [], "start": -1},
    ]  # fmt: skip
    rows: list[Any] = [("POST", "/bans/import", body, invalid) for body in wrong]
    assert await mismatches(ada, rows) == []
    assert (
        await mismatches(bob, [("GET", "/bans/export", None, lacks), ("POST", "/bans/import", {"bans": []}, lacks)])
        == []
    )
    assert outcome(await ada.get("/bans/export", format="xml")) == invalid
