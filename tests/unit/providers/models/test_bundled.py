"""What comes with Vox unpacks to the very bytes that the catalogue promises."""

import hashlib

import pytest

from vox.providers.models import bundled
from vox.providers.models.catalogue import CATALOGUE, Bundled

FILES = [
    (file, source)
    for model in CATALOGUE.values()
    for edition in model.editions
    for file in edition.files
    for source in file.sources
    if isinstance(source, Bundled)
]


@pytest.mark.parametrize(("file", "source"), FILES, ids=[source.name for _, source in FILES])
def test_a_bundled_file_has_the_catalogues_hash(file, source):
    data = bundled.read(source)
    assert len(data) == file.size
    assert hashlib.sha256(data).hexdigest() == file.sha256
