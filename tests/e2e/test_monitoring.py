"""Alerts and the dashboard: Prometheus' own checkers, and every query against a real server that a real Prometheus scrapes."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.agents import FAKES, agent_server
from tests.e2e.programs import Prometheus, prometheus, queries
from tests.e2e.ws_client import connected
from tests.reference import import_everything
from tests.require import require
from tests.time_limits import WAIT_S, time_limit
from vox.clients.audio_files import sample_question
from vox.clients.phone import place_call
from vox.clients.script import HangUp, Say, Step, WaitForAgent
from vox.protocols.agent_json import encode_client_frame
from vox.runtime.clock import SystemClock
from vox.runtime.metrics import Histogram, declared

MONITORING = Path(__file__).parents[2] / "deploy" / "prometheus"
DASHBOARD: dict[str, Any] = json.loads((MONITORING.parent / "grafana" / "agent.json").read_text())
OTHERS = re.compile(
    r"(?:up|process_\w+|webrtc_peer_connections_active|recording_\w+|llm_inter_token_latency_seconds_bucket)"
)
"""Names that are no metric of a module: Prometheus' own, the process', and those of parts that are off until they are used."""


def names_in(expression: str) -> set[str]:
    """The metrics that an expression names."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|on|without) ?\([^)]*\)', "", expression)
    functions = set(re.findall(r"\b(\w+) *\(", bare))
    words = set(re.findall(r"\b[a-z_]+[a-z]\b", bare))
    return words - functions - {"or", "and", "by", "unless"}


def known_names() -> set[str]:
    """Every series that a server of this version may export."""
    modules, _ = import_everything()
    found: set[str] = set()
    for spec in declared(modules):
        found.add(spec.name)
        if isinstance(spec, Histogram):
            found |= {f"{spec.name}_{part}" for part in ("bucket", "sum", "count")}
    return found


def promtool(*arguments: str) -> None:
    """Runs Prometheus' checker, which must be content."""
    found = shutil.which("promtool")
    require(found is not None, "promtool", "apt-get install prometheus")
    done = subprocess.run(
        [str(found), *arguments], cwd=MONITORING, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "alerts.yml"), ("check", "config", "prometheus.yml"), ("test", "rules", "alerts.test.yml")],
    ids=" ".join,
)
def test_prometheus_takes_the_rules_and_each_alert_rings_when_it_should(arguments: tuple[str, ...]):
    promtool(*arguments)


def test_each_alert_is_tested_and_names_metrics_that_exist():
    (group,) = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    tested = {
        rule["alertname"]
        for case in yaml.safe_load((MONITORING / "alerts.test.yml").read_text())["tests"]
        for rule in case.get("alert_rule_test", ())
        if rule["exp_alerts"]
    }
    assert {rule["alert"] for rule in group["rules"]} == tested
    known = known_names()
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"page", "warn"}
        assert set(rule["annotations"]) == {"summary", "description"}
        unknown = {name for name in names_in(rule["expr"]) if name not in known and not OTHERS.fullmatch(name)}
        assert not unknown, rule["alert"]


def test_the_dashboard_is_whole():
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    placed = [panel["gridPos"] for panel in panels]
    cells = [
        (x, y) for at in placed for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells)), "panels lie on each other"
    assert max(x for x, _ in cells) < 24
    known = known_names()
    for title, expression in queries(DASHBOARD):
        unknown = {name for name in names_in(expression) if name not in known and not OTHERS.fullmatch(name)}
        assert not unknown, title


async def test_every_query_of_the_dashboard_finds_series_at_a_server_with_calls(tmp_path: Path):
    (tmp_path / "prometheus").mkdir()
    config = {**FAKES, "greeting": "Hello.", "llm_options": {"responses": ["An answer."], "delay_s": 0.01}}
    async with agent_server(tmp_path, config) as agent:
        job = {"job_name": "vox-agent", "static_configs": [{"targets": [f"127.0.0.1:{agent.port}"]}]}
        async with prometheus(tmp_path / "prometheus", [job]) as server:
            await server.until("voxray_up", lambda seen: seen == [1.0])
            missing = dict(queries(DASHBOARD))
            assert len(missing) > 20
            found = asyncio.create_task(until_all_found(server))
            while not found.done():  # rates need calls between two scrapes
                await one_call(agent.phone, agent.ws)
            await found


async def one_call(phone: str, ws: str) -> None:
    """A phone call with a question and an answer, and a text at a client's socket."""
    listen = WaitForAgent(silence_s=0.3)
    script: list[Step] = [listen, Say(sample_question()), listen, HangUp()]
    await place_call(phone, script, SystemClock())
    async with connected(ws) as client:
        client.send(encode_client_frame("TranscriptionFrame", {"text": "hello"}))
        await client.frame("LLMTextFrame")


async def until_all_found(server: Prometheus) -> None:
    """Asks until every query has had a series with a number."""
    missing = queries(DASHBOARD)
    try:
        async with time_limit(120.0):
            while missing:
                missing = [
                    (title, expression)
                    for title, expression in missing
                    if not [each for each in await server.query(expression) if each["value"][1] != "NaN"]
                ]
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"no series: {missing}")
