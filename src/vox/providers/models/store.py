"""Where installed models lie, and what is there: `<folder>/<model>/<edition>/<file>`.

An edition's folder appears whole, by one rename, after every file's hash was right; its name is made of these hashes, so that
another version of Vox never takes old files for its own.
"""

from collections.abc import Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Final

from vox.providers.models.catalogue import CATALOGUE, Edition, Model

FOLDER_VARIABLE: Final = "VOX_MODELS_FOLDER"


def models_folder(environment: Mapping[str, str]) -> Path:
    """`$VOX_MODELS_FOLDER`, else `vox/models` in the user's data folder."""
    if named := environment.get(FOLDER_VARIABLE):
        return Path(named)
    data = environment.get("XDG_DATA_HOME", "")
    home = environment.get("HOME")
    base = Path(data) if data.startswith("/") else (Path(home) if home else Path.home()) / ".local" / "share"
    return base / "vox" / "models"


class ModelStore:
    """The models in one folder; reads only. `installation.py` writes.

    Args:
        folder: where they lie; it need not exist.
        catalogue: the models there may be.
    """

    def __init__(self, folder: Path, catalogue: Mapping[str, Model] = CATALOGUE) -> None:
        self.folder = folder
        self.catalogue = catalogue

    def files(self, name: str) -> Mapping[str, Path] | None:
        """An installed model's files by their names; None where it is not installed whole, or not in the catalogue.

        Looks at names and sizes only, which is quick enough for every call; `damaged` reads the files.
        """
        model = self.catalogue.get(name)
        if model is None:
            return None
        return next((found for edition in model.editions if (found := self._whole(model, edition))), None)

    def edition(self, name: str) -> Edition | None:
        """Which edition `files` gives."""
        model = self.catalogue.get(name)
        if model is None:
            return None
        return next((edition for edition in model.editions if self._whole(model, edition)), None)

    def damaged(self, name: str) -> list[str]:
        """The names of an installed model's files whose hash is not the catalogue's; reads them all (0.1 s for 75 MB)."""
        edition, paths = self.edition(name), self.files(name)
        if edition is None or paths is None:
            return []
        return [file.name for file in edition.files if hash_of(paths[file.name]) != file.sha256]

    def edition_folder(self, model: Model, edition: Edition) -> Path:
        """Where this edition lies or would lie."""
        return self.folder / model.name / edition.digest

    def _whole(self, model: Model, edition: Edition) -> dict[str, Path] | None:
        folder = self.edition_folder(model, edition)
        paths = {file.name: folder / file.name for file in edition.files}
        try:
            whole = all(paths[file.name].stat().st_size == file.size for file in edition.files)
        except OSError:
            return None
        return paths if whole else None


def hash_of(path: Path) -> str:
    """A file's SHA-256; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
