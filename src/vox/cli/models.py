"""`vox models`: installs the weights of speech and language models, and checks them.

Weights are accepted by their SHA-256 alone, whichever source they come from; see `vox/providers/models/catalogue.py`.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vox.errors import VoxError

if TYPE_CHECKING:
    from vox.providers.models.installation import Progress
    from vox.providers.models.store import ModelStore

CHOICE_VARIABLE: Final = "VOX_MODELS"
"""Which models `vox up` and `vox models install` bring where none are named: names by comma, or `none`."""

_MB: Final = 1_000_000


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser("models", help="install the weights of offline speech, and check them")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--folder", type=Path, help="where models lie (default $VOX_MODELS_FOLDER, else vox/models in the data folder)"
    )
    actions = parser.add_subparsers(metavar="ACTION", title="actions", required=True)
    listing = actions.add_parser("list", parents=[where], help="what there is, and what is installed")
    listing.set_defaults(run=run)
    install = actions.add_parser(
        "install", parents=[where], help="fetch models, verify them, put them into their place"
    )
    install.add_argument("names", nargs="*", metavar="NAME", help="default: $VOX_MODELS, else the English small set")
    install.set_defaults(run=_install)
    verify = actions.add_parser("verify", parents=[where], help="read installed models and compare their hashes")
    verify.add_argument("names", nargs="*", metavar="NAME", help="default: all that are installed")
    verify.set_defaults(run=_verify)


def run(args: argparse.Namespace) -> int:
    """Lists the models."""
    store = _store(args)
    print(f"{'model':<17} {'MB':>5}  {'installed':<10} purpose")
    for model in store.catalogue.values():
        edition = store.edition(model.name)
        print(f"{model.name:<17} {model.size / _MB:>5.0f}  {'yes' if edition else '-':<10} {model.purpose}")
        detail = f"{model.licence}; {model.publisher}; hashes from {(edition or model.editions[0]).hashes_from}"
        print(f"{'':<24}  {'':<10} {detail}")
    print(f"\nModels lie in {store.folder}.")
    return 0


def chosen(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The models that VOX_MODELS names; the small set where it is not set, none for `none`."""
    from vox.providers.models.catalogue import SMALL_SET

    said = environment.get(CHOICE_VARIABLE, "").strip()
    if not said:
        return SMALL_SET
    return () if said.lower() == "none" else tuple(name.strip() for name in said.split(",") if name.strip())


def _install(args: argparse.Namespace) -> int:
    from vox.providers.models.installation import Installer
    from vox.security.outbound import OutboundGuard

    environment = dict(os.environ)
    store = _store(args)
    names = args.names or chosen(environment)
    if not names:
        print(f"{CHOICE_VARIABLE}=none: nothing to install.")
    show = _Line()

    async def install() -> bool:
        guard = OutboundGuard(allowed_schemes=frozenset({"https"}))
        installer = Installer(store, guard, environment, show.progress)
        succeeded = True
        for name in names:
            try:
                is_new = await installer.install(name)
            except VoxError as error:
                show.end()
                print(f"vox models: {error} [{error.code}]", file=sys.stderr)
                succeeded = False
            else:
                show.end()
                print(f"{name}: {'installed' if is_new else 'is installed already'}")
        return succeeded

    return 0 if asyncio.run(install()) else 1


def _verify(args: argparse.Namespace) -> int:
    store = _store(args)
    wrong = 0
    for name in args.names or store.catalogue:
        if store.files(name) is None:
            if args.names:
                print(f"{name}: not installed")
                wrong += 1
            continue
        damaged = store.damaged(name)
        wrong += bool(damaged)
        print(f"{name}: {'damaged: ' + ', '.join(damaged) if damaged else 'sound'}")
    if wrong:
        print("`vox models install NAME` fetches what is missing or damaged.", file=sys.stderr)
    return 1 if wrong else 0


def _store(args: argparse.Namespace) -> "ModelStore":
    from vox.providers.models.store import ModelStore, models_folder

    return ModelStore(args.folder or models_folder(os.environ))


class _Line:
    """Progress on one line of a terminal; elsewhere a line for every tenth."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._last: tuple[str, int] = ("", -1)
        self._is_open = False

    def progress(self, progress: "Progress") -> None:
        """Shows how far it is."""
        step = int(progress.share * (100 if self._is_terminal else 10))
        if (progress.model, step) == self._last:
            return
        self._last = (progress.model, step)
        text = f"{progress.model}: {progress.share:4.0%} of {progress.total / _MB:.0f} MB  {progress.source}"
        print(f"\r\x1b[K{text}" if self._is_terminal else text, end="" if self._is_terminal else "\n", flush=True)
        self._is_open = self._is_terminal

    def end(self) -> None:
        """Leaves the line."""
        if self._is_open:
            print()
            self._is_open = False
