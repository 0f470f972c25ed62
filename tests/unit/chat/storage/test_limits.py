import asyncio
import io
import threading
from collections import Counter

import pytest
from PIL import Image

from tests.time_limits import WAIT_S
from vox.chat.config.settings import load_chat_settings
from vox.chat.errors import Refusal
from vox.chat.events.ids import UserId
from vox.chat.storage import limits as desks
from vox.chat.storage.images import Dimensions
from vox.chat.storage.limits import UploadLimits, open_storage
from vox.providers.storage.local import LocalStorage

SETTINGS = load_chat_settings({}, {}).settings


def png() -> io.BytesIO:
    out = io.BytesIO()
    Image.new("L", (3, 2)).save(out, format="PNG")
    out.seek(0)
    return out


def test_turns_are_given_back():
    desk = UploadLimits(SETTINGS)
    for _ in range(desks.UPLOADS_OF_ONE_USER * 3):
        with desk.upload_slot(UserId(1)):
            pass
    assert not desk._busy


def test_one_user_has_few_turns_and_others_have_theirs(monkeypatch):
    monkeypatch.setattr(desks, "UPLOADS_OF_ONE_USER", 1)
    monkeypatch.setattr(desks, "UPLOADS_AT_ONCE", 2)
    desk = UploadLimits(SETTINGS)
    with desk.upload_slot(UserId(1)):
        with pytest.raises(Refusal) as error, desk.upload_slot(UserId(1)):
            pass
        assert error.value.wire_code == "RATE_LIMITED"
        with desk.upload_slot(UserId(2)):
            with pytest.raises(Refusal) as error, desk.upload_slot(UserId(3)):
                pass
            assert error.value.wire_code == "UNAVAILABLE"
            assert error.value.extras["retry_after_ms"]


async def test_pictures_are_painted_and_the_line_is_bounded(monkeypatch):
    monkeypatch.setattr(desks, "PICTURES_WAITING", 0)
    desk = UploadLimits(SETTINGS)
    tasks = [asyncio.ensure_future(desk.reencode(png(), "image/png", io.BytesIO(), UserId(n))) for n in range(5)]
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert done.count(Dimensions(3, 2)) == desks.PICTURES_AT_ONCE
    assert {each.wire_code for each in done if isinstance(each, Refusal)} == {"UNAVAILABLE"}
    desk.close()
    assert await desk.reencode(png(), "image/png", io.BytesIO(), UserId(1)) == Dimensions(3, 2)
    desk.close()


async def test_of_one_user_one_picture_is_painted_at_a_time_while_others_have_theirs(monkeypatch):
    second_user_ran = threading.Event()
    running, most = Counter(), Counter()

    def slow(source, mime, out, pixels):
        user = source.getvalue()
        running[user] += 1
        most[user] = max(most[user], running[user])
        if user == b"1":
            assert second_user_ran.wait(WAIT_S), "the other user waited for the first one's pictures"
        else:
            second_user_ran.set()
        running[user] -= 1
        return Dimensions(1, 1)

    monkeypatch.setattr(desks, "re_encode", slow)
    desk = UploadLimits(SETTINGS)
    users = (1, 1, 1, 2)
    pictures = (desk.reencode(io.BytesIO(b"%d" % n), "image/png", io.BytesIO(), UserId(n)) for n in users)
    assert await asyncio.gather(*pictures) == [Dimensions(1, 1)] * len(users)
    assert most == {b"1": 1, b"2": 1}
    assert not desk._busy
    desk.close()


def test_storage_of_the_settings_touches_nothing_yet(tmp_path):
    storage = open_storage(load_chat_settings({}, {"storage_path": str(tmp_path / "up")}).settings)
    assert isinstance(storage, LocalStorage)
    assert not (tmp_path / "up").exists()
    storage.prepare()
    assert (tmp_path / "up").is_dir()
