"""The type checker tells the ids of different things apart; at run time they are the numbers they were."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.require import require
from tests.time_limits import scaled
from vox.chat.events.ids import FeedId, UserId

ROOT = Path(__file__).parents[4]
PYRIGHT = Path(sys.prefix) / "bin" / "pyright"
PROGRAM = """\
from typing import Any

from vox.chat.api.request import Call
from vox.chat.community import Community
from vox.chat.events.ids import FeedId, RoomId, UserId


def ask(community: Community, call: Call[Any], user: UserId, feed: FeedId, room: RoomId) -> None:
    community.may_in(user, "feed", feed, 1)
    community.may_in(user, "room", room, 1)
    community.may_in(call.user_id, "feed", call.id("feed_id"), 1)
    community.may_in(feed, "feed", user, 1)  # wrong
    community.may_in(user, "room", feed, 1)  # wrong
    community.may_in(user, "feed", room, 1)  # wrong
    community.may_in(user, "feed", call.id("room_id"), 1)  # wrong
    community.may(feed, 1)  # wrong
    community.in_dm(user, feed)  # wrong
    community.may(7, 1)  # wrong
"""


def test_an_id_is_the_number_it_was() -> None:
    assert (type(UserId(7)), UserId(7), FeedId(7)) == (int, 7, 7)


def test_ids_of_other_things_do_not_pass_the_type_checker(tmp_path: Path) -> None:
    require(PYRIGHT.exists(), "pyright", "uv sync --group dev")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT / "src")], "pythonVersion": "3.11"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [PYRIGHT, "--outputjson", "--project", tmp_path, "--pythonpath", sys.executable]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=scaled(50))
    found: list[dict[str, Any]] = json.loads(done.stdout)["generalDiagnostics"]
    wrong = [number for number, line in enumerate(PROGRAM.splitlines()) if line.endswith("# wrong")]
    assert sorted({each["range"]["start"]["line"] for each in found}) == wrong
