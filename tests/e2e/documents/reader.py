"""A reader who follows one page in an empty folder: writes its files, types its commands, leaves its servers running.

What is different here from what is written, in all pages alike:

- Each port of `PORTS` is a free one, in commands, files and the servers' defaults; `0.0.0.0` is `127.0.0.1`.
- A relay's public name is an address on this machine, which the directory is allowed to probe, and so are the names of programs that a
  community posts to; `/etc` is a folder, with a certificate in it where the page has one.
- A word that ends in `…` stands for what an earlier command printed: `vox_join_…` for the last word that begins so, a
  hexadecimal one such as `4f1d…` for the first id not used yet that was printed last.
- `/backups` is a folder beside the files of the page, and the PostgreSQL of `db.example.com` one of this machine.
- Pipecat's own Python is the one that `.ci/pipecat` installs.
- Vendors' keys are set, and belong to no account. `question.wav` is there. A command that asks for a password gets one.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.documents.blocks import ROOT
from tests.free_ports import free_port
from tests.pipecat_python import PYTHON, SERVICES
from tests.require import require
from tests.time_limits import WAIT_S

PORTS: tuple[str, ...] = ("6379", "7880", "8000", "8001", "8080", "8090", "8100", "8200", "8443")
PASSWORD = "correct horse battery"
KEYS = ("ACME_API_KEY", "GLADIA_API_KEY", "GROQ_API_KEY", "OPENAI_API_KEY", "RIME_API_KEY", "TWILIO_AUTH_TOKEN")
PIPECAT = "/opt/pipecat/bin/python"
SERVERS = {
    "agent": "8080",
    "chat": "8000",
    "directory": "8090",
    "relay": "7880",
    "http.server": "8100",
    "bridge": "8100",
    "simulate": "8200",
    "worker": "8001",
}
"""What stays running, and where."""
ACTIONS = {
    "agent": {"--init"},
    "bridge": {"explain", "import", "key", "login", "migrate"},
    "chat": {"admin", "backup", "claim", "doctor", "emoji", "import", "migrate", "move-database", "restore"},
    "simulate": {"--check"},
    "worker": set(),
    "relay": {"--check-health"},
    "directory": {"migrate", "list", "register", "drain", "token", "pending", "approve", "refuse"},
}
"""The words with which such a command ends by itself."""
CTRL_C = "Ctrl-C: "
ID = re.compile(r"^[0-9a-f]{8,}(?:-[0-9a-f]+)*", re.MULTILINE)
RELAY = re.compile(r"wss://([\w-]+)\.example\.com")
POSTGRESQL = "postgresql://vox:password@db.example.com/vox"
RECEIVER = re.compile(r"https://(?:archive|dice)\.example\.com")


@dataclass(slots=True)
class Reader:
    """One page's folder, environment and running servers.

    Args:
        folder: empty.
        ports: what each port of `PORTS` is here.
        database: the address of the PostgreSQL of the pages.
    """

    folder: Path
    ports: dict[str, str] = field(default_factory=dict[str, str])
    environment: dict[str, str] = field(default_factory=dict[str, str])
    printed: str = ""
    outputs: list[str] = field(default_factory=list[str])
    database: str = ""
    _running: dict[str, tuple[subprocess.Popen[bytes], Path]] = field(
        default_factory=dict[str, tuple[subprocess.Popen[bytes], Path]]
    )
    _used: set[str] = field(default_factory=set[str])

    def here(self, text: str) -> str:
        """What a text of the page is on this machine."""
        text = re.sub(rf"(?<![\d.-])({'|'.join(PORTS)})(?![\d.])", lambda match: self.ports[match[1]], text)
        text = RECEIVER.sub(f"http://127.0.0.1:{self.ports['8100']}", text)
        text = RELAY.sub(rf"ws://127.0.0.1:{self.ports['8443']}/\1", text).replace("0.0.0.0", "127.0.0.1")
        if PIPECAT in text:
            require(PYTHON.exists(), "Pipecat in an environment of its own", "run .ci/pipecat")
        text = text.replace('"/srv/voices"', f'"{SERVICES}"').replace(" /backups/", f" {self.folder}/backups/")
        text = text.replace(" /var/www/", f" {self.folder}/var/www/")
        text = text.replace(POSTGRESQL, self.database or POSTGRESQL)
        return text.replace(PIPECAT, str(PYTHON)).replace('"/etc/', f'"{self.folder}/etc/')

    def write(self, name: str, text: str) -> Path:
        """Writes a file as the page shows it."""
        file = self.folder / name
        file.write_text(self.here(text), encoding="utf-8")
        return file

    def type(self, command: str) -> None:
        """Runs a command to its end, or until it listens where it is a server."""
        command = self._with_what_was_printed(self.here(command))
        if command.startswith(CTRL_C):
            self.stop(command.removeprefix(CTRL_C))
        elif exported := re.fullmatch(r"export (\w+)=(\S*)", command):
            self.environment[exported[1]] = exported[2]
        elif server := server_in(command):
            self._start(server, command)
        else:
            done = self.run(command)
            assert done.returncode == 0, f"{command}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"
            self.printed = done.stdout + done.stderr
            self.outputs.append(self.printed)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command as it stands."""
        for program in ("curl", "openssl"):
            is_used = re.search(rf"(?:^|[|;&(]\s*){program}\s", command, re.MULTILINE) is not None
            require(not is_used or shutil.which(program) is not None, program, f"apt-get install {program}")
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            input=f"{PASSWORD}\n{PASSWORD}\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_S,
        )

    def stop(self, server: str) -> None:
        """Ends a server as Ctrl-C does, and sees that it went in order."""
        process, log = self._running.pop(server)
        process.send_signal(signal.SIGINT)
        try:
            status = process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        printed = log.read_text(errors="replace")
        assert "Traceback" not in printed or server == "http.server", printed
        assert status in {0, 130, -signal.SIGINT}, f"{server} ended with {status}:\n{printed[-4000:]}"

    def stop_all(self) -> None:
        """Ends all servers."""
        for server in list(self._running):
            self.stop(server)

    def kill_all(self) -> None:
        """Ends what is left after a failure."""
        for process, _ in self._running.values():
            process.kill()
            process.wait()
        self._running.clear()

    def _start(self, server: str, command: str) -> None:
        if server in self._running:
            self.stop(server)
        log = self.folder / f"{server}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec env {command}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._running[server] = (process, log)
        deadline = time.monotonic() + WAIT_S
        while not listens(int(self.ports[SERVERS[server]])):
            said = log.read_text(errors="replace")[-4000:]
            assert process.poll() is None, f"{command}\nended with {process.returncode}:\n{said}"
            assert time.monotonic() < deadline, f"{command}\ndoes not listen:\n{said}"
            time.sleep(0.05)

    def _with_what_was_printed(self, command: str) -> str:
        def found(match: re.Match[str]) -> str:
            if re.fullmatch(r"[0-9a-f]+", match[1]):
                return self._next_id(match[0])
            words = re.findall(rf"\b{re.escape(match[1])}[\w-]+", "\n".join(self.outputs))
            return words[-1] if words else match[0]

        return re.sub(r"\b([\w-]+)…", found, command)

    def _next_id(self, written: str) -> str:
        for printed in reversed(self.outputs):
            for one in ID.findall(printed):
                if one not in self._used:
                    self._used.add(one)
                    return one
        return written


@contextmanager
def reader(folder: Path) -> Generator[Reader]:
    """A reader in an empty folder, whose servers are gone afterwards."""
    home = folder / "home"
    here = folder / "here"
    for one in (home, here, here / ".venv", here / "backups"):
        one.mkdir()
    (here / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
    kept = {name: os.environ[name] for name in ("LANG", "PYTHONPATH", "TMPDIR") if name in os.environ}
    environment = {
        **kept,
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "VOX_MODELS": "none",
        "VOXRAY_PORT": ports["8080"],
        "VOX_PORT": ports["8000"],
        "VOX_BRIDGE_PORT": ports["8100"],
        "VOXBRIDGE_URL": f"http://127.0.0.1:{ports['8100']}",
        "VOX_DIRECTORY_PORT": ports["8090"],
        "VOX_RELAY_PORT": ports["7880"],
        "VOX_RELAY_UDP_PORT": "0",
        "VOX_RELAY_TCP_PORT": "0",
        "VOX_DIRECTORY_ALLOWED_PRIVATE": "127.0.0.0/8",
        "VOX_DIRECTORY_URL": f"http://127.0.0.1:{ports['8090']}",
        **dict.fromkeys(KEYS, "no-account"),
    }
    one = Reader(here, ports, environment)
    try:
        yield one
        one.stop_all()
    finally:
        one.kill_all()


def server_in(command: str) -> str:
    """Which of `SERVERS` a command starts; "" where it ends by itself."""
    words = [word for word in shlex.split(command) if not re.match(r"\w+=", word)]
    if words[1:3] == ["-m", "http.server"]:
        return "http.server"
    if Path(words[0]).name != "vox" or len(words) < 2 or words[1] not in ACTIONS:
        return ""
    return "" if ACTIONS[words[1]] & set(words[2:]) else words[1]


def listens(port: int) -> bool:
    """Whether something on this machine takes connections at that port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=WAIT_S).close()
    except OSError:
        return False
    return True


def provide_recording(folder: Path) -> None:
    """The recording that a reader has of a question."""
    flite = shutil.which("flite")
    require(flite is not None, "flite", "apt-get install flite")
    subprocess.run([str(flite), "-t", "when are you open", "-o", str(folder / "question.wav")], check=True)


def provide_certificate(folder: Path, certificate: str, key: str) -> None:
    """A certificate and its key where a configuration has them."""
    require(shutil.which("openssl") is not None, "openssl", "apt-get install openssl")
    for file in (certificate, key):
        assert Path(file).is_relative_to(folder)
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip


def findings(one: Reader, file: str) -> list[dict[str, str]]:
    """What `vox doctor` has to say of a configuration, apart from what is switched off."""
    done = one.run(f"vox doctor --json --config {shlex.quote(file)}")
    assert done.stdout, done.stderr
    return [finding for finding in json.loads(done.stdout) if finding["status"] not in {"ok", "off"}]


def make_knows(target: str) -> bool:
    """Whether the Makefile has that target; `make up` and `make test` are run by tests/readme_commands.py."""
    return (
        re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE) is not None
    )


def _free_ports(count: int) -> list[str]:
    return [str(free_port()) for _ in range(count)]
