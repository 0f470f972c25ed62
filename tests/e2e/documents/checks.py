"""What is done with a block that is neither a command nor a file of its own: it is loaded, compiled, asked for, or looked up.

Each check raises `AssertionError` with what is wrong.
"""

import ast
import asyncio
import json
import re
import shlex
import shutil
import subprocess
import tomllib
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import yaml
from PIL import Image
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.documents.blocks import ROOT, Block, Conversation
from tests.e2e.documents.reader import Reader, findings, provide_certificate
from tests.fakes.s3_server import aws_environment, running_s3
from tests.require import require
from tests.time_limits import time_limit
from vox.chat.config.settings import ChatSettings, load_chat_settings
from vox.chat.errors import STATUS
from vox.chat.features.interactions.schemas import InteractionAnswer
from vox.chat.federation.dns_records import keys_of, policy_of
from vox.directory.settings import load as load_directory
from vox.fleet.bridge.settings import load as load_bridge
from vox.protocols.media_stream import FIRST_STREAM, RESUME_PARAMETER
from vox.providers.carriers import twilio
from vox.relay.settings import load as load_relay
from vox.runtime.setting_fields import Env

PROBES = {"httpGet", "initialDelaySeconds", "periodSeconds", "failureThreshold", "timeoutSeconds"}
PARAMETER_OF_PROBE = {"path", "port", "scheme"}
GRACE = "terminationGracePeriodSeconds"
NAME_ON_THE_WIRE = re.compile(
    r"\b[A-Z]\w+Frame\b|\b[a-z]+(?:_[a-z]+)+\b|\bclearAudio|clearedAudio|playAudio|playedStream\b"
)
BETWEEN_VALUES = re.compile(r"(?<!\w)'[^']*'(?!\w)|\S+\.\S+|[:();,]|\d+")
PARTS_OF_LINES = re.compile(r"\d+(?:\.\d+)?")
AGENT_LINE = "AggregatedTextFrame"


def configuration(one: Reader, file: str) -> None:
    """`vox doctor` finds nothing wrong with an agent's configuration, and the directory, the relay and the bridge take theirs."""
    text = (one.folder / file).read_text(encoding="utf-8")
    settings: dict[str, Any] = json.loads(text)
    if "tls_cert_file" in settings:
        provide_certificate(one.folder, settings["tls_cert_file"], settings["tls_key_file"])
    if file.startswith("directory"):
        assert not load_directory(one.folder / file, {}, {}).warnings
        return
    if file.startswith("relay"):
        key = {"VOX_RELAY_API_KEY": "community", "VOX_RELAY_API_SECRET": "one secret of at least 32 letters"}
        assert not load_relay(one.folder / file, key).warnings
        return
    if file.startswith("bridge"):
        assert not load_bridge(one.folder / file, {"VOX_BRIDGE_PUBLIC_URL": "https://bridge.example.com"}).warnings
        return
    with bucket_of(one, settings):
        found = findings(one, file)
    unknown = [each for each in found if "unknown" in each["detail"].lower()]
    wrong = [each for each in found if each["status"] == "fail"]
    assert not wrong + unknown, f"{file}: {wrong + unknown}"


@contextmanager
def bucket_of(one: Reader, settings: dict[str, Any]) -> Generator[None]:
    """The bucket that a configuration records to is there while the block runs."""
    bucket = settings.get("recording", {}).get("bucket")
    if not bucket:
        yield
        return
    with running_s3(bucket=bucket) as server:
        before = dict(one.environment)
        one.environment.update(aws_environment(server))
        yield
        one.environment.clear()
        one.environment.update(before)


def python(one: Reader, block: Block) -> None:
    """A script runs; a module, which has a file name, can be imported and has what its file's kind needs."""
    ast.parse(block.text)
    file = one.write(block.file or "script.py", block.text)
    command = (
        f"import {file.stem}" if block.file else f"import runpy; runpy.run_path({file.name!r}, run_name='__main__')"
    )
    # Our own use of audioop is meant: pyproject.toml brings the package where Python no longer has the module.
    warnings = "-W error -W \"ignore:'audioop' is deprecated:DeprecationWarning\""
    done = one.run(f'python {warnings} -c "{command}"')
    assert done.returncode == 0, done.stderr


def command_line(one: Reader, command: str) -> None:
    """The parser takes a command of `vox` that is not run; of other programs' commands nothing is known."""
    name, *arguments = shlex.split(command)
    if name == "vox":
        parser = f"build_parser(load_command({arguments[0]!r}))"
        script = f"from vox.cli.main import build_parser, load_command; {parser}.parse_args({arguments!r})"
        done = one.run(f"python -c {shlex.quote(script)}")
        assert done.returncode == 0, done.stderr


def resumable_markup(one: Reader, block: Block) -> None:
    """Markup of one's own for a carrier is what our own answer to it is, but for the addresses."""
    del one
    shown = ET.canonicalize(block.text, strip_text=True)
    stream_url, resume_url = re.findall(r"(?:wss|https)://[^\"<]+", shown)
    ours = twilio.resumable_answer(stream_url, parameters={RESUME_PARAMETER: FIRST_STREAM}, resume_url=resume_url)
    assert shown == ET.canonicalize(ours.body.decode(), strip_text=True)


def entry_points(one: Reader, block: Block) -> None:
    """A package of one's own with these entry points: Vox finds the driver at its name and reads its options."""
    groups = tomllib.loads(block.text)["project"]["entry-points"]
    metadata = one.folder / "acme_vox-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-vox\nVersion: 1.0\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in names.items())
        for group, names in groups.items()
    ]
    (metadata / "entry_points.txt").write_text("".join(lines))
    for name, target in ((name, target) for names in groups.values() for name, target in names.items()):
        kind, _, driver = name.partition(".")
        package, _, module = target.partition(".")
        (one.folder / package).mkdir(exist_ok=True)
        (one.folder / package / "__init__.py").touch()
        shutil.copy(one.folder / f"{driver}.py", one.folder / package / f"{module}.py")
        others = {other: "fake" for other in ("stt", "llm", "tts") if other != kind}
        stages = {f"{stage}_provider": provider for stage, provider in {**others, kind: driver}.items()}
        one.write("packaged.json", json.dumps({"host": "127.0.0.1", **stages}))
        one.environment["PYTHONPATH"] = f"{one.folder}:{one.environment.get('PYTHONPATH', ROOT / 'src')}"
        configuration(one, "packaged.json")


def part_of_yaml(one: Reader, block: Block) -> None:
    """Keys of a Kubernetes container, or of the flow that the page has written."""
    keys: dict[str, Any] = yaml.safe_load(block.text)
    if GRACE in keys or any(name.endswith("Probe") for name in keys):
        return kubernetes(keys)
    [flow] = one.folder.glob("*.yaml")
    whole = yaml.safe_load(flow.read_text(encoding="utf-8"))
    flow.write_text(yaml.safe_dump({**whole, **keys}), encoding="utf-8")
    return None


def kubernetes(keys: dict[str, Any]) -> None:
    """Probes ask for routes that the agent has, at its usual port; a grace period is a whole number."""
    routes = (ROOT / "src/vox/agent/api/routes.py").read_text(encoding="utf-8")
    for name, value in keys.items():
        if name == GRACE:
            assert isinstance(value, int)
            continue
        assert name in {"livenessProbe", "readinessProbe", "startupProbe"}, name
        assert set(value) <= PROBES, value
        assert set(value["httpGet"]) <= PARAMETER_OF_PROBE, value
        assert f'{value["httpGet"]["path"]}"' in routes, value
        assert value["httpGet"]["port"] == 8080, value


def nginx(one: Reader, block: Block) -> None:
    """`nginx -t` takes it inside a server."""
    program = shutil.which("nginx")
    require(program is not None, "nginx", "apt-get install nginx-light")
    server = f"access_log off; server {{ listen 127.0.0.1:{one.ports['8443']};\n{block.text}\n}}"
    file = one.write("nginx.conf", f"pid {one.folder}/nginx.pid; error_log stderr; events {{}}\nhttp {{ {server} }}\n")
    done = one.run(f"{program} -t -p {one.folder} -c {file}")
    assert done.returncode == 0, done.stderr


def ini(one: Reader, block: Block) -> None:
    """A systemd unit, or coturn's configuration."""
    (unit if "[Service]" in block.text else coturn)(one, block)


def unit(one: Reader, block: Block) -> None:
    """Systemd finds nothing wrong with the service, apart from programs that this machine has elsewhere."""
    program = shutil.which("systemd-analyze")
    require(program is not None, "systemd-analyze", "apt-get install systemd")
    file = one.write("shown.service", block.text)
    done = one.run(f"{program} verify --man=no ./{file.name}")
    assert "Unknown" not in done.stderr, done.stderr
    assert "Failed to parse" not in done.stderr, done.stderr


def coturn(one: Reader, block: Block) -> None:
    """Coturn knows every line; it is ended once it has read them, before it listens anywhere."""
    program = shutil.which("turnserver")
    require(program is not None, "coturn", "apt-get install coturn")
    file = one.write("turnserver.conf", block.text)
    places = (f"--pidfile={one.folder}/turn.pid", f"--userdb={one.folder}/turn.db", "--listening-ip=192.0.2.1")
    command = [str(program), "-c", str(file), "--no-cli", "--log-file=stdout", *places]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said: list[str] = []
        for line in process.stdout or ():
            said.append(line)
            if "Default realm" in line:
                break
        process.kill()
    assert any("Default realm" in line for line in said), said
    assert not [line for line in said if "Bad configuration" in line], said


def javascript(one: Reader, block: Block) -> None:
    """Node takes its syntax; what it does is tested with the published package in test_pipecat_client.py."""
    node = shutil.which("node")
    require(node is not None, "node", "apt-get install nodejs")
    file = one.write("module.mjs", block.text)
    done = one.run(f"{node} --check {file.name}")
    assert done.returncode == 0, done.stderr


def environment(one: Reader, block: Block) -> None:
    """The chat server's settings know each variable of an environment file, and take its value; servers that follow have them."""
    lines = [line.split(" #")[0].strip() for line in block.text.splitlines() if line.strip()]
    values = dict(line.split("=", 1) for line in lines)
    fields = {
        variable: name
        for name, each in ChatSettings.model_fields.items()
        for mark in each.metadata
        if isinstance(mark, Env)
        for variable in mark.names
    }
    assert set(values) <= set(fields), f"{set(values) - set(fields)} are no settings"
    loaded = load_chat_settings(values, {}).settings
    for name, value in values.items():
        taken = getattr(loaded, fields[name])
        assert str(getattr(taken, "get_secret_value", lambda taken=taken: taken)()) == value, name
    one.environment |= {name: value for name, value in values.items() if name.startswith("VOX_FEDERATION_")}


def federation_records(one: Reader, block: Block) -> None:
    """Records in the DNS are those that another server reads."""
    del one
    texts: dict[str, list[str]] = {}
    for line in block.text.splitlines():
        name, kind, value = line.split(" ;")[0].split(None, 2)
        assert kind in {"TXT", "SVCB"}, line
        texts.setdefault(name.partition(".")[0], []).append(value.strip().strip('"'))
    assert set(texts) == {"_voxkey", "_vox", "_voxpolicy"}
    (key,) = texts["_voxkey"]
    assert keys_of([key.replace("…", "A" * 43 + "=")]), key
    assert policy_of(texts["_voxpolicy"]) == "allowlist"


def emoji_pack(one: Reader, block: Block) -> None:
    """A pack with that list and a picture under its name is imported."""
    picture = one.folder / "blob.png"
    Image.new("RGBA", (32, 32), "red").save(picture)
    with zipfile.ZipFile(one.folder / "shown.zip", "w") as pack:
        pack.writestr("pack.json", block.text)
        pack.write(picture, picture.name)
    one.type("vox chat emoji import shown.zip")


def refusal(one: Reader, block: Block) -> None:
    """An answer that refuses has a code that the chat server knows."""
    del one
    assert json.loads(block.text)["error"]["code"] in STATUS


def answer_of_a_bot(one: Reader, block: Block) -> None:
    """What a bot answers is what the chat server takes."""
    del one
    msgspec.json.decode(block.text, type=InteractionAnswer)


def policy(one: Reader, block: Block) -> None:
    """A statement of a bucket's policy is JSON with the keys that it needs."""
    del one
    assert {"Effect", "Principal", "Action", "Resource"} == set(json.loads(block.text))


def output(one: Reader, block: Block) -> None:
    """The last command printed lines of this form; numbers are those of another machine, and so may their order be."""
    printed = {_form(line) for line in one.printed.splitlines()}
    missing = [line for line in block.text.splitlines() if line.strip() and _form(line) not in printed]
    assert not missing, f"not printed: {missing}\nprinted:\n{one.printed}"


def message(one: Reader, block: Block) -> None:
    """The product says this: of each line the longest piece between names and values stands in its source."""
    del one
    for line in block.text.splitlines():
        pieces = [" ".join(piece.split()) for piece in BETWEEN_VALUES.split(line)]
        longest = max(pieces, key=len, default="")
        assert not longest or longest in _source("src/vox"), f"no message contains {longest!r}"


def diagram(block: Block) -> None:
    """The wire's names in a diagram stand in the source, or in its tests where the source puts them together."""
    unknown = sorted(
        {name for name in NAME_ON_THE_WIRE.findall(block.text) if name not in _source("src/vox", "tests/unit")}
    )
    assert not unknown, f"{block.place}: {unknown} stand nowhere in src/vox or its tests"


def conversation(one: Reader, block: Conversation) -> None:
    """The agent at this page's configuration says what is quoted, when the caller types what is quoted."""
    asyncio.run(_hold(f"ws://127.0.0.1:{one.ports['8080']}/ws?format=json", block))


async def _hold(address: str, block: Conversation) -> None:
    async with connect(address, proxy=None) as socket:
        for who, what in block.said:
            if who == "Caller":
                await socket.send(json.dumps({"type": "TranscriptionFrame", "data": {"text": what}}))
                continue
            said = await _answer(socket)
            assert said == what, f"{block.place}: the agent says {said!r}, and the page {what!r}"


async def _answer(socket: ClientConnection) -> str:
    """What the agent says until it has said all of it."""
    said: list[str] = []
    async with time_limit():
        while True:
            frame = json.loads(await socket.recv())
            if frame["type"] == AGENT_LINE:
                said.append(frame["data"]["text"].strip())
            elif frame["type"] == "BotStoppedSpeakingFrame" and said:
                return " ".join(said)


def _form(line: str) -> str:
    return " ".join(PARTS_OF_LINES.sub("#", line).split())


@cache
def _source(*folders: str) -> str:
    files = sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    joined = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return re.sub(r'"\s*\n\s*f?"', "", joined)
