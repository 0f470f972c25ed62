"""Thumbnails, pictures from elsewhere by signed addresses, avatars and icons."""

import io
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.contract.chat.harness import API, Person, Rig, community
from tests.contract.chat.helpers_files import a_feed, picture, upload
from vox.errors import DependencyError
from vox.security.outbound import FetchResult

SOURCE = "https://pictures.example/a.png"


@pytest.fixture
async def linking(database_url, tmp_path):
    async with community(database_url, tmp_path, signed_media_urls=True) as rig:
        yield rig


class Web:
    """Plays the outbound guard: answers by address, and counts."""

    def __init__(self, **answers: bytes) -> None:
        self.asked: list[str] = []
        self.body = answers.get("body", picture())
        self.status = 200

    async def fetch(self, method: str, url: str, **_: Any) -> FetchResult:
        self.asked.append(url)
        if not self.body:
            raise DependencyError("gone", code="fetch_failed")
        return FetchResult(self.status, httpx2.Headers({}), self.body, "1.2.3.4", 0.0, url)


def large(kind: str, size: tuple[int, int] = (900, 300), **more: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(out, format=kind, **more)
    return out.getvalue()


def size_of(body: bytes) -> tuple[str | None, tuple[int, int]]:
    with Image.open(io.BytesIO(body)) as image:
        return image.format, image.size


async def icon(person: Person, path: str, content: bytes, kind: str = "image/jpeg") -> httpx2.Response:
    return await person.call("POST", path, files={"image": ("x", content, kind)})


async def proxied(person: Person, source: str = SOURCE) -> str:
    return (await person.ok("POST", "/media/links", {"sources": [source]}))["links"][0]["url"]


async def test_thumbnails_are_small_kept_and_only_for_who_may_see_the_picture(linking: Rig):
    alice, bob = await linking.register("alice"), await linking.register("bob")
    feed = await a_feed(alice)
    file = (await upload(alice, f"/feeds/{feed}/files", large("JPEG"), "x.jpg", "image/jpeg")).json()["file_id"]
    path = f"/files/{file}/thumbnail"
    assert (await bob.get(path)).status_code == 403, "not attached yet"
    await alice.ok("POST", f"/feeds/{feed}/messages", {"body": "x", "attachments": [file]})
    reply = await bob.get(path, size=300)
    assert size_of(reply.content) == ("WEBP", (320, 107))
    assert reply.headers["content-type"] == "image/webp"
    link = await bob.ok("POST", f"/files/{file}/link")
    assert (link["width"], link["height"]) == (900, 300)
    shown = await linking.http.get(link["thumbnail_url"] + "&size=64")
    assert size_of(shown.content) == ("WEBP", (64, 21))
    assert "private, max-age=" in shown.headers["cache-control"]
    again = await linking.http.get(link["thumbnail_url"], headers={"if-none-match": '"' + f'{file}-320"'})
    assert again.status_code == 304
    await alice.ok("DELETE", f"/files/{file}")
    assert (await linking.http.get(link["thumbnail_url"])).status_code == 404, "kept copies go with the file"


async def test_only_decoded_pictures_have_thumbnails(linking: Rig):
    alice = await linking.register("alice")
    feed = await a_feed(alice)
    note = (await upload(alice, f"/feeds/{feed}/files")).json()["file_id"]
    assert (await alice.get(f"/files/{note}/thumbnail")).status_code == 415
    assert (await alice.ok("POST", f"/files/{note}/link"))["thumbnail_url"] is None
    assert (await alice.get("/files/nothing/thumbnail")).status_code == 404


async def test_a_picture_from_elsewhere_is_fetched_once_and_shown_without_its_server_learning_who_reads(linking: Rig):
    alice = await linking.register("alice")
    web = linking.chat.outbound = Web()  # pyright: ignore[reportAttributeAccessIssue]  plays it
    url = await proxied(alice)
    first, second = await linking.http.get(url), await linking.http.get(url)
    assert first.content == second.content == picture()
    assert web.asked == [SOURCE]
    assert first.headers["content-type"] == "image/png"
    assert first.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert first.headers["x-content-type-options"] == "nosniff"


async def test_only_signed_addresses_are_fetched(linking: Rig):
    alice, bob = await linking.register("alice"), await linking.register("bob")
    web = linking.chat.outbound = Web()  # pyright: ignore[reportAttributeAccessIssue]  plays it
    url = await proxied(bob)
    for wrong in (url.replace("a.png", "b.png"), url.replace(f"user={bob.user_id}", "user=1"), url + "0"):
        assert (await linking.http.get(wrong)).status_code == 403
    assert (await linking.http.get(f"{API}/media?source=x")).status_code == 422
    await alice.ok("PUT", f"/bans/{bob.user_id}", {})
    assert (await linking.http.get(url)).status_code == 403, "a link ends with its user"
    assert web.asked == []


@pytest.mark.parametrize("body", [b"<html>", b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\nx"])
async def test_what_is_no_picture_is_not_passed_on_and_not_asked_for_again(linking: Rig, body: bytes):
    alice = await linking.register("alice")
    web = linking.chat.outbound = Web(body=body)  # pyright: ignore[reportAttributeAccessIssue]  plays it
    url = await proxied(alice)
    assert [(await linking.http.get(url)).status_code for _ in range(2)] == [404, 404]
    assert len(web.asked) == 1


async def test_the_guard_refuses_private_addresses_and_the_answer_does_not_say_so(linking: Rig):
    alice = await linking.register("alice")
    for source in ("http://127.0.0.1/x.png", "http://169.254.169.254/latest", "http://[::1]/x"):
        reply = await linking.http.get(await proxied(alice, source))
        assert (reply.status_code, reply.json()["error"]["message"]) == (404, "There is no such picture.")
    assert (await alice.ok("POST", "/media/links", {"sources": ["javascript:1", "data:x"]}))["links"] == []


async def test_an_avatar_is_a_square_that_replaces_the_one_before(linking: Rig):
    alice, bob = await linking.register("alice"), await linking.register("bob")
    first = (await icon(alice, "/users/@me/avatar", large("JPEG"))).json()["avatar"]
    async with bob.gateway() as gateway:
        second = (await icon(alice, f"/users/{alice.user_id}/avatar", large("PNG", (40, 60)))).json()["avatar"]
        assert (await gateway.expect("user_update"))["d"] == {"user_id": alice.user_id, "avatar": second}
    assert (await bob.ok("GET", f"/users/{alice.user_id}"))["avatar"] == second
    shown = await bob.get(second.removeprefix(API))
    assert size_of(shown.content) == ("WEBP", (40, 40))
    assert (await bob.get(first.removeprefix(API))).status_code == 404, "the one before is gone"
    images = (await bob.ok("POST", "/media/links", {}))["images"]
    kept = await linking.http.get(f"{second}?{images}")
    assert (kept.status_code, kept.headers["cache-control"]) == (200, "private, max-age=86400, immutable")
    assert (await alice.delete("/users/@me/avatar")).status_code == 204
    assert not (await bob.ok("GET", f"/users/{alice.user_id}"))["avatar"]
    assert (await bob.get(second.removeprefix(API))).status_code == 404


async def test_the_query_for_all_images_opens_no_attachment(linking: Rig):
    alice = await linking.register("alice")
    feed = await a_feed(alice)
    file = (await upload(alice, f"/feeds/{feed}/files", picture(), "x.png", "image/png")).json()["file_id"]
    images = (await alice.ok("POST", "/media/links", {}))["images"]
    assert (await linking.http.get(f"{API}/files/{file}?{images}")).status_code == 403


async def test_only_pictures_become_avatars_and_only_one_s_own(linking: Rig):
    alice, bob = await linking.register("alice"), await linking.register("bob")
    assert (await icon(bob, "/users/@me/avatar", b"<svg/>", "image/svg+xml")).status_code == 415
    assert (await icon(bob, "/users/@me/avatar", b"\xff\xd8\xffdamaged")).status_code == 415
    assert (await icon(bob, f"/users/{alice.user_id}/avatar", picture())).status_code == 403
    assert (await icon(alice, f"/users/{bob.user_id}/avatar", picture("JPEG"))).status_code == 200
    assert (await bob.delete(f"/users/{alice.user_id}/avatar")).status_code == 403


async def test_the_community_s_icon_is_for_visitors_too(linking: Rig):
    alice, bob = await linking.register("alice"), await linking.register("bob")
    assert (await linking.http.get(f"{API}/client/icon")).status_code == 404
    assert (await icon(bob, "/server/icon", picture())).status_code == 403
    info = (await icon(alice, "/server/icon", large("PNG"))).json()
    visitor = await linking.http.get(f"{API}/client/icon")
    assert size_of(visitor.content) == ("WEBP", (300, 300))
    assert info["icon"] == (await bob.ok("GET", "/server"))["icon"]
    assert (await alice.delete("/server/icon")).status_code == 204
    assert (await linking.http.get(f"{API}/client/icon")).status_code == 404


async def test_links_are_off_unless_the_operator_wants_them(chat: Rig):
    alice = await chat.register("alice")
    assert (await alice.post("/media/links")).status_code == 404
