"""An agent server in front of Daily: rooms for `/start`, for a browser, and for announced telephone calls."""

from pathlib import Path

import httpx2

from tests.e2e.agents import FAKES, agent_server
from tests.fakes.daily_server import KEY, daily_server
from tests.time_limits import WAIT_S

CALL = {"From": "+15550100", "To": "+15550199", "callId": "c1", "callDomain": "d1"}
SECRET = {"x-webhook-secret": "hook"}


async def test_rooms_are_made_for_start_for_a_browser_and_for_a_call(tmp_path: Path):
    config = {**FAKES, "runner_transport": "daily", "dialin": True, "daily_dialin_webhook_secret": "hook"}
    async with (
        daily_server() as daily,
        agent_server(tmp_path, config, DAILY_API_KEY=KEY, DAILY_API_URL=daily.url) as agent,
        httpx2.AsyncClient(base_url=agent.http, timeout=WAIT_S) as http,
    ):
        for path in ("/start", "/api/v1/start"):
            made = await http.post(path, json={"createDailyRoom": True}, headers={"idempotency-key": "k"})
            again = await http.post(path, json={"createDailyRoom": True}, headers={"idempotency-key": "k"})
            name = daily.rooms[-1]["name"]
            assert made.status_code == 201
            assert made.json()["data"] == {
                "dailyRoom": f"https://example.daily.co/{name}",
                "dailyToken": f"token-of-{name}",
                "sessionId": made.json()["sessionId"],
            }
            assert again.content == made.content
        assert len(daily.rooms) == 2

        entered = await http.get("/")
        assert entered.status_code == 302
        assert entered.headers["location"] == f"https://example.daily.co/{daily.rooms[-1]['name']}"
        assert (await http.head("/")).status_code == 404
        assert (await http.post("/")).status_code == 404
        assert len(daily.rooms) == 3

        hook = "/daily-dialin-webhook"
        assert (await http.post(hook, json=CALL)).status_code == 401
        assert (await http.post(hook, content=b"{", headers=SECRET)).status_code == 400
        test = await http.post(hook, json={"test": True}, headers=SECRET)
        assert (test.status_code, test.json()) == (200, {"data": {"status": "OK"}})
        refused = await http.post(hook, json={**CALL, "To": " ", "callId": 5}, headers=SECRET)
        assert refused.status_code == 422
        assert [each["field"] for each in refused.json()["error"]["details"]] == ["To", "callId"]
        assert len(daily.rooms) == 3
        taken = await http.post(hook, json=CALL, headers=SECRET)
        assert taken.status_code == 201
        assert set(taken.json()["data"]) == {"dailyRoom", "dailyToken", "sessionId"}
        assert daily.rooms[-1]["properties"]["sip"]["display_name"] == "+15550100"

        daily.status = 503
        assert (await http.post("/start", json={"createDailyRoom": True})).status_code == 503
        daily.status = 401
        failed = await http.get("/")
        assert (failed.status_code, failed.json()["error"]["code"]) == (500, "INTERNAL_ERROR")
        assert KEY not in agent.log.read_text()
