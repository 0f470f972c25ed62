"""Custom emoji and stickers; what holds for one holds for the other."""

import io
from datetime import timedelta

import pytest
from PIL import Image
from sqlalchemy import Connection, insert

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_files import create, picture
from vox.chat.database.schema import emoji, files
from vox.chat.database.unit_of_work import Change
from vox.chat.features.files.cleanup import delete_orphaned_files

MANAGE_EMOJI = 1 << 26


@pytest.fixture
async def alice(chat: Rig) -> Person:
    return await chat.register("alice")


@pytest.fixture(params=["emoji", "sticker"])
def word(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def path(word: str) -> str:
    return {"emoji": "/emoji", "sticker": "/stickers"}[word]


async def test_made_listed_renamed_deleted(chat, alice, word, path):
    bob = await chat.register("bob")
    made = await create(alice, path, "party")
    assert made.status_code == 201
    one = made.json()
    assert list(one) == [f"{word}_id", "name", "creator_id", "image"]
    assert (one["name"], one["creator_id"]) == ("party", alice.user_id)
    assert one["image"].startswith("/api/v1/files/")
    page = await bob.ok("GET", path)
    assert page == {"items": [one], "cursor": str(one[f"{word}_id"])}
    assert await bob.ok("GET", path, after=one[f"{word}_id"]) == {"items": [], "cursor": None}
    renamed = await alice.ok("PATCH", f"{path}/{one[f'{word}_id']}", {"name": "feast"})
    assert renamed == one | {"name": "feast"}
    assert (await alice.delete(f"{path}/{one[f'{word}_id']}")).status_code == 204
    assert (await bob.ok("GET", path))["items"] == []


async def test_everybody_sees_the_picture_until_it_is_deleted(chat, alice, word, path, tmp_path):
    bob = await chat.register("bob")
    one = (await create(alice, path, "party")).json()
    file = one["image"].removeprefix("/api/v1")
    got = await bob.get(file)
    assert got.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(got.content)).size == (8, 8)
    assert (await bob.delete(file)).status_code == 403
    await alice.ok("DELETE", f"{path}/{one[f'{word}_id']}")
    assert (await bob.get(file)).status_code == 404
    assert [found for found in (tmp_path / "uploads").rglob("*") if found.is_file()] == []


async def test_events_reach_everybody(chat, alice, word, path):
    bob = await chat.register("bob")
    async with bob.gateway() as events:
        one = (await create(alice, path, "party")).json()
        assert (await events.expect(f"{word}_create"))["d"] == one
        await alice.ok("PATCH", f"{path}/{one[f'{word}_id']}", {"name": "feast"})
        updated = (await events.expect(f"{word}_update"))["d"]
        assert updated == {f"{word}_id": one[f"{word}_id"], "name": "feast"}
        await alice.ok("DELETE", f"{path}/{one[f'{word}_id']}")
        assert (await events.expect(f"{word}_delete"))["d"] == {f"{word}_id": one[f"{word}_id"]}


async def test_a_taken_name_is_409_and_leaves_nothing(chat, alice, word, path, tmp_path):
    """The original failed with 500."""
    await create(alice, path, "party")
    other = (await create(alice, path, "other")).json()
    before = len([found for found in (tmp_path / "uploads").rglob("*") if found.is_file()])
    again = await create(alice, path, "party")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "NAME_TAKEN")
    renamed = await alice.patch(f"{path}/{other[f'{word}_id']}", {"name": "party"})
    assert (renamed.status_code, renamed.json()["error"]["code"]) == (409, "NAME_TAKEN")
    assert len([found for found in (tmp_path / "uploads").rglob("*") if found.is_file()]) == before
    assert (await alice.patch(f"{path}/{other[f'{word}_id']}", {"name": "other"})).status_code == 200


async def test_names_are_bounded(alice, path):
    """The original did not check the length of the form's name."""
    for name in ("x" * 33, "", "  ", "a\0b", None):
        reply = await create(alice, path, name)
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "VALIDATION_ERROR"), name
    assert (await create(alice, path, "x" * 32)).status_code == 201


async def test_unknown_is_404(alice, path):
    for reply in (await alice.patch(f"{path}/99", {"name": "x"}), await alice.delete(f"{path}/99")):
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "SPACE_NOT_FOUND")


async def test_only_keepers_change_them(chat, alice, word, path):
    bob = await chat.register("bob")
    one = (await create(alice, path, "party")).json()
    at = f"{path}/{one[f'{word}_id']}"
    for reply in (await create(bob, path, "mine"), await bob.patch(at, {"name": "x"}), await bob.delete(at)):
        assert reply.status_code == 403
        assert reply.json()["error"]["missing_permission"] == "MANAGE_EMOJI"


@pytest.mark.parametrize("content", [b"<svg onload=alert(1)>", b"plain text", b"%PDF-1.4", b"GIF", picture("BMP")])
async def test_only_pictures_by_their_bytes_not_by_their_header(alice, path, content):
    reply = await create(alice, path, "party", content, "image/png")
    assert (reply.status_code, reply.json()["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_header_of_the_part_does_not_matter_for_a_true_picture(chat, alice, path):
    one = (await create(alice, path, "party", picture("WEBP"), "text/html")).json()
    reply = await alice.get(one["image"].removeprefix("/api/v1"))
    assert reply.headers["content-type"] == "image/webp"


async def test_animations_stay_animations(alice, path):
    for kind in ("GIF", "WEBP", "PNG"):
        one = (await create(alice, path, f"party {kind}", picture(kind, frames=5))).json()
        content = (await alice.get(one["image"].removeprefix("/api/v1"))).content
        assert getattr(Image.open(io.BytesIO(content)), "n_frames", 1) == 5, kind


async def test_too_large(alice, path):
    await alice.ok("PATCH", "/server/limits", {"limits": {"file_upload_max_bytes": 50}})
    reply = await create(alice, path, "party")
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")


async def test_allowed_types_are_the_operators(database_url, tmp_path):
    async with community(database_url, tmp_path, allowed_emoji_mimes=["image/gif"]) as chat:
        alice = await chat.register("alice")
        assert (await create(alice, "/emoji", "no")).status_code == 415
        assert (await create(alice, "/emoji", "yes", picture("GIF"))).status_code == 201


async def test_emoji_of_an_original_server_go_on(chat, alice, tmp_path):
    """There the file lies flat in the folder, and its row does not say what it is for."""

    def original(connection: Connection) -> Change[None]:
        row = {
            "id": "old-1",
            "name": "x.png",
            "size": 3,
            "mime": "image/png",
            "url": "/api/v1/files/old-1",
            "created_at": 1,
        }
        connection.execute(insert(files).values(**row, uploader_id=alice.user_id))
        connection.execute(insert(emoji).values(name="old", creator_id=alice.user_id, image=row["url"]))
        return Change(None)

    await chat.chat.change(original)
    (tmp_path / "uploads" / "old-1").write_bytes(b"old")
    bob = await chat.register("bob")
    assert await delete_orphaned_files(chat.chat, chat.chat.clock.wall() + timedelta(days=2)) == 0
    assert (await bob.get("/files/old-1")).content == b"old"
