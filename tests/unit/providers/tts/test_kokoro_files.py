"""Which files of a folder are Kokoro's."""

from pathlib import Path

from vox.providers.tts._kokoro_files import VOICE_BYTES, KokoroFiles


def fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(VOICE_BYTES if name.endswith(".bin") else 1))


def test_a_folder_with_all_of_it(tmp_path):
    fill(tmp_path, "model.onnx", "vocab.json", "af_heart.bin", "voices/bf_emma.bin", "README.md")
    (tmp_path / "other.bin").write_bytes(b"not a voice")
    found = KokoroFiles.in_folder(tmp_path)
    assert found is not None
    assert found.model == tmp_path / "model.onnx"
    assert sorted(found.voices) == ["af_heart", "bf_emma"]
    assert KokoroFiles.decode(found.encode()) == found


def test_a_folder_that_lacks_something(tmp_path):
    assert KokoroFiles.in_folder(tmp_path / "missing") is None
    fill(tmp_path, "model.onnx", "vocab.json")
    assert KokoroFiles.in_folder(tmp_path) is None


def test_the_first_of_two_voices_of_one_name_counts(tmp_path):
    fill(tmp_path, "a/x.onnx", "a/vocab.json", "a/af_heart.bin", "b/af_heart.bin")
    found = KokoroFiles.of([*sorted((tmp_path / "a").iterdir()), *sorted((tmp_path / "b").iterdir())])
    assert found is not None
    assert found.voices["af_heart"].parent.name == "a"
