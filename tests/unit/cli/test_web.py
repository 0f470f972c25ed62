"""The export of the web client: whole, naming its server, and with the header that its page needs."""

import json
from pathlib import Path

import pytest

from vox.cli.web import export
from vox.errors import UsageError
from vox.runtime.pages import POLICY_FILE


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A built client."""
    folder = tmp_path / "built"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("page")
    (folder / "client.json").write_text('{"server": "/"}')
    (folder / "client.json.br").write_text("packed")
    (folder / "assets" / "new.js").write_text("1")
    return folder


def test_an_export_names_its_server_and_the_header(tmp_path: Path, built: Path):
    folder = tmp_path / "www" / "client"
    export(folder, "https://chat.example.com/", ["wss://relay.example.com:7880"], built)
    assert (folder / "assets" / "new.js").read_text() == "1"
    assert json.loads((folder / "client.json").read_text()) == {"server": "https://chat.example.com/"}
    assert not (folder / "client.json.br").exists()
    header = (folder / POLICY_FILE).read_text()
    assert "connect-src 'self' https://chat.example.com wss://chat.example.com https://relay.example.com:7880" in header


def test_a_second_export_leaves_nothing_of_the_first(tmp_path: Path, built: Path):
    folder = tmp_path / "www"
    (folder / "assets").mkdir(parents=True)
    (folder / "assets" / "old.js").write_text("0")
    export(folder, "/", [], built)
    assert [file.name for file in (folder / "assets").iterdir()] == ["new.js"]


@pytest.mark.parametrize(
    ("server", "code"),
    [("chat.example.com", "invalid_value"), ("ftp://x/", "invalid_value"), ("/", "client_not_built")],
)
def test_what_cannot_be_exported_is_said(tmp_path: Path, built: Path, server: str, code: str):
    if code == "client_not_built":
        (built / "index.html").unlink()
    with pytest.raises(UsageError) as refused:
        export(tmp_path / "www", server, [], built)
    assert refused.value.code == code


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, built: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError) as refused:
        export(tmp_path / "file" / "www", "/", [], built)
    assert refused.value.code == "folder_unusable"
