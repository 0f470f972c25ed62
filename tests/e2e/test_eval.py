"""`vox eval` as its users run it: real servers, real wires, all that it leaves behind."""

import asyncio
import json
import os
import subprocess
import wave
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from tests.e2e.agents import FAKES, VOX, agent_server
from tests.time_limits import time_limit
from vox.clients.audio_files import sample_question, write_wav

ANSWER = "one two three four five six seven eight nine ten eleven twelve."


async def evaluate(folder: Path, *arguments: str) -> tuple[int, str]:
    """Runs the command in this folder; its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(VOX, "eval", *arguments, "--out-dir", "out"),
        cwd=folder,
        env={**os.environ, "VOX_MODELS": "none", "VOX_MODELS_FOLDER": str(folder / "models")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        async with time_limit(180.0):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode()


def results(folder: Path) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads((folder / "out" / "results.json").read_text())}


def scenario(name: str, transport: str, *turns: dict[str, Any], **expect: Any) -> dict[str, Any]:
    return {"name": name, "transport": transport, "turns": list(turns), "expect": expect, "silence_s": 0.4}


async def test_calls_over_every_kind_of_wire_are_held_side_by_side_and_judged(tmp_path: Path):
    write_wav(tmp_path / "question.wav", [sample_question().pcm], sample_question().sample_rate)
    ask = {"audio": "question.wav"}
    caller = {"provider": "fake", "options": {"responses": ["hello", "what is the number", "bye [hang up]"]}}
    scenarios: list[dict[str, Any]] = [
        scenario("aloud", "ws", {**ask, "expect": {"contains": "eight nine", "answers_within_s": 20}}, max_tokens=10_000),
        scenario("cut off", "ws", ask, {**ask, "barge_in_s": 1.0, "expect": {"silenced_within_s": 5}}, interruptions={"min": 1}),
        scenario("by phone", "twilio", {**ask, "expect": {"answers_within_s": 20}}, {"press": "1#"}, ended_by="caller"),
        scenario("at another carrier", "exotel", {**ask, "expect": {"answers_within_s": 20}}),
        scenario("typed", "typed", {"say": "look it up", "expect": {"tools": [{"name": "look_up", "arguments": {"day": "Sunday"}}]}}),
        scenario("as expected, this fails", "typed", {"say": "hello", "expect": {"contains": "thirteen", "not": "twelve"}}),
        {"name": "by a model", "caller": {"goal": "hear the number", "model": caller}, "expect": {"contains": "twelve", "ended_by": "caller"}},
    ]  # fmt: skip
    (tmp_path / "suite.json").write_text(json.dumps({"scenarios": scenarios}))
    config = {
        **FAKES,
        "greeting": "hello and welcome.",
        "llm_options": {"responses": [ANSWER], "calls": [{"keyword": "look it up", "tool": "look_up", "arguments": {"day": "Sunday"}}]},
        "tts_options": {"characters_per_s": 15.0},
        "client_tools": [{"name": "look_up", "parameters": {}}],
        "tool_timeout_secs": 1,
        "stt_options": {"transcripts": ["a question"]},
    }  # fmt: skip
    async with agent_server(tmp_path, config) as agent:
        code, output = await evaluate(tmp_path, "suite.json", "--url", agent.http, "--jobs", "7")
    found = results(tmp_path)
    assert {name for name, one in found.items() if not one["pass"]} == {"as expected, this fails"}, output
    assert code == 1
    assert "6 of 7 scenarios passed" in output
    check_reports(tmp_path / "out", found)


def check_reports(out: Path, found: dict[str, dict[str, Any]]) -> None:
    aloud, cut_off, wrong = found["aloud"], found["cut off"], found["as expected, this fails"]
    assert aloud["turns"][1]["agent"] == ANSWER
    assert aloud["turns"][1]["response_secs"] > 0
    assert aloud["tokens"]["completion"] == len(ANSWER.split())
    assert cut_off["turns"][1]["agent"] != ANSWER
    assert ANSWER.startswith(cut_off["turns"][1]["agent"])
    assert [check["pass"] for check in wrong["checks"]] == [False, False]
    with wave.open(str(out / aloud["audio"])) as file:
        assert file.getnchannels() == 2
        assert file.getnframes() / file.getframerate() > 3.5
    suite = ET.parse(out / "junit.xml").getroot()[0]  # noqa: S314  our own output
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("7", "1", "0")
    page = (out / "report.html").read_text()
    assert f'src="{aloud["audio"]}"' in page
    assert "thirteen" in page


async def test_the_demo_passes_its_suites_in_writing(tmp_path: Path):
    names = ("opening hours", "book a table", "a number to call back", "leave a message", "no call is put through")
    chosen = [argument for name in names for argument in ("--scenario", name)]
    code, output = await evaluate(tmp_path, "--demo", *chosen)
    assert code == 0, output
    assert set(results(tmp_path)) == set(names)
    assert results(tmp_path)["leave a message"]["tools"][0]["arguments"]["caller"] == "Robin Moore"


async def test_a_server_is_started_from_a_configuration_with_its_key(tmp_path: Path):
    (tmp_path / "config.json").write_text(
        json.dumps({**FAKES, "greeting": "hi.", "server_api_key": "a-key-of-our-own"})
    )
    (tmp_path / "a.yaml").write_text("name: a\nturns: [{say: x, expect: {contains: plain words}}]\n")
    code, output = await evaluate(tmp_path, "a.yaml")
    assert code == 0, output
    assert "a-key-of-our-own" not in "".join(
        path.read_text() for path in (tmp_path / "out").iterdir() if path.is_file()
    )


async def test_a_server_that_is_not_there_is_an_error_of_each_scenario(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("name: a\nturns: [{say: x}]\n")
    code, output = await evaluate(tmp_path, "a.yaml", "--url", "http://127.0.0.1:1")
    assert code == 1
    assert "127.0.0.1:1" in results(tmp_path)["a"]["error"], output
