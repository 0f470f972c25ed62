"""Installs models while a server runs, and tells how far it is; the drivers take up by themselves what has arrived."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from vox.errors import VoxError
from vox.providers.models.installation import Installer, Progress
from vox.providers.models.store import ModelStore
from vox.runtime.logging import get_logger
from vox.security.outbound import OutboundGuard

RETRY_S: Final = 900.0
_STEPS: Final = 4

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model's installation: bytes of `total` that are there, and why it failed, in a sentence."""

    name: str
    state: Literal["waiting", "installing", "installed", "failed"]
    done: int
    total: int
    reason: str = ""


class BackgroundInstallation:
    """Installs these models one after the other; those that cannot be had are tried again every `RETRY_S`.

    Args:
        store: where to.
        names: of models.
        environment: of pip and npm.
        guard: for outgoing URLs; by default one that allows https.
    """

    def __init__(
        self,
        store: ModelStore,
        names: Sequence[str],
        environment: Mapping[str, str],
        guard: OutboundGuard | None = None,
    ) -> None:
        self._store = store
        self._environment = environment
        self._guard = guard or OutboundGuard(allowed_schemes=frozenset({"https"}))
        self._status = {name: self._found(name) for name in names}
        self._step: tuple[str, int] = ("", 0)

    @property
    def status(self) -> list[ModelStatus]:
        """Every model's, in order."""
        return list(self._status.values())

    async def run(self) -> None:
        """Installs what is missing; returns once everything is there."""
        while missing := [status.name for status in self.status if status.state != "installed"]:
            installer = Installer(self._store, self._guard, self._environment, self._progress)
            for name in missing:
                await self._install(installer, name)
            if all(status.state == "installed" for status in self.status):
                return
            await asyncio.sleep(RETRY_S)

    async def _install(self, installer: Installer, name: str) -> None:
        try:
            is_new = await installer.install(name)
        except VoxError as error:
            known = self._status[name]
            if known.state != "failed":
                _log.warning("model cannot be installed, speech goes on without it", model=name, reason=str(error))
            self._status[name] = replace(known, state="failed", reason=error.args[0])
            return
        self._status[name] = self._found(name)
        if is_new:
            _log.info("model installed", model=name)

    def _found(self, name: str) -> ModelStatus:
        model, edition = self._store.catalogue.get(name), self._store.edition(name)
        total = edition.size if edition else model.size if model else 0
        return ModelStatus(name, "installed" if edition else "waiting", total if edition else 0, total)

    def _progress(self, progress: Progress) -> None:
        self._status[progress.model] = ModelStatus(progress.model, "installing", progress.done, progress.total)
        step = (progress.model, int(progress.share * _STEPS))
        if step != self._step:
            self._step = step
            _log.info(
                "installing model",
                model=progress.model,
                percent=round(progress.share * 100),
                megabytes=round(progress.total / 1e6),
                source=progress.source,
            )
