"""Four workers behind the nginx site that `vox fleet nginx` writes, restarted one after another under calls that are longer than a drain may last."""

import contextlib
import sqlite3
from collections import Counter
from pathlib import Path

from tests.e2e.agents import until
from tests.e2e.fleet_workers import traffic
from tests.e2e.handover_fleet import asking, simulated, spoken_s
from tests.e2e.programs import nginx
from tests.e2e.worker_processes import processes
from tests.free_ports import free_port
from tests.time_limits import time_limit
from vox.clients.carrier_simulator.behaviour import EndCall, Listen
from vox.fleet.operations.nginx import nginx_site

ANSWER = " ".join(f"word{number}" for number in range(60)) + "."
"""Half a minute with the fake voice."""
LONG_CALLS, SHORT_CALLS = 12, 12
WORKERS = (1, 2, 3, 4)


def recordings(folder: Path) -> Counter[str]:
    """The calls of which there is a whole recording, and of how many files it is."""
    return Counter(path.stem for path in folder.glob("recordings/2*/**/*.wav"))


async def test_calls_longer_than_the_drain_outlive_every_worker_and_no_caller_is_turned_away(tmp_path: Path):
    port = free_port()
    config = {
        "runner_transport": "twilio",
        "verify_signatures": False,
        "greeting": "hello and welcome.",
        "llm_options": {"responses": [ANSWER]},
        "handover_store": str(tmp_path / "calls.db"),
        "handover_lead_secs": 6,
        "adaptive_limit": False,
        "playout_lead_ms": 0,
        "transcripts.enable": True,
        "transcripts.driver": "sqlite",
        "transcripts.dsn": str(tmp_path / "transcripts.db"),
        "recording": {"enable": True, "layout": "stereo", "folder": str(tmp_path / "recordings")},
    }
    variables = {"MAX_CONCURRENT_CALLS": "24", "VOX_DRAIN_DEADLINE_SECS": "6"}
    carrier = simulated(asking(tmp_path, Listen(silence_s=2.5), EndCall()))
    async with processes(tmp_path, *WORKERS, config=config, **variables) as fleet, carrier:
        workers = [f"127.0.0.1:{fleet.base + number}" for number in WORKERS]
        site = nginx_site(workers, listen=f"127.0.0.1:{port}")
        async with (
            nginx(tmp_path, site, port),
            traffic(f"ws://127.0.0.1:{port}/telephony/ws", at_once=SHORT_CALLS) as short,
        ):
            calls = [
                carrier.call_in(
                    "twilio", url=f"http://127.0.0.1:{port}", from_=f"+155501001{number:02}", to="+15550199199"
                )
                for number in range(LONG_CALLS)
            ]
            await until(lambda: all(spoken_s(call) > 3.0 for call in calls))
            for number in WORKERS:
                before = fleet.terminate(number)
                await fleet.refused(number)
                await fleet.start(number)
                async with time_limit():
                    assert await before.wait() == 0
            async with time_limit():
                for call in calls:
                    await call.is_finished.wait()
        assert short.failures == []
        ended = Counter(line["call_id"] for line in fleet.logged("call ended") if line["reason"] != "handed_over")
        moved = {line["call_id"] for line in fleet.logged("call taken over")}
        assert len(moved) == LONG_CALLS, "each outlived at least one worker"
        assert {ended[call] for call in moved} == {1}, "each ended once"
    with contextlib.closing(sqlite3.connect(tmp_path / "transcripts.db")) as connection:
        select = "SELECT session_id, seq, role, text FROM call_transcripts ORDER BY session_id, seq"
        rows = [row for row in connection.execute(select) if row[0] in moved]
    answers = {session: text for session, seq, role, text in rows if (seq, role) == (3, "assistant")}
    assert answers == dict.fromkeys(moved, ANSWER)
    assert len(rows) == 3 * LONG_CALLS
    whole = recordings(tmp_path)
    assert {call: whole[call] for call in moved} == dict.fromkeys(moved, 1)
