"""The README's configuration is pasted into a file, started with the README's command, and called."""

import asyncio
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.e2e.agents import VOX, RunningAgent

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


async def test_the_configuration_of_the_readme_answers_a_call(tmp_path: Path):
    blocks = re.findall(r"```json\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 1
    assert "vox agent --config config.json" in README
    (tmp_path / "config.json").write_text(blocks[0])
    log = tmp_path / "agent.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(VOX, "agent", "--config", "config.json", "--port", "0"),
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=output,
            env={**os.environ, "VOXRAY_JSON_LOGS": "true"},
        )
    try:
        agent = RunningAgent(process, log)
        ready = await agent.logged("agent ready")
        agent.port = int(ready[0]["address"].rpartition(":")[2])
        spoken = await calls(f"{agent.ws}?format=protobuf")
    finally:
        process.kill()
        await process.wait()
    assert [turn["kind"] for turn in spoken["turns"]] == ["greeting", "speech"]
    assert all(turn["response_s"] is not None for turn in spoken["turns"])


async def calls(url: str) -> dict[str, Any]:
    """What `vox call` reports of one call with its built-in question."""
    command = (VOX, "call", "--carrier", "protobuf", "--json", url)
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return json.loads(output)
