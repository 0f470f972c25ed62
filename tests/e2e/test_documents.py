"""Every block of the README and of docs/ is tried as a reader would: commands run, files load, conversations are held.

How is in tests/e2e/documents: what a block is and where it belongs (`blocks.py`), what differs on this machine (`reader.py`), and
what is done with what is not a command (`checks.py`). A failure names the page and the line.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.documents import checks
from tests.e2e.documents.blocks import DIAGRAM, SHELL, Block, Conversation, commands, pages, parse, read
from tests.e2e.documents.community import assert_no_refusal, provide_community
from tests.e2e.documents.exports import provide_exports
from tests.e2e.documents.reader import CTRL_C, Reader, make_knows, provide_recording, reader, server_in
from tests.e2e.postgres import postgres
from tests.e2e.redis_server import redis_server
from tests.require import require
from vox.relay.opening import is_engine_installed
from vox.runtime.pages import ClientPages

CANNOT_RUN = {
    "git clone … && cd vox": "the address is where the reader found this page",
    ".venv/bin/pytest tests/contract/test_providers.py -k acme": "runs once the driver of the page is written",
    "vox models install": "fetches 180 MB; tests/contract/test_models.py installs from a source of its own",
    "vox models install kokoro-voices": "fetches 27 MB",
}
"""Commands that are not run, and why; those of `vox` are parsed instead, as is `vox bench`. This list gets shorter, not longer."""

MOST_THAT_CANNOT_RUN = 4

BUILT: dict[str, tuple[Callable[[], bool], str, str]] = {
    "vox relay": (is_engine_installed, "vox_native", "make native"),
    "vox web export": (lambda: ClientPages().is_built, "the web client", "make web"),
}
"""Commands for which something must have been built that not every machine can build: how that is seen, its name, the remedy."""


def joining(name: str) -> str:
    """How the operator of another relay registers it."""
    place = f"--relay-url wss://{name}.example.com --lat 59.9 --lon 10.8 --public-key c3lkbmV5"
    return f"env -u VOX_DIRECTORY_KEY vox directory register --key-file {name}.key --name {name} {place}"


BEFORE: dict[tuple[str, str], tuple[str, ...]] = {
    ("docs/how-to/connect-a-phone-number.md", "vox call --carrier twilio"): (
        "vox agent --init --config without-keys.json",
        "TWILIO_AUTH_TOKEN= VOXRAY_GREETING=Hello. vox agent --config without-keys.json",
    ),
    ("docs/operations/backup.md", "vox chat backup"): ("vox chat admin create ada",),
    ("docs/operations/backup.md", "vox chat restore"): ("rm vox.db",),
    ("docs/how-to/run-a-relay-directory.md", "vox directory pending"): (
        "VOX_DIRECTORY_ACCESS_MODE=approval vox directory --config directory.json",
        joining("oslo"),
        joining("rome"),
    ),
    ("docs/how-to/run-a-relay-directory.md", "vox directory --config directory.json migrate"): (f"{CTRL_C}directory",),
    ("docs/how-to/run-a-relay-directory.md", "vox directory list"): ("vox directory --config directory.json",),
}
"""What is there before a command: a server that the page leaves to the reader, and what other people do meanwhile."""

CHECKS: dict[str, Callable[[Reader, Block], None]] = {
    "python": checks.python,
    "toml": checks.entry_points,
    "xml": checks.resumable_markup,
    "nginx": checks.nginx,
    "ini": checks.ini,
    "js": checks.javascript,
    "env": checks.environment,
    "dns": checks.federation_records,
}

BODIES: dict[str, Callable[[Reader, Block], None]] = {
    '"Effect"': checks.policy,
    '{"error": ': checks.refusal,
    '"components"': checks.answer_of_a_bot,
    '"vox emoji pack"': checks.emoji_pack,
}
"""JSON that is no configuration, by what stands in it."""

WITH_BLOCKS = [page for page in pages() if read(page)]


@pytest.mark.parametrize("page", WITH_BLOCKS)
def test_what_a_page_shows_works(page: str, tmp_path: Path):
    with ExitStack() as resources, reader(tmp_path) as one:
        following = Following(one, resources)
        for part in read(page):
            try:
                following.follow(part)
            except Exception as error:
                error.add_note(f"at {part.place}")
                raise
        following.load_files()


def test_what_cannot_run_gets_less():
    assert len(CANNOT_RUN) <= MOST_THAT_CANNOT_RUN
    typed = {
        command
        for page in WITH_BLOCKS
        for part in read(page)
        if isinstance(part, Block)
        for command in commands(part.text)
    }
    assert not set(CANNOT_RUN) - typed, "no page has these any more"


def test_a_block_belongs_into_the_file_that_is_named_beside_it():
    page = (
        "Save as `a.yaml`:\n\n```yaml\nx: 1\n```\n\nThen\n\n```json\n{}\n```\n\n`b.json`: more.\n\n```json\n{}\n```\n"
    )
    assert [(part.file, part.line) for part in parse("p", page) if isinstance(part, Block)] == [
        ("a.yaml", 4),
        ("b.json", 10),
        ("b.json", 16),
    ]


def test_comments_are_not_typed_and_continued_lines_are_joined():
    assert commands("# first\nvox chat   # or bare\nvox call \\\n  --say 'a # b' ws://x#y\n")[0] == "vox chat"
    assert commands("vox call \\\n     --say x\n") == ["vox call --say x"]


@pytest.mark.parametrize(
    ("command", "server"),
    [
        ("vox agent --config config.json", "agent"),
        ("VOX_REDIS_URL=redis://h vox chat --workers 4", "chat"),
        ("vox chat admin create alice", ""),
        ("vox directory --config directory.json", "directory"),
        ("vox directory --config directory.json migrate", ""),
        ("vox agent --init", ""),
        ("vox call ws://localhost:8080/ws", ""),
        ("python3 -m http.server 8100", "http.server"),
        ("vox simulate --port 8200", "simulate"),
        ("vox simulate --scenario s.yaml --check", ""),
    ],
)
def test_a_server_is_told_from_a_command(command: str, server: str):
    assert server_in(command) == server


class Following:
    """The state of a page that is being followed: which configuration has been written and not been loaded yet."""

    def __init__(self, one: Reader, resources: ExitStack) -> None:
        self._one = one
        self._resources = resources
        self._unloaded = ""
        self._is_after_commands = False

    def follow(self, part: Block | Conversation) -> None:
        """Does what a part of the page says."""
        is_after_commands, self._is_after_commands = self._is_after_commands, False
        if isinstance(part, Conversation):
            self.load_files()
            self._one.type("vox agent --config config.json")
            checks.conversation(self._one, part)
        elif part.language == SHELL:
            self._is_after_commands = self._type_all(part)
        elif part.language == "text":
            (checks.output if is_after_commands else checks.message)(self._one, part)
        elif part.language == "json":
            self._write_configuration(part)
        elif part.language == "yaml":
            if part.file:
                self._one.write(part.file, part.text)
            else:
                checks.part_of_yaml(self._one, part)
        elif part.language:
            assert part.language in CHECKS, f"{part.place}: nothing is known of blocks of {part.language}"
            CHECKS[part.language](self._one, part)
        else:
            assert DIAGRAM.search(part.text), f"{part.place}: give the block a language: sh, json, yaml, text …"
            checks.diagram(part)

    def load_files(self) -> None:
        """Loads the configuration that was written last, with the files that were written beside it since."""
        file, self._unloaded = self._unloaded, ""
        if file:
            checks.configuration(self._one, file)

    def _write_configuration(self, block: Block) -> None:
        for mark, check in BODIES.items():
            if mark in block.text:
                check(self._one, block)
                return
        self.load_files()
        self._one.write(block.file, block.text)
        if '"prompt"' not in block.text:  # which is a scenario of `vox eval`
            self._unloaded = block.file

    def _type_all(self, block: Block) -> bool:
        """Whether the last command was run to its end."""
        is_run = False
        for command in commands(block.text):
            is_run = False
            if self._lacks_what_is_built(block, command):
                continue
            if "vox " in command:
                self.load_files()
            for other in (
                other
                for (page, begin), others in BEFORE.items()
                if page == block.page and command.startswith(begin)
                for other in others
            ):
                self._one.type(other)
            if command.startswith("make"):
                assert make_knows(command.removeprefix("make").strip()), command
            elif command in CANNOT_RUN or command.startswith("vox bench"):
                checks.command_line(self._one, command)
            else:
                self._bring(command)
                self._one.type(command)
                if "$S/" in command:
                    assert_no_refusal(self._one, command)
                is_run = not server_in(command)
        return is_run

    def _lacks_what_is_built(self, block: Block, command: str) -> bool:
        """Skips the page where it cannot be followed without; of the README only the command."""
        for begin, (is_built, what, remedy) in BUILT.items():
            if begin in command and not is_built():
                if block.page == "README.md" and os.environ.get("VOX_TEST_REQUIRE") != "all":
                    return True
                require(False, what, remedy)
        return False

    def _bring(self, command: str) -> None:
        if "question.wav" in command:
            provide_recording(self._one.folder)
        if "$S/" in command:
            provide_community(self._one)
        if "vox chat import" in command:
            provide_exports(self._one.folder)
        if "db.example.com" in command:
            self._one.database = self._resources.enter_context(postgres())
        if "redis://" in command:
            self._one.ports["6379"] = str(self._resources.enter_context(redis_server()).port)
