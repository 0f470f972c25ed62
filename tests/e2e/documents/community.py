"""The community that a reader of a page has whose commands call the chat server's API: `$S` is the API, `$T` an administrator's token.

In it are the administrator (1), a member (2) with a message in the first feed, two more feeds, and a report of that message.
"""

import json
from typing import Any

import httpx2

from tests.e2e.documents.reader import PASSWORD, Reader
from tests.time_limits import WAIT_S

MEMBER = "ben"


def provide_community(one: Reader) -> None:
    """Starts it at the first command that needs it, with what the page has put into the environment."""
    if "S" in one.environment:
        return
    one.type("vox chat admin create ada")
    one.type("VOX_RATE_LIMIT_SCALE=0 VOX_INTEGRATION_NETWORKS=127.0.0.0/8 vox chat --port 8000")
    address = f"http://127.0.0.1:{one.ports['8000']}/api/v1"
    with httpx2.Client(base_url=address, timeout=WAIT_S) as http:

        def post(path: str, token: str, **body: Any) -> dict[str, Any]:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            answer = http.post(path, json=body, headers=headers)
            assert answer.is_success, f"{path}: {answer.text}"
            return json.loads(answer.content) if answer.content else {}

        ada = post("/auth/login", "", username="ada", password=PASSWORD)["token"]
        ben = post("/auth/register", "", username=MEMBER, password=PASSWORD)["token"]
        feeds = [post("/feeds", ada, name=name, type="text")["feed_id"] for name in ("general", "news", "builds")]
        said = post(f"/feeds/{feeds[0]}/messages", ben, body="you 1d.i.o.t")["msg_id"]
        post("/reports", ada, reported_user_id=2, feed_id=feeds[0], msg_id=said, reason="harassment")
    one.environment |= {"S": address, "T": ada}


def assert_no_refusal(one: Reader, command: str) -> None:
    """The API has done what a page says: `curl` itself ends well with a refusal, too."""
    assert '{"error":' not in one.printed, f"{command}\nwas refused: {one.printed}"
