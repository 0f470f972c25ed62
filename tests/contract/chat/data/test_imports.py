"""Exports of Discord and Slack become a community that people see and search, also when the import was cut, also while the server runs."""

import asyncio
import io
import json
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bench.export_archives import PNG, Size, text_of, write_discord, write_slack
from PIL import Image
from sqlalchemy import Table, delete, func, insert, select, update

from tests.contract.chat.harness import Person, Rig, chat_settings, community
from tests.time_limits import time_limit
from vox.chat.database.schema import (
    bots,
    files,
    imported,
    messages,
    oidc_identities,
    reactions,
    sessions,
    users,
    webauthn_credentials,
)
from vox.chat.database.unit_of_work import Change
from vox.chat.imports import importing
from vox.chat.imports.command import import_archive, run_claim
from vox.chat.imports.importing import ImportOptions, ImportReport
from vox.chat.imports.model import Origin
from vox.errors import UsageError
from vox.stores.sql import Connection

SMALL = Size(members=12, channels=3, messages=90, files=3, threads=2)
WRITERS = {"discord": write_discord, "slack": write_slack}


class CutError(Exception):
    """The power is gone."""


def bring(url: str, folder: Path, origin: Origin, archive: Path, progress: Any = None, **options: Any) -> ImportReport:
    settings = chat_settings(url, folder, limits={"file_upload_max_bytes": 2000, "max_pins_per_feed": 2})
    report = folder / "skipped.txt"
    return import_archive(settings, origin, archive, report, ImportOptions(**options), progress or (lambda *_: None))


async def rows(rig: Rig) -> dict[str, int]:
    tables = (users, messages, reactions, files, imported)
    return {
        table.name: await rig.chat.read(
            lambda c, table=table: c.execute(select(func.count()).select_from(table)).scalar_one()
        )
        for table in tables
    }


async def feeds_by_name(person: Person) -> dict[str, dict[str, Any]]:
    return {feed["name"]: feed for feed in (await person.ok("GET", "/server/layout"))["feeds"]}


async def feeds_once_there(person: Person, name: str) -> dict[str, dict[str, Any]]:
    """The feeds once that one is there: a running server notices an import by itself."""
    async with time_limit():
        while name not in (found := await feeds_by_name(person)):  # noqa: ASYNC110  it asks the server
            await asyncio.sleep(0)
    return found


@pytest.mark.parametrize("origin", ["discord", "slack"])
async def test_an_export_is_read_searched_and_downloaded_by_members(origin: Origin, database_url: str, tmp_path: Path):
    archive = tmp_path / "export.zip"
    WRITERS[origin](archive, SMALL)
    async with community(database_url, tmp_path) as rig:
        ada = await rig.register("ada")
        report = await asyncio.to_thread(bring, database_url, tmp_path, origin, archive)
        assert (report.files, report.known) == (3, 0)
        layout = await feeds_once_there(ada, "channel-2")
        feed_id = layout["channel-1"]["feed_id"]
        history = (await ada.ok("GET", f"/feeds/{feed_id}/messages", limit=100))["messages"]
        assert history[-1]["body"] == text_of(1, 0)
        assert [message["msg_id"] for message in history] == sorted((m["msg_id"] for m in history), reverse=True)
        author = await ada.ok("GET", f"/users/{history[-1]['author_id']}")
        assert author["display_name"].startswith("Member ")
        attachment = history[-1]["attachments"][0]
        assert (await ada.get(f"/files/{attachment['file_id']}")).content[:8] == PNG[:8]
        assert attachment["mime"] == "image/png"
        words = text_of(1, 5).split()[:2]
        found = await ada.ok("GET", "/messages/search", query=" ".join(words), limit=100)
        assert text_of(1, 5) in {message["body"] for message in found["results"]}
        threads = (await ada.ok("GET", f"/feeds/{layout['channel-0']['feed_id']}/threads"))["items"]
        assert len(threads) == 1
        inside = await ada.ok(
            "GET", f"/feeds/{layout['channel-0']['feed_id']}/threads/{threads[0]['thread_id']}/messages"
        )
        assert inside["messages"]
        placeholder = {"username": author["username"], "password": ""}
        assert (await rig.http.post("/api/v1/auth/login", json=placeholder)).status_code in {401, 422}
        if origin == "slack":
            newcomer = await rig.register("newcomer")
            assert "board" in await feeds_by_name(ada)
            assert "board" not in await feeds_by_name(newcomer)
            assert "conversation\tD00000001" in (tmp_path / "skipped.txt").read_text()


@pytest.mark.parametrize("origin", ["discord", "slack"])
async def test_a_second_import_and_one_that_was_cut_store_nothing_twice(
    origin: Origin, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(importing, "BATCH", 7)
    archive = tmp_path / "export.zip"
    WRITERS[origin](archive, SMALL)
    batches = tries = 0

    def cut(what: str, _done: int, _total: int) -> None:
        nonlocal batches
        if what == "import":
            batches += 1
            if batches > tries * 2:
                raise CutError

    while True:
        batches, tries = 0, tries + 1
        try:
            await asyncio.to_thread(bring, database_url, tmp_path, origin, archive, cut)
            break
        except CutError:
            assert tries < 30
    assert tries > 2
    async with community(database_url, tmp_path) as rig:
        once = await rows(rig)
        again = await asyncio.to_thread(bring, database_url, tmp_path, origin, archive)
        assert (again.messages, again.files) == (0, 0)
        assert await rows(rig) == once
        expected = 90 + (20 if origin == "discord" else 0)
        assert once["messages"] == expected
        assert once["files"] == 3


LOGINS: dict[Table, dict[str, Any]] = {
    sessions: {"token": "0", "created_at": 1, "expires_at": 2},
    oidc_identities: {"issuer": "https://id.example.com", "subject": "ada", "created_at": 1},
    webauthn_credentials: {"credential_id": "0", "name": "key", "public_key": "0", "registered_at": 1},
    bots: {"owner_id": 1, "created_at": 1, "disabled": False},
}


def leave_one_login(connection: Connection, user_id: int, kind: Table | None) -> Change[None]:
    connection.execute(update(users).where(users.c.id == user_id).values(password_hash=None))
    for table in LOGINS:
        connection.execute(delete(table).where(table.c.user_id == user_id))
    if kind is not None:
        connection.execute(insert(kind).values(user_id=user_id, **LOGINS[kind]))
    return Change(None)


def discord_file(path: Path, messages_: list[Any], channel: dict[str, Any] | None = None) -> None:
    content = {"guild": {}, "channel": {"id": "2", "type": "GuildTextChat", "name": "general", **(channel or {})}}
    path.write_text(json.dumps({**content, "messages": messages_}))


def message(number: int, **changes: Any) -> dict[str, Any]:
    author = {"id": str(number % 5), "name": "same name"}
    return {
        "id": str((1_000_000_000 + number) << 22),
        "type": "Default",
        "content": f"line {number}",
        "author": author,
        **changes,
    }


async def test_cycles_the_future_and_impostors_do_no_harm(database_url: str, tmp_path: Path):
    export = tmp_path / "export"
    export.mkdir()
    evil = [
        message(1, type="Reply", reference={"messageId": str((1_000_000_000 + 2) << 22)}),
        message(2, type="Reply", reference={"messageId": str((1_000_000_000 + 1) << 22)}),
        message(3, type="Reply", reference={"messageId": str((1_000_000_000 + 3) << 22)}),
        message(4, id=str(500_000_000_000 << 22)),
        message(5, author={"id": "77", "name": "everyone"}),
        message(6, author={"id": "78", "name": "\u0430dmin"}),
        message(7, attachments=[{"id": "1", "fileName": "../../x", "url": "../../secret.txt"}], content=""),
        message(8, attachments=[{"id": "2", "fileName": "big", "url": "big.bin"}]),
        message(9, isPinned=True), message(10, isPinned=True), message(11, isPinned=True),
        message(12, reactions=[{"emoji": {"name": "x" * 500}, "users": [{"id": "1", "name": "a"}] * 3}, {"emoji": {"name": ""}}]),
        "no object", None,
    ]  # fmt: skip
    discord_file(export / "a.json", evil)
    discord_file(
        export / "b.json", [message(20)], {"id": "3", "type": "GuildPublicThread", "categoryId": "4", "name": "t"}
    )
    discord_file(
        export / "c.json", [message(21)], {"id": "4", "type": "GuildPublicThread", "categoryId": "3", "name": "t"}
    )
    discord_file(
        export / "d.json", [message(22)], {"id": "5", "type": "GuildPrivateThread", "categoryId": "2", "name": "p"}
    )
    (export / "big.bin").write_bytes(bytes(2001))
    (tmp_path / "secret.txt").write_text("secret")
    async with community(database_url, tmp_path) as rig:
        await rig.register("admin")
    report = await asyncio.to_thread(bring, database_url, tmp_path, "discord", export)
    reasons = {reason: count for (_, reason), count in report.skipped.items()}
    assert reasons["it is said to answer itself or a later message"] == 2
    assert reasons["its time lies in the future, or before all time"] == 1
    assert reasons["it is said to be in another thread"] == 2
    assert reasons["a private thread has no counterpart here"] == 1
    assert reasons["the archive does not have it"] == 1
    assert reasons["it is larger than a file may be"] == 1
    assert reasons["a feed has at most 2"] == 1
    assert reasons["it is no object"] == 2
    async with community(database_url, tmp_path) as rig:
        admin = Person(rig, "admin", 1, (await rig.http.post("/api/v1/auth/login", json={"username": "admin", "password": "correct horse battery"})).json()["token"])  # fmt: skip
        feed = (await feeds_by_name(admin))["general"]
        history = (await admin.ok("GET", f"/feeds/{feed['feed_id']}/messages", limit=100))["messages"]
        assert len(history) == 11
        assert "[x]" in {one["body"] for one in history}
        names = [person["username"] for person in (await admin.ok("GET", "/members", limit=200))["items"]]
        assert len(names) == len(set(names))
        assert "everyone" not in names
        assert "\u0430dmin" not in names
        assert (await admin.ok("POST", f"/feeds/{feed['feed_id']}/messages", {"body": "on"}))["msg_id"] > history[0][
            "msg_id"
        ]


async def test_a_damaged_archive_is_refused_whole_or_read_around(database_url: str, tmp_path: Path):
    export = tmp_path / "export"
    export.mkdir()
    discord_file(export / "a.json", [message(1)])
    discord_file(export / "b.json", [message(2), message(3)], {"id": "3", "name": "other"})
    whole = (export / "b.json").read_text()
    (export / "b.json").write_text(whole[:-30])
    with pytest.raises(UsageError) as caught:
        await asyncio.to_thread(bring, database_url, tmp_path, "discord", export)
    assert caught.value.code == "archive_damaged"
    assert "b.json" in str(caught.value)
    async with community(database_url, tmp_path) as rig:
        assert (await rows(rig))["messages"] == 0
    report = await asyncio.to_thread(bring, database_url, tmp_path, "discord", export, skips_damaged=True)
    assert report.messages == 1
    assert report.skipped["file", "it is damaged"] == 1


async def test_a_million_members_who_never_wrote_cost_nothing_and_too_many_writers_stop_it(
    database_url: str, tmp_path: Path
):
    archive = tmp_path / "s.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("channels.json", json.dumps([{"id": "C1", "name": "general"}]))
        out.writestr("users.json", json.dumps([{"id": f"U{n}", "name": f"n{n}", "profile": {}} for n in range(50_000)]))
        said = [{"user": f"U{n}", "text": "hi", "ts": f"{1_600_000_000 + n}.000000"} for n in range(20)]
        out.writestr("general/2020-01-01.json", json.dumps(said))
    with pytest.raises(UsageError) as caught:
        await asyncio.to_thread(bring, database_url, tmp_path, "slack", archive, most_people=10)
    assert caught.value.code == "archive_refused"
    report = await asyncio.to_thread(bring, database_url, tmp_path, "slack", archive)
    assert report.people == 20 or report.messages == 0
    async with community(database_url, tmp_path) as rig:
        assert (await rows(rig))["users"] == 20


async def test_a_person_claims_what_they_said_before(database_url: str, tmp_path: Path):
    export = tmp_path / "export"
    export.mkdir()
    author, other = {"id": "7", "name": "old ada"}, {"id": "8", "name": "bo"}
    said = [
        message(n, author=author, reactions=[{"emoji": {"name": "👍"}, "users": [author, other]}]) for n in range(5)
    ]
    discord_file(export / "a.json", said)
    async with community(database_url, tmp_path) as rig:
        ada = await rig.register("ada")
        await asyncio.to_thread(bring, database_url, tmp_path, "discord", export)
        feed_id = (await feeds_once_there(ada, "general"))["general"]["feed_id"]
        history = (await ada.ok("GET", f"/feeds/{feed_id}/messages"))["messages"]
        placeholder = history[0]["author_id"]
        await ada.ok("PUT", f"/feeds/{feed_id}/messages/{history[0]['msg_id']}/reactions/👍")
        settings = chat_settings(database_url, tmp_path)
        for names in (("ada", "bo"), ("old ada", "missing"), ("old ada", "old ada"), ("absent", "ada")):
            with pytest.raises(UsageError) as caught:
                await asyncio.to_thread(run_claim, settings, *names, lambda *_: None)
            assert caught.value.code == "claim_refused"
        assert await asyncio.to_thread(run_claim, settings, "old ada", "ada", lambda *_: None) == 5
        history = (await ada.ok("GET", f"/feeds/{feed_id}/messages"))["messages"]
        assert {one["author_id"] for one in history} == {ada.user_id}
        path = f"/feeds/{feed_id}/messages/{history[0]['msg_id']}/reactions"
        assert (await rows(rig))["reactions"] == 10
        assert (await ada.get(path)).status_code == 200
        async with time_limit():
            while (await ada.get(f"/users/{placeholder}")).status_code != 404:  # noqa: ASYNC110  it asks the server
                await asyncio.sleep(0)
        discord_file(export / "b.json", [message(50, author=author)], {"id": "9", "name": "later"})
        await asyncio.to_thread(bring, database_url, tmp_path, "discord", export)
        later = (await feeds_once_there(ada, "later"))["later"]["feed_id"]
        assert (await ada.ok("GET", f"/feeds/{later}/messages"))["messages"][0]["author_id"] == ada.user_id


async def test_an_account_that_logs_in_without_a_password_is_no_placeholder(database_url: str, tmp_path: Path):
    export = tmp_path / "export"
    export.mkdir()
    discord_file(export / "a.json", [message(n, author={"id": "7", "name": "old ada"}) for n in range(3)])
    settings = chat_settings(database_url, tmp_path)
    async with community(database_url, tmp_path) as rig:
        ada, _ = await rig.register("ada"), await rig.register("cy")
        await asyncio.to_thread(bring, database_url, tmp_path, "discord", export)
        await asyncio.to_thread(run_claim, settings, "old ada", "ada", lambda *_: None)
        for kind in LOGINS:
            await rig.chat.change(partial(leave_one_login, user_id=ada.user_id, kind=kind))
            with pytest.raises(UsageError, match="ada is no placeholder"):
                await asyncio.to_thread(run_claim, settings, "ada", "cy", lambda *_: None)
        await rig.chat.change(partial(leave_one_login, user_id=ada.user_id, kind=None))
        assert await asyncio.to_thread(run_claim, settings, "ada", "cy", lambda *_: None) == 3


async def test_pictures_come_in_as_an_upload_of_them_would(database_url: str, tmp_path: Path):
    export = tmp_path / "export"
    (export / "a_Files").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 22.0, 0.0)}
    Image.new("RGB", (60, 40), "blue").save(export / "a_Files" / "holiday.jpg", exif=exif)
    whole = io.BytesIO()
    Image.effect_noise((60, 40), 90).save(whole, "PNG")
    (export / "a_Files" / "broken.png").write_bytes(whole.getvalue()[:300])
    first, second = Image.new("L", (8, 8)), Image.new("L", (8, 8), 255)
    first.save(export / "a_Files" / "moving.png", save_all=True, append_images=[second])
    grows = export / "a_Files" / "grows.webp"  # 1,648 bytes as it is, 4,416 written anew: more than a file may have
    Image.effect_noise((80, 80), 90).convert("RGB").save(grows, quality=1)
    shown = [
        {"id": str(n), "url": f"a_Files/{name}", "fileName": name}
        for n, name in enumerate(("holiday.jpg", "broken.png", "moving.png", "grows.webp"))
    ]
    discord_file(export / "a.json", [message(1, attachments=shown)])
    async with community(database_url, tmp_path) as rig:
        ada = await rig.register("ada")
        await asyncio.to_thread(bring, database_url, tmp_path, "discord", export)
        feed_id = (await feeds_once_there(ada, "general"))["general"]["feed_id"]
        (said,) = (await ada.ok("GET", f"/feeds/{feed_id}/messages"))["messages"]
        holiday, broken, moving, large = said["attachments"]
        content = (await ada.get(f"/files/{holiday['file_id']}")).content
        assert len(content) == holiday["size"]
        with Image.open(io.BytesIO(content)) as picture:
            assert (picture.size, dict(picture.getexif())) == ((60, 40), {})
        mimes = [one["mime"] for one in said["attachments"]]
        octets = "application/octet-stream"
        assert mimes == ["image/jpeg", octets, "image/png", octets]
        assert (await ada.get(f"/files/{large['file_id']}")).content == grows.read_bytes()
        with Image.open(io.BytesIO((await ada.get(f"/files/{moving['file_id']}")).content)) as picture:
            assert getattr(picture, "n_frames", 1) == 2
        thumbnail = await ada.get(f"/files/{holiday['file_id']}/thumbnail", size=64)
        assert thumbnail.status_code == 200
        assert (await ada.get(f"/files/{broken['file_id']}/thumbnail", size=64)).status_code == 415


async def test_hidden_feeds_are_for_administrators(database_url: str, tmp_path: Path):
    export = tmp_path / "export"
    export.mkdir()
    discord_file(export / "a.json", [message(1)])
    async with community(database_url, tmp_path) as rig:
        ada, bo = await rig.register("ada"), await rig.register("bo")
        await asyncio.to_thread(bring, database_url, tmp_path, "discord", export, is_hidden=True)
        await feeds_once_there(ada, "general")
        assert "general" not in await feeds_by_name(bo)
