"""Emoji and stickers as a pack: out of one community and into another, and packs that strangers made."""

import asyncio
import io
import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.contract.chat.data.conftest import EmptyDatabase
from tests.contract.chat.harness import Rig, chat_settings, community
from vox.chat.imports.command import run_export_of_emoji, run_import_of_emoji
from vox.errors import UsageError


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 8)) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA", size, (250, 100, 50, 255)).save(out, kind)
    return out.getvalue()


async def test_a_pack_goes_from_one_community_to_another(
    chat: Rig, tmp_path: Path, database_url: str, empty_database: EmptyDatabase
):
    ada = await chat.register("ada")
    for path, name in (("/emoji", "blob"), ("/emoji", "party"), ("/stickers", "wave")):
        form = {"image": ("x.png", picture(), "image/png")}
        assert (await ada.call("POST", path, files=form, data={"name": name})).status_code == 201
    pack = tmp_path / "pack.zip"
    assert await asyncio.to_thread(run_export_of_emoji, chat.chat.settings, pack) == (3, [])
    with pytest.raises(UsageError) as caught:
        await asyncio.to_thread(run_export_of_emoji, chat.chat.settings, pack)
    assert caught.value.code == "pack_unwritable"

    other_url = empty_database("sqlite" if database_url.startswith("sqlite") else "postgresql")
    async with community(other_url, tmp_path / "other") as rig:
        bo = await rig.register("bo")
        settings = chat_settings(other_url, tmp_path / "other")
        assert (await asyncio.to_thread(run_import_of_emoji, settings, pack)).added == 3
        again = await asyncio.to_thread(run_import_of_emoji, settings, pack)
        assert (again.added, [one.reason for one in again.skipped]) == (0, ["the name is taken"] * 3)
        emoji = (await bo.ok("GET", "/emoji"))["items"]
        assert [one["name"] for one in emoji] == ["blob", "party"]
        assert [one["name"] for one in (await bo.ok("GET", "/stickers"))["items"]] == ["wave"]
        shown = await bo.get(emoji[0]["image"].removeprefix("/api/v1"))
        assert Image.open(io.BytesIO(shown.content)).size == (8, 8)


async def test_what_strangers_pack_is_decoded_measured_and_named(chat: Rig, tmp_path: Path):
    await chat.register("ada")
    images = [
        {"name": "fine", "file": "a.gif"},
        {"name": "x\u202ey", "file": "a.gif"},
        {"name": "n" * 99, "file": "a.gif"},
        {"name": "svg", "file": "b.png"},
        {"name": "out", "file": "../../secret.png"},
        {"name": "large", "file": "c.png"},
        {"name": "pixels", "file": "d.png"},
        {"name": "broken", "file": "e.png"},
        {"name": "stuck", "file": "a.gif", "kind": "sticker"},
    ]
    with zipfile.ZipFile(tmp_path / "pack.zip", "w", zipfile.ZIP_DEFLATED) as pack:
        manifest = {"format": "vox emoji pack", "version": 1, "name": "x", "images": images}
        pack.writestr("pack.json", json.dumps(manifest))
        pack.writestr("a.gif", picture("GIF"))
        pack.writestr("b.png", "<svg onload='alert(1)'/>")
        pack.writestr("c.png", bytes(3 << 20))
        pack.writestr("d.png", picture(size=(3000, 3000)))
        pack.writestr("e.png", picture()[:40])
    (tmp_path.parent / "secret.png").write_bytes(picture())
    report = await asyncio.to_thread(run_import_of_emoji, chat.chat.settings, tmp_path / "pack.zip")
    assert report.added == 2
    assert len(report.skipped) == 7


async def test_a_pack_without_a_manifest_is_named_by_its_files_and_a_wrong_one_is_refused(chat: Rig, tmp_path: Path):
    await chat.register("ada")
    with zipfile.ZipFile(tmp_path / "bare.zip", "w") as pack:
        pack.writestr("set/smile.png", picture())
        pack.writestr("set/readme.txt", "no picture")
    assert (await asyncio.to_thread(run_import_of_emoji, chat.chat.settings, tmp_path / "bare.zip")).added == 1
    for manifest in ("[]", "{", json.dumps({"format": "other", "version": 1, "name": "", "images": []})):
        with zipfile.ZipFile(tmp_path / "wrong.zip", "w") as pack:
            pack.writestr("pack.json", manifest)
        with pytest.raises(UsageError) as caught:
            await asyncio.to_thread(run_import_of_emoji, chat.chat.settings, tmp_path / "wrong.zip")
        assert caught.value.code == "archive_damaged"
