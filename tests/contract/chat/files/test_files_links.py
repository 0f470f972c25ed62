"""Signed links to files, for browsers: opt-in, short-lived, and never more than their user may see."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_files import a_feed, picture, upload
from vox.runtime.clock import SystemClock


class Clock(SystemClock):
    """Wall time that a test moves."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def wall(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def linking(database_url: str, tmp_path: Path, clock: Clock) -> AsyncGenerator[Rig, None]:
    async with community(database_url, tmp_path, clock=clock, signed_media_urls=True) as rig:
        yield rig


@pytest.fixture
async def alice(linking: Rig) -> Person:
    return await linking.register("alice")


@pytest.fixture
async def bob(linking: Rig, alice: Person) -> Person:
    return await linking.register("bob")


async def shown(alice: Person, content: bytes = b"text", kind: str = "text/plain") -> tuple[str, int]:
    """The id of a file that a message shows, and the message's feed."""
    feed = await a_feed(alice)
    file = (await upload(alice, f"/feeds/{feed}/files", content, "x", kind)).json()["file_id"]
    await alice.ok("POST", f"/feeds/{feed}/messages", {"body": "x", "attachments": [file]})
    return file, feed


async def link_of(person: Person, file: str) -> str:
    return (await person.ok("POST", f"/files/{file}/link"))["url"]


async def test_link_works_without_a_header_and_is_inline_for_pictures(linking, alice, bob, clock):
    file, _ = await shown(alice, picture(), "image/png")
    link = await bob.ok("POST", f"/files/{file}/link")
    assert link["expires_at"] == clock.unix_s() + 300
    reply = await linking.http.get(link["url"])
    assert reply.status_code == 200
    assert reply.headers["content-disposition"].startswith("inline;")
    assert reply.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert reply.headers["x-content-type-options"] == "nosniff"
    part = await linking.http.get(link["url"], headers={"range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"\x89PNG")
    assert (await linking.http.head(link["url"])).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"<svg><script/></svg>", "image/svg+xml"), (b"<!doctype html>", "text/html"), (b"x", "text/plain"), (b"%PDF-1", "x/y"),
     (b"\x89PNG\r\n\x1a\nnot one", "image/png")],
)  # fmt: skip
async def test_nothing_else_is_inline(linking, alice, content, kind):
    file, _ = await shown(alice, content, kind)
    reply = await linking.http.get(await link_of(alice, file))
    assert reply.status_code == 200
    assert reply.headers["content-disposition"].startswith("attachment;")


async def test_link_ends_after_its_time(linking, alice, clock):
    file, _ = await shown(alice)
    link = await link_of(alice, file)
    clock.ahead = timedelta(seconds=299)
    assert (await linking.http.get(link)).status_code == 200
    clock.ahead = timedelta(seconds=301)
    refused = await linking.http.get(link)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")


async def test_deactivated_users_link_stops_working(linking, alice, bob):
    """CVE-2016-4427: deactivated users still read."""
    file, _ = await shown(alice)
    link = await link_of(bob, file)
    assert (await linking.http.get(link)).status_code == 200
    await alice.ok("PUT", f"/bans/{bob.user_id}", {})
    assert (await linking.http.get(link)).status_code == 403


async def test_kicked_users_link_stops_working(linking, alice, bob):
    file, _ = await shown(alice)
    link = await link_of(bob, file)
    await alice.ok("DELETE", f"/members/{bob.user_id}", {})
    assert (await linking.http.get(link)).status_code == 403


async def test_link_ends_with_the_right_to_see(linking, alice, bob):
    file, feed = await shown(alice)
    link = await link_of(bob, file)
    await alice.ok("PUT", f"/feeds/{feed}/permissions/role/1", {"allow": 0, "deny": 1})
    assert (await linking.http.get(link)).status_code == 403


async def test_link_ends_with_the_file(linking, alice, bob):
    file, _ = await shown(alice)
    link = await link_of(bob, file)
    await alice.ok("DELETE", f"/files/{file}")
    assert (await linking.http.get(link)).status_code == 404


async def test_nobody_gets_a_link_to_what_they_may_not_see(alice, bob):
    feed = await a_feed(alice)
    file = (await upload(alice, f"/feeds/{feed}/files")).json()["file_id"]
    refused = await bob.post(f"/files/{file}/link")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert (await bob.post("/files/nothing/link")).status_code == 404


async def test_forged_links_are_refused(linking, alice, bob):
    file, _ = await shown(alice)
    other = (await upload(alice, "/feeds/1/files")).json()["file_id"]
    link = await link_of(bob, file)
    forged = [
        link.replace(f"user={bob.user_id}", f"user={alice.user_id}"),
        link.replace("expires=", "expires=9"),
        link.replace(file, other),
        link[:-1] + ("A" if link[-1] != "A" else "B"),
        link.partition("&signature")[0] + "&signature=",
        link.partition("&signature")[0] + "&signature=%C3%A4",
        link.replace("expires=", "expire="),
    ]
    for each in forged:
        reply = await linking.http.get(each)
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "FORBIDDEN"), each
    bare = await linking.http.get(link.partition("?")[0])
    assert bare.status_code == 422


async def test_a_link_does_not_lend_its_right_to_a_login(linking, alice, bob):
    feed = await a_feed(alice)
    file = (await upload(alice, f"/feeds/{feed}/files")).json()["file_id"]
    link = await link_of(alice, file)
    reply = await linking.http.get(link, headers=bob.headers)
    assert reply.status_code == 403


async def test_links_outlive_a_restart(database_url, tmp_path, clock):
    async with community(database_url, tmp_path, clock=clock, signed_media_urls=True) as rig:
        alice = await rig.register("alice")
        link = await link_of(alice, (await shown(alice))[0])
    async with community(database_url, tmp_path, clock=clock, signed_media_urls=True) as rig:
        assert (await rig.http.get(link)).status_code == 200
    async with community(database_url, tmp_path, clock=clock) as rig:
        assert (await rig.http.get(link)).status_code == 403


async def test_off_by_default(chat):
    alice = await chat.register("alice")
    file, _ = await shown(alice)
    reply = await alice.post(f"/files/{file}/link")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "UNKNOWN")
