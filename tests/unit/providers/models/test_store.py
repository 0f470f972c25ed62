"""What the store says is installed: whole editions only."""

import hashlib

import pytest

from vox.providers.models.catalogue import Edition, Model, ModelFile
from vox.providers.models.store import ModelStore, models_folder


def file_of(name: str, data: bytes) -> ModelFile:
    return ModelFile(name, hashlib.sha256(data).hexdigest(), len(data), ())


FIRST = Edition((file_of("model.bin", b"weights"), file_of("vocabulary.txt", b"words")), "us")
SECOND = Edition((file_of("model.bin", b"other weights"),), "us")
MODEL = Model("tiny", "tests", "none", "us", (FIRST, SECOND))


@pytest.fixture
def store(tmp_path) -> ModelStore:
    return ModelStore(tmp_path / "models", {"tiny": MODEL})


def put(store: ModelStore, edition: Edition, **contents: bytes) -> None:
    folder = store.edition_folder(MODEL, edition)
    folder.mkdir(parents=True)
    for name, data in contents.items():
        (folder / name.replace("_", ".")).write_bytes(data)


def test_nothing_is_installed_in_a_folder_that_is_not_there(store):
    assert store.files("tiny") is None
    assert store.edition("tiny") is None
    assert store.damaged("tiny") == []


def test_an_unknown_model_is_not_installed(store):
    assert store.files("huge") is None


def test_a_whole_edition_gives_its_files(store):
    put(store, FIRST, model_bin=b"weights", vocabulary_txt=b"words")
    files = store.files("tiny")
    assert files is not None
    assert {name: path.read_bytes() for name, path in files.items()} == {
        "model.bin": b"weights",
        "vocabulary.txt": b"words",
    }
    assert store.damaged("tiny") == []


def test_an_edition_that_lacks_a_file_or_a_byte_does_not_count(store):
    put(store, FIRST, model_bin=b"weights")
    assert store.files("tiny") is None
    (store.edition_folder(MODEL, FIRST) / "vocabulary.txt").write_bytes(b"word")
    assert store.files("tiny") is None


def test_the_second_edition_serves_where_the_first_is_missing(store):
    put(store, SECOND, model_bin=b"other weights")
    assert store.edition("tiny") is SECOND


def test_changed_bytes_are_damage(store):
    put(store, FIRST, model_bin=b"weightz", vocabulary_txt=b"words")
    assert store.damaged("tiny") == ["model.bin"]


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"VOX_MODELS_FOLDER": "/models", "XDG_DATA_HOME": "/data", "HOME": "/users/ada"}, "/models"),
        ({"XDG_DATA_HOME": "/data", "HOME": "/users/ada"}, "/data/vox/models"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/users/ada"}, "/users/ada/.local/share/vox/models"),
        ({"HOME": "/users/ada"}, "/users/ada/.local/share/vox/models"),
    ],
)
def test_models_lie_where_the_environment_says(environment, folder):
    assert str(models_folder(environment)) == folder
