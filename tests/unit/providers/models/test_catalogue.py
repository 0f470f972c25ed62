"""The rows of the catalogue: complete, distinct, and without an address of a registry."""

import re
from urllib.parse import urlsplit

import pytest

from vox.providers.models.catalogue import CATALOGUE, SMALL_SET, Bundled, Edition, Hub, Members, ModelFile, Package

FILES = [
    (model.name, number, file)
    for model in CATALOGUE.values()
    for number, edition in enumerate(model.editions)
    for file in edition.files
]


@pytest.mark.parametrize(("model", "edition", "file"), FILES, ids=[f"{m}-{n}-{file.name}" for m, n, file in FILES])
def test_each_file_has_a_hash_a_size_and_sources(model, edition, file: ModelFile):
    assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
    assert file.size > 0
    assert re.fullmatch(r"[\w.-]+", file.name), "a plain name, which leads out of no folder"
    assert file.sources
    for source in file.sources:
        match source:
            case Hub(url):
                assert urlsplit(url).scheme == "https"
                assert "/main/" not in url, "a fixed revision"
            case Members(parts):
                assert all(package.version and package.size > 0 and path for package, path in parts)
            case Bundled(name):
                assert "/" not in name


def test_a_model_says_what_it_is_for_and_under_which_licence():
    for name, model in CATALOGUE.items():
        assert model.name == name
        assert model.purpose
        assert model.licence
        assert model.publisher
        assert all(edition.hashes_from for edition in model.editions)
        assert model.size == sum(file.size for file in model.editions[0].files)


def test_the_small_set_is_of_the_catalogue():
    assert set(SMALL_SET) <= set(CATALOGUE)


def test_files_of_an_edition_have_different_names():
    for model in CATALOGUE.values():
        for edition in model.editions:
            assert len({file.name for file in edition.files}) == len(edition.files)


def test_an_edition_is_named_after_its_bytes():
    file = ModelFile("model.bin", "0" * 64, 1, ())
    other = ModelFile("model.bin", "1" * 64, 1, ())
    assert Edition((file,), "x").digest == Edition((file,), "y").digest != Edition((other,), "x").digest


def test_a_package_is_written_as_its_client_takes_it():
    assert str(Package("pypi", "weights", "1.0", 1)) == "pypi:weights==1.0"
    assert str(Package("npm", "weights", "1.0", 1)) == "npm:weights@1.0"
